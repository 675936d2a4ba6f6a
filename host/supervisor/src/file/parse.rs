//! Text into keys and values, from TOML and from JSON.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::Format;
use super::tree::{Entry, Node, Value};

/// A text that is not of its format.
#[derive(Debug, PartialEq)]
pub(super) struct SyntaxError {
    /// The byte where it is wrong.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) what: String,
}

/// Takes a text apart. Both parsers refuse what is nested too deeply to walk through.
///
/// # Errors
///
/// Every place where it is not of its format, as far as that can be told.
pub(super) fn parse(text: &str, format: Format) -> Result<Node, Vec<SyntaxError>> {
    match format {
        Format::Toml => toml(text),
        Format::Json => json(text),
    }
}

fn toml(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let value = from_toml_table(table.get_ref());
        return Ok(Node { span: table.span(), value });
    }
    Err(errors
        .into_iter()
        .map(|e| SyntaxError {
            at: e.span().map_or(0, |span| span.start),
            what: e.message().to_owned(),
        })
        .collect())
}

fn from_toml(value: &Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => integer(number),
        DeValue::Float(number) => number.as_str().parse().map_or(Value::HugeNumber, Value::Float),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(values) => Value::List(values.iter().map(from_toml).collect()),
        DeValue::Table(table) => from_toml_table(table),
    };
    Node { span, value }
}

fn from_toml_table(table: &DeTable<'_>) -> Value {
    let entry = |(key, value): (&Spanned<_>, _)| Entry {
        name: AsRef::<str>::as_ref(key.get_ref()).to_owned(),
        span: key.span(),
        node: from_toml(value),
    };
    Value::Table(table.iter().map(entry).collect())
}

fn integer(number: &DeInteger<'_>) -> Value {
    i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::HugeNumber, Value::Integer)
}

/// Nothing but JSON.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

fn json(text: &str) -> Result<Node, Vec<SyntaxError>> {
    // The first knows exactly what JSON is and how deep it may be, the second where things stand.
    if let Err(e) = serde_json::from_str::<serde_json::Value>(text) {
        let what = e.to_string();
        let what = what.split(" at line ").next().unwrap_or(&what).to_owned();
        return Err(vec![SyntaxError { at: byte(text, e.line(), e.column()), what }]);
    }
    match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(parsed) => match parsed.value {
            Some(value) => Ok(from_json(&value)),
            None => Err(vec![SyntaxError { at: 0, what: "there is nothing in it".into() }]),
        },
        Err(e) => Err(vec![SyntaxError { at: e.range().start, what: e.kind().to_string() }]),
    }
}

/// The byte at a line and column, which are counted from 1, the column in bytes.
fn byte(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    lines.map(str::len).sum::<usize>() + column.saturating_sub(1)
}

fn from_json(value: &ast::Value<'_>) -> Node {
    let range = value.range();
    let value = match value {
        ast::Value::StringLit(text) => Value::String(text.value.to_string()),
        ast::Value::NumberLit(number) => number
            .value
            .parse()
            .map(Value::Integer)
            .or_else(|_| number.value.parse().map(Value::Float))
            .unwrap_or(Value::HugeNumber),
        ast::Value::BooleanLit(literal) => Value::Boolean(literal.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => Value::List(array.elements.iter().map(from_json).collect()),
        ast::Value::Object(object) => Value::Table(
            object
                .properties
                .iter()
                .map(|property| Entry {
                    name: property.name.as_str().to_owned(),
                    span: property.name.range().start..property.name.range().end,
                    node: from_json(&property.value),
                })
                .collect(),
        ),
    };
    Node { span: range.start..range.end, value }
}

#[cfg(test)]
mod tests {
    use super::super::key::Key;
    use super::super::tree::line_and_column;
    use super::*;

    #[test]
    fn knows_where_everything_stands() {
        let toml = "name = \"é\"\n\n[[steps]]\nagent = \"hello\"\n[[steps]]\n  command = 1\n";
        let json =
            "{\n  \"name\": \"é\", \"steps\": [\n  {\"agent\": \"hello\"},\n  {\"command\": 1}\n]}";
        for (text, format, first, second) in
            [(toml, Format::Toml, (4, 1), (6, 3)), (json, Format::Json, (3, 4), (4, 4))]
        {
            let node = parse(text, format).expect(text);
            let place = |key: &Key| line_and_column(text, node.place(key));
            let steps = Key::default().name("steps");
            assert_eq!(place(&steps.index(0).name("agent")), first, "{text}");
            assert_eq!(place(&steps.index(1).name("command")), second, "{text}");
            // One that is not there: its table.
            assert_eq!(place(&steps.index(1).name("task")), place(&steps.index(1)));
        }
        let (line, column) = line_and_column("a\nbé?", 5);
        assert_eq!((line, column), (2, 3));
    }

    #[test]
    fn a_toml_file_shows_all_its_syntax_errors() {
        let errors = parse("a = \nb = 1\nc = [1\n", Format::Toml).expect_err("broken");
        assert!(errors.len() >= 2, "{errors:?}");
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        let deep = 200_000;
        for (text, format) in [
            (format!("a = {}", "[".repeat(deep)), Format::Toml),
            (format!("a = {}", "{a=".repeat(deep)), Format::Toml),
            (format!("{}a = 1", "a.".repeat(deep)), Format::Toml),
            (format!("[{}a]", "a.".repeat(deep)), Format::Toml),
            ("[".repeat(deep), Format::Json),
            ("{\"a\":".repeat(deep), Format::Json),
            (format!("{}{}", "[".repeat(deep), "]".repeat(deep)), Format::Json),
        ] {
            assert!(parse(&text, format).is_err(), "{}", &text[..20]);
        }
    }

    #[test]
    fn json_is_json() {
        for text in ["", "{a: 1}", "{\"a\": 1,}", "// x\n{}", "{'a': 1}", "{\"a\": 0x1}", "{} {}"] {
            assert!(parse(text, Format::Json).is_err(), "{text}");
        }
        let node = parse("{\"a\": 1, \"a\": -1.5e3}", Format::Json).expect("JSON");
        assert!(matches!(&node.value, Value::Table(entries) if entries.len() == 2));
    }
}
