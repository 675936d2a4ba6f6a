//! What a server's tools take, by their schemas.

use std::collections::BTreeSet;

use rmcp::model::{JsonObject, Tool};
use serde_json::Value;

use crate::away::Away;
use crate::text::short;

/// The tools that notes are kept with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    List,
    History,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::List, Self::History];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read_note",
            Self::Write => "write_note",
            Self::List => "list_notes",
            Self::History => "note_history",
        }
    }

    /// What a note is named by where the schema does not say.
    const fn usual_key(self) -> &'static str {
        match self {
            Self::Read => "identifier",
            _ => "path",
        }
    }
}

/// The parameters of one tool.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    kind: Kind,
    /// `None`: the schema names none, and anything may be given.
    known: Option<BTreeSet<String>>,
    required: BTreeSet<String>,
}

/// So many parameters of a tool are looked at.
const MOST: usize = 256;

impl Shape {
    pub(crate) fn of(kind: Kind, tool: &Tool) -> Self {
        let schema = &tool.input_schema;
        let properties = schema.get("properties").and_then(Value::as_object);
        let known = properties.map(|all| all.keys().take(MOST).cloned().collect());
        let required = schema.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().take(MOST);
        let required = required.filter_map(Value::as_str).map(str::to_owned).collect();
        Self { kind, known: known.filter(|known: &BTreeSet<_>| !known.is_empty()), required }
    }

    /// Whether the schema has that parameter.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.known.as_ref().is_some_and(|known| known.contains(name))
    }

    /// The arguments of a call: the note by the name that it has here, the project, and of
    /// `more` what the schema knows.
    pub(crate) fn arguments(
        &self,
        note: Option<&str>,
        project: Option<&str>,
        more: Vec<(&'static str, Value)>,
    ) -> Result<JsonObject, Away> {
        let mut all = JsonObject::new();
        if let Some(note) = note {
            for key in self.keys(&["path", "identifier"], self.kind.usual_key())? {
                all.insert(key.to_owned(), note.into());
            }
        }
        if let Some(project) = project {
            for key in self.keys(&["project", "base"], "project")? {
                all.insert(key.to_owned(), project.into());
            }
        }
        let silent = self.known.is_none();
        let more = more.into_iter().filter(|(name, _)| silent || self.takes(name));
        all.extend(more.map(|(name, value)| (name.to_owned(), value)));
        match self.required.iter().find(|name| !all.contains_key(*name)) {
            None => Ok(all),
            Some(name) if name == "project" || name == "base" => {
                Err(self.wants(name, "name it: --notes-project, --from-project"))
            }
            Some(name) => Err(self.wants(name, "such a server cannot keep notes for Brio")),
        }
    }

    /// Under which of some names that mean the same it is given: those that are required, else
    /// the first that is known.
    fn keys<'k>(&self, names: &[&'k str], usual: &'k str) -> Result<Vec<&'k str>, Away> {
        if self.known.is_none() {
            return Ok(vec![usual]);
        }
        let required: Vec<_> =
            names.iter().copied().filter(|name| self.required.contains(*name)).collect();
        if !required.is_empty() {
            return Ok(required);
        }
        match names.iter().copied().find(|name| self.takes(name)) {
            Some(name) => Ok(vec![name]),
            None => Err(Away::said(format!(
                "its tool {} takes no `{}`, so this is no server for that",
                self.kind.name(),
                names.first().unwrap_or(&usual)
            ))),
        }
    }

    fn wants(&self, name: &str, hint: &str) -> Away {
        Away::said(format!("its tool {} wants `{}`; {hint}", self.kind.name(), short(name)))
    }
}

/// The tools of a server, as far as notes are concerned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tools(Vec<Shape>);

impl Tools {
    pub(crate) fn add(&mut self, tool: &Tool) {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == tool.name);
        if let Some(kind) = kind.filter(|kind| self.get(*kind).is_none()) {
            self.0.push(Shape::of(kind, tool));
        }
    }

    pub(crate) fn get(&self, kind: Kind) -> Option<&Shape> {
        self.0.iter().find(|shape| shape.kind == kind)
    }

    pub(crate) fn need(&self, kind: Kind) -> Result<&Shape, Away> {
        self.get(kind).ok_or_else(|| {
            Away::said(format!("it has no tool {}; name a server that keeps notes", kind.name()))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(kind: Kind, schema: Value) -> Shape {
        let Value::Object(schema) = schema else { panic!("{schema}") };
        Shape::of(kind, &Tool::new(kind.name(), "", schema))
    }

    fn args(shape: &Shape, project: Option<&str>) -> Result<Value, String> {
        let more = vec![("content", json!("x")), ("expected_version", json!(3))];
        let all = shape.arguments(Some("a/b"), project, more);
        all.map(Value::Object).map_err(|e| e.to_string())
    }

    #[test]
    fn what_the_schema_knows_is_sent_and_nothing_else() {
        let seed =
            json!({"properties": {"identifier": {}, "project": {}}, "required": ["identifier"]});
        let seed = shape(Kind::Read, seed);
        assert_eq!(args(&seed, Some("p")), Ok(json!({"identifier": "a/b", "project": "p"})));
        assert_eq!(args(&seed, None), Ok(json!({"identifier": "a/b"})));
        let ours = shape(
            Kind::Write,
            json!({"properties": {"path": {}, "content": {}, "expected_version": {}, "base": {}}}),
        );
        assert_eq!(
            args(&ours, Some("/p")),
            Ok(json!({"path": "a/b", "content": "x", "expected_version": 3, "base": "/p"}))
        );
        let silent = shape(Kind::Read, json!({"type": "object"}));
        let all =
            json!({"identifier": "a/b", "project": "p", "content": "x", "expected_version": 3});
        assert_eq!(args(&silent, Some("p")), Ok(all));
        let both = json!({"properties": {"path": {}, "identifier": {}}, "required": ["path", "identifier"]});
        let both = shape(Kind::Read, both);
        assert_eq!(args(&both, None), Ok(json!({"path": "a/b", "identifier": "a/b"})));
    }

    #[test]
    fn what_cannot_be_given_is_refused() {
        let of = |schema| shape(Kind::Write, schema);
        let titled = of(json!({"properties": {"path": {}, "title": {}}, "required": ["title"]}));
        assert!(args(&titled, None).unwrap_err().contains("wants `title`"));
        let projects =
            of(json!({"properties": {"path": {}, "project": {}}, "required": ["project"]}));
        assert!(args(&projects, None).unwrap_err().contains("--notes-project"));
        // A project that it does not know would be another one's notes.
        let one = of(json!({"properties": {"path": {}, "content": {}}}));
        assert!(args(&one, Some("p")).unwrap_err().contains("takes no `project`"));
        let other = of(json!({"properties": {"title": {}}}));
        assert!(args(&other, None).unwrap_err().contains("takes no `path`"));
    }
}
