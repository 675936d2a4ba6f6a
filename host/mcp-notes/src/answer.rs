//! What tools answer, as far as it can be understood. It is somebody else's: whatever is in doubt
//! is no answer.

use brio_project::{MAX_CONTENT, NotePath, Timestamp, Version, is_tombstone};
use rmcp::model::CallToolResult;
use serde_json::{Map, Value};

use crate::away::Away;
use crate::missing;
use crate::text::short;

/// A note as a server told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There is none.
    None,
    /// There is a tombstone.
    Removed { version: Option<u64>, at: Option<Timestamp> },
    /// There is one.
    Note { content: String, version: Option<u64>, at: Option<Timestamp> },
}

/// A note in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: String,
    pub(crate) version: Option<u64>,
    pub(crate) at: Option<Timestamp>,
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    Done {
        version: Option<u64>,
        replayed: Option<bool>,
    },
    /// It had another version than was expected.
    Changed,
}

pub(crate) fn texts(result: &CallToolResult) -> impl Iterator<Item = &str> {
    result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str())
}

fn failed(result: &CallToolResult) -> bool {
    result.is_error == Some(true)
}

fn refusal(result: &CallToolResult) -> Away {
    let text = texts(result).next().unwrap_or_default();
    match short(text) {
        said if said.is_empty() => Away::said("it refuses, and does not say why"),
        said => Away::said(format!("it refuses: {said}")),
    }
}

fn odd(what: &str) -> Away {
    Away::said(format!("its answer cannot be understood: {what}"))
}

fn object(result: &CallToolResult) -> Option<&Map<String, Value>> {
    result.structured_content.as_ref()?.as_object()
}

/// A version that counts: that of no note is 0.
fn version(map: &Map<String, Value>) -> Option<u64> {
    map.get("version")?.as_u64().filter(|version| *version != 0)
}

fn time(map: &Map<String, Value>) -> Option<Timestamp> {
    map.get("time")?.as_str()?.parse().ok()
}

pub(crate) fn read(result: &CallToolResult, path: &NotePath) -> Result<Seen, Away> {
    if failed(result) {
        let text = texts(result).next().unwrap_or_default();
        let missing = match missing::code(result) {
            Some(code) => code == "NOTE_UNKNOWN",
            None => missing::says_so(text, path.as_str()),
        };
        return if missing { Ok(Seen::None) } else { Err(refusal(result)) };
    }
    if let Some(map) = object(result)
        && let Some(content) = map.get("content")
    {
        let Value::String(content) = content else { return Err(odd("the content is no text")) };
        let named = map.get("path").or_else(|| map.get("identifier"));
        if named.is_some_and(|named| named.as_str() != Some(path.as_str())) {
            return Err(odd("it is about another note"));
        }
        return seen(content, version(map), time(map));
    }
    match texts(result).next() {
        // As the first client of such servers took it; so an empty note is none there.
        Some("") => Ok(Seen::None),
        Some(text) => seen(text, None, None),
        None if result.content.is_empty() => Ok(Seen::None),
        None => Err(odd("it has no text in it")),
    }
}

fn seen(content: &str, version: Option<u64>, at: Option<Timestamp>) -> Result<Seen, Away> {
    if content.len() > MAX_CONTENT {
        return Err(odd("the note is larger than any note is"));
    }
    Ok(match is_tombstone(content) {
        true => Seen::Removed { version, at },
        false => Seen::Note { content: content.to_owned(), version, at },
    })
}

pub(crate) fn wrote(result: &CallToolResult, path: &NotePath) -> Result<Wrote, Away> {
    if failed(result) {
        return match missing::code(result).as_deref() {
            Some("NOTE_CHANGED") => Ok(Wrote::Changed),
            _ => Err(refusal(result)),
        };
    }
    let Some(map) = object(result) else {
        return Ok(Wrote::Done { version: None, replayed: None });
    };
    if map.get("path").is_some_and(|named| named.as_str() != Some(path.as_str())) {
        return Err(odd("it is about another note"));
    }
    Ok(Wrote::Done {
        version: version(map),
        replayed: map.get("replayed").and_then(Value::as_bool),
    })
}

