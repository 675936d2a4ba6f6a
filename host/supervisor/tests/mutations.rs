//! Files that are broken in every way are refused, with a place that is in them; nothing panics.

use std::fs;
use std::path::Path;

use brio_supervisor::file::{Format, parse};
use brio_supervisor::template::{Output, Outputs, fill, pieces};
use proptest::prelude::*;

fn recipes() -> Vec<(String, Format)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-agents/recipes");
    let files = fs::read_dir(dir).expect("the recipes").map(|f| f.expect("a file").path());
    let texts = files.map(|file| fs::read_to_string(file).expect("read"));
    texts
        .flat_map(|text| {
            let value: serde_json::Value = toml::from_str(&text).expect("TOML");
            let json = serde_json::to_string_pretty(&value).expect("JSON");
            [(text, Format::Toml), (json, Format::Json)]
        })
        .collect()
}

/// What a careless hand or a broken disk does to a file.
#[derive(Debug, Clone)]
enum Mutation {
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, String),
    Repeat(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    let tokens = vec![
        "\n",
        "\"",
        "'",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ":",
        ",",
        ".",
        "#",
        "\\",
        "\"\"\"",
        "null",
        "nan",
        "-inf",
        "1e999",
        "99999999999999999999",
        "0x",
        "é",
        "\u{feff}",
        "\0",
        "[[steps]]\n",
        "[[children]]\n",
        "name = ''\n",
        "land = 'best'\n",
        "session = 'none'\n",
        "{hello.summary}",
        "1979-05-27T07:32:00Z",
    ];
    prop_oneof![
        (at(), 1usize..40).prop_map(|(at, n)| Mutation::Remove(at, n)),
        (at(), prop::sample::select(tokens)).prop_map(|(at, t)| Mutation::Insert(at, t.into())),
        (at(), any::<char>()).prop_map(|(at, c)| Mutation::Insert(at, c.into())),
        (at(), 1usize..200).prop_map(|(at, n)| Mutation::Repeat(at, n)),
        at().prop_map(Mutation::Cut),
    ]
}

fn mutated(text: &str, mutation: &Mutation) -> String {
    let characters: Vec<char> = text.chars().collect();
    let place = |index: &prop::sample::Index| index.index(characters.len() + 1);
    let cut = |from: usize, to: usize| characters[from..to.min(characters.len())].iter();
    let end = characters.len();
    match mutation {
        Mutation::Remove(at, n) => {
            let at = place(at);
            cut(0, at).chain(cut((at + n).min(end), end)).collect()
        }
        Mutation::Insert(at, new) => {
            let at = place(at);
            cut(0, at).copied().chain(new.chars()).chain(cut(at, end).copied()).collect()
        }
        Mutation::Repeat(at, n) => {
            let at = place(at);
            cut(0, at + n).chain(cut(at, end)).collect()
        }
        Mutation::Cut(at) => cut(0, place(at)).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_broken_file_is_refused_where_it_is_broken(
        (text, format) in prop::sample::select(recipes()),
        mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        let text = mutations.iter().fold(text, |text, mutation| mutated(&text, mutation));
        if let Err(errors) = parse(&text, format, Path::new("/nowhere")) {
            prop_assert!(errors.count() > 0);
            for error in &errors {
                let line = error.line().expect("a text has lines");
                prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1);
                let width = text.split('\n').nth(line - 1).map_or(0, |l| l.chars().count());
                let column = error.column().expect("and columns");
                prop_assert!(column >= 1 && column <= width + 1, "{line}:{column} of {width}: {error}");
                let shown = error.to_string();
                prop_assert!(shown.contains("; ") && !shown.contains(char::is_control), "{error}");
                prop_assert!(shown.len() < 2000, "{error}");
            }
        }
    }

    #[test]
    fn any_text_is_filled_in_or_refused(text in "[a-c{}. é]{0,24}") {
        let output = Output { summary: "{a.b}".into(), metrics: vec![("b".into(), 1.5)] };
        let outputs = Outputs::from([("a".to_owned(), output)]);
                let filled = fill(&text, &outputs);
        prop_assert!(pieces(&text).is_ok() || filled.is_err());
        // Doubled, any text stands for itself.
        let doubled = text.replace('{', "{{").replace('}', "}}");
        prop_assert_eq!(fill(&doubled, &outputs), Ok(text));
    }
}