pub(crate) fn list(result: &CallToolResult) -> Result<Vec<Listed>, Away> {
    if failed(result) {
        return Err(refusal(result));
    }
    if let Some(value) = &result.structured_content {
        // What is not listed would look as if it were not there.
        let more = value.get("more").and_then(Value::as_u64).unwrap_or_default();
        if more > 0 {
            return Err(Away::said(format!(
                "it leaves {more} notes out of its list; ask for fewer"
            )));
        }
        return listed(value);
    }
    let texts: Vec<_> = texts(result).collect();
    match texts[..] {
        [] | [""] if result.content.len() == texts.len() => Ok(Vec::new()),
        [] => Err(odd("it has no text in it")),
        // A text for each, or one for all.
        _ => {
            let mut all = Vec::new();
            for text in texts {
                let value: Value = serde_json::from_str(text).map_err(|_| {
                    odd("the notes are listed neither as structured content nor as JSON")
                })?;
                all.extend(listed(&value)?);
            }
            Ok(all)
        }
    }
}

/// `{notes: […]}`, `{result: …}` around a list, a list, or one note.
fn listed(value: &Value) -> Result<Vec<Listed>, Away> {
    let inner = value.get("notes").or_else(|| value.get("result")).unwrap_or(value);
    let inner = inner.get("notes").unwrap_or(inner);
    let one = |value: &Value| -> Result<Listed, Away> {
        let nameless = || odd("a note in its list has no path");
        match value {
            Value::String(path) => Ok(Listed { path: path.clone(), version: None, at: None }),
            Value::Object(map) => {
                let path = map.get("path").or_else(|| map.get("identifier"));
                let path = path.and_then(Value::as_str).ok_or_else(nameless)?.to_owned();
                Ok(Listed { path, version: version(map), at: time(map) })
            }
            _ => Err(nameless()),
        }
    };
    match inner {
        Value::Array(all) => all.iter().map(one).collect(),
        Value::Object(_) => Ok(vec![one(inner)?]),
        _ => Err(odd("the notes are in no list")),
    }
}

/// The versions, newest first; `None` where there never was such a note.
pub(crate) fn history(result: &CallToolResult) -> Result<Vec<Version>, Away> {
    if failed(result) {
        return match missing::code(result).as_deref() {
            Some("NOTE_UNKNOWN") => Ok(Vec::new()),
            _ => Err(refusal(result)),
        };
    }
    let versions = object(result).and_then(|map| map.get("versions")?.as_array());
    let versions = versions.ok_or_else(|| odd("it lists no versions"))?;
    let one = |value: &Value| {
        let map = value.as_object()?;
        let text = |name| map.get(name).and_then(Value::as_str).map(str::to_owned);
        let content = text("content").filter(|content| !is_tombstone(content));
        let (version, at) = (version(map)?, time(map)?);
        Some(Version { version, at, origin: text("origin"), content })
    };
    let versions: Option<Vec<_>> = versions.iter().map(one).collect();
    let mut versions = versions.ok_or_else(|| odd("a version has no number or no time"))?;
    versions.sort_by_key(|version| std::cmp::Reverse(version.version));
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(value: Value) -> CallToolResult {
        serde_json::from_value(value).unwrap()
    }

    fn reads(value: Value) -> Result<Seen, String> {
        read(&result(value), &NotePath::new("a").unwrap()).map_err(|e| e.to_string())
    }

    fn note(content: &str, version: Option<u64>) -> Result<Seen, String> {
        Ok(Seen::Note { content: content.into(), version, at: None })
    }

    #[test]
    fn a_note_is_the_structured_content_or_the_first_text() {
        let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
        assert_eq!(reads(text("hello")), note("hello", None));
        assert_eq!(reads(text("")), Ok(Seen::None));
        assert_eq!(reads(json!({"content": []})), Ok(Seen::None));
        assert_eq!(
            reads(text("{\"deleted\": true}")),
            Ok(Seen::Removed { version: None, at: None })
        );
        let structured = json!({"path": "a", "content": "", "version": 7});
        let both =
            json!({"content": [{"type": "text", "text": "x"}], "structuredContent": structured});
        assert_eq!(reads(both), note("", Some(7)));
        let wrapped = json!({"content": [{"type": "text", "text": "x"}], "structuredContent": {"result": "x"}});
        assert_eq!(reads(wrapped), note("x", None));
        let zero = json!({"content": [], "structuredContent": {"content": "x", "version": 0}});
        assert_eq!(reads(zero), note("x", None), "0 is no version");
    }

    #[test]
    fn what_is_in_doubt_is_no_answer() {
        let image = json!({"content": [{"type": "image", "data": "", "mimeType": "image/png"}]});
        assert!(reads(image).unwrap_err().contains("no text"));
        for (structured, why) in [
            (json!({"path": "b", "content": "x"}), "another note"),
            (json!({"content": 7}), "no text"),
            (json!({"content": "x".repeat(MAX_CONTENT + 1)}), "larger"),
        ] {
            let error = reads(json!({"content": [], "structuredContent": structured})).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_refusal_is_missing_only_where_it_says_so() {
        let error = |text: &str| {
            reads(json!({"isError": true, "content": [{"type": "text", "text": text}]}))
        };
        assert_eq!(error("Note not found: a"), Ok(Seen::None));
        assert_eq!(error("{\"error\": {\"code\": \"NOTE_UNKNOWN\"}}"), Ok(Seen::None));
        assert!(error("{\"error\": {\"code\": \"NOTES_UNAVAILABLE\"}}").is_err());
        assert!(error("disk on fire").unwrap_err().contains("it refuses: disk on fire"));
        assert!(reads(json!({"isError": true, "content": []})).is_err());
    }

    #[test]
    fn lists_come_in_several_forms() {
        let paths = |value: Value| {
            let all = list(&result(value)).map_err(|e| e.to_string())?;
            Ok::<_, String>(all.into_iter().map(|l| (l.path, l.version)).collect::<Vec<_>>())
        };
        let a = || vec![("a".to_owned(), None)];
        let structured = |value: Value| json!({"content": [], "structuredContent": value});
        let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
        assert_eq!(
            paths(structured(json!({"notes": [{"path": "a", "version": 3}]}))).unwrap()[0].1,
            Some(3)
        );
        assert_eq!(paths(structured(json!({"result": ["a"]}))), Ok(a()));
        assert_eq!(paths(structured(json!({"result": {"notes": ["a"]}}))), Ok(a()));
        assert_eq!(paths(text("[\"a\"]")), Ok(a()));
        assert_eq!(paths(text("{\"identifier\": \"a\"}")), Ok(a()));
        assert_eq!(paths(json!({"content": []})), Ok(vec![]));
        assert_eq!(paths(text("")), Ok(vec![]));
        for bad in
            [text("a"), text("7"), text("[7]"), text("[{}]"), structured(json!({"notes": 7}))]
        {
            assert!(paths(bad.clone()).is_err(), "{bad}");
        }
        assert!(paths(json!({"isError": true, "content": []})).is_err());
        let part = structured(json!({"notes": ["a"], "more": 3}));
        assert!(paths(part).unwrap_err().contains("leaves 3 notes out"));
    }

    #[test]
    fn a_history_is_whole_or_none() {
        let of =
            |value: Value| history(&result(json!({"content": [], "structuredContent": value})));
        let at = "2026-01-19T10:00:00Z";
        let all = of(json!({"versions": [
            {"version": 1, "time": at, "content": "x", "origin": "l1"},
            {"version": 2, "time": at, "content": null},
        ]}));
        let all = all.unwrap();
        assert_eq!((all[0].version, &all[0].content), (2, &None));
        assert_eq!((all[1].version, all[1].origin.as_deref()), (1, Some("l1")));
        assert!(of(json!({"versions": [{"version": 1}]})).is_err());
        assert!(of(json!({})).is_err());
    }

    #[test]
    fn a_write_tells_what_became_of_it() {
        let of = |value: Value| wrote(&result(value), &NotePath::new("a").unwrap());
        let done = Wrote::Done { version: None, replayed: None };
        assert_eq!(of(json!({"content": [{"type": "text", "text": "ok"}]})).unwrap(), done);
        let told = json!({"content": [], "structuredContent": {"path": "a", "version": 4, "replayed": true}});
        assert_eq!(of(told).unwrap(), Wrote::Done { version: Some(4), replayed: Some(true) });
        let changed = "{\"error\": {\"code\": \"NOTE_CHANGED\"}}";
        let changed = json!({"isError": true, "content": [{"type": "text", "text": changed}]});
        assert_eq!(of(changed).unwrap(), Wrote::Changed);
        let other = json!({"content": [], "structuredContent": {"path": "b"}});
        assert!(of(other).is_err());
    }
}
