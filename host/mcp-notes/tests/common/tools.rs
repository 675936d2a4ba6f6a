//! The tools of servers: those of Brio, and the three that the first clients knew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use brio_project::*;
use serde_json::{Value, json};

use super::{Reply, Says};

/// Texts by their paths: all that a simple server has.
pub type Texts = Arc<Mutex<BTreeMap<String, String>>>;

pub fn text(text: impl Into<String>) -> Reply {
    Reply::Result(json!({"content": [{"type": "text", "text": text.into()}]}))
}

pub fn failure(text: &str) -> Reply {
    Reply::Result(json!({"isError": true, "content": [{"type": "text", "text": text}]}))
}

fn schema(required: &[&str], optional: &[&str]) -> Value {
    let all = required.iter().chain(optional);
    let properties: serde_json::Map<_, _> =
        all.map(|name| ((*name).to_owned(), json!({}))).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

pub fn tools(all: &[(&str, &[&str], &[&str])]) -> Reply {
    let tool = |(name, required, optional): &(&str, &[&str], &[&str])| json!({"name": name, "inputSchema": schema(required, optional)});
    Reply::Result(json!({"tools": all.iter().map(tool).collect::<Vec<_>>()}))
}

/// Three tools over texts, without versions, times or origins: as `read_note {identifier,
/// project}`, `write_note {path, content, project}`, `list_notes {pattern, project}`.
pub fn simple(texts: Texts) -> Arc<Says> {
    Arc::new(move |method, params| match method {
        "initialize" => Reply::Result(Value::Null),
        "tools/list" => tools(&[
            ("read_note", &["identifier"], &["project"]),
            ("write_note", &["path", "content"], &["project"]),
            ("list_notes", &[], &["pattern", "project"]),
        ]),
        _ => {
            let given = |name: &str| params["arguments"][name].as_str().unwrap_or_default();
            let project = given("project");
            let place = |path: &str| format!("{project}|{path}");
            let mut texts = texts.lock().unwrap();
            match params["name"].as_str().unwrap() {
                "read_note" => match texts.get(&place(given("identifier"))) {
                    Some(found) => text(found.clone()),
                    None => failure("Error executing tool read_note: Note not found"),
                },
                "write_note" => {
                    texts.insert(place(given("path")), given("content").to_owned());
                    text("written")
                }
                "list_notes" => {
                    let pattern = match given("pattern") {
                        "" => Pattern::all(),
                        pattern => Pattern::new(pattern).unwrap(),
                    };
                    let its = texts.keys().filter_map(|at| at.strip_prefix(&format!("{project}|")));
                    let fits = |at: &&str| pattern.fits(&NotePath::new(*at).unwrap());
                    text(json!(its.filter(fits).collect::<Vec<_>>()).to_string())
                }
                other => failure(&format!("Unknown tool: {other}")),
            }
        }
    })
}

/// The tools of Brio, over any notes.
pub fn full(notes: Arc<dyn Notes>) -> Arc<Says> {
    Arc::new(move |method, params| match method {
        "initialize" => Reply::Result(Value::Null),
        "tools/list" => tools(&[
            ("read_note", &["path"], &["base"]),
            ("write_note", &["path", "content"], &["expected_version", "origin", "base"]),
            ("list_notes", &[], &["pattern", "base"]),
            ("note_history", &["path"], &["base"]),
        ]),
        _ => match call(&*notes, params["name"].as_str().unwrap(), &params["arguments"]) {
            Ok(structured) => {
                let told = json!([{"type": "text", "text": structured.to_string()}]);
                Reply::Result(json!({"content": told, "structuredContent": structured}))
            }
            Err((code, said)) => {
                let error = json!({"error": {"code": code, "message": said}}).to_string();
                let texts = [format!("{code}: {said}"), error];
                let content = texts.map(|text| json!({"type": "text", "text": text}));
                Reply::Result(json!({"isError": true, "content": content}))
            }
        },
    })
}

fn call(notes: &dyn Notes, tool: &str, given: &Value) -> Result<Value, (String, String)> {
    let failed = |e: NotesError| (e.code().to_owned(), e.to_string());
    let unknown = || ("NOTE_UNKNOWN".to_owned(), "there is no such note".to_owned());
    let path = || NotePath::new(given["path"].as_str().unwrap()).unwrap();
    match tool {
        "read_note" => {
            let note = notes.read(&path()).map_err(failed)?.ok_or_else(unknown)?;
            let (path, time) = (note.path.as_str(), note.at.to_string());
            Ok(
                json!({"path": path, "version": note.version, "time": time, "content": note.content}),
            )
        }
        "write_note" => {
            let how = WriteOptions {
                expected_version: given["expected_version"].as_u64(),
                origin: given["origin"].as_str().map(str::to_owned),
            };
            let content = given["content"].as_str().unwrap();
            let written = notes.write(&path(), content, &how).map_err(failed)?;
            Ok(json!({"path": path().as_str(), "version": written.version}))
        }
        "list_notes" => {
            let pattern = given["pattern"].as_str().map_or(Pattern::all(), |p| p.parse().unwrap());
            let one = |info: NoteInfo| json!({"path": info.path.as_str(), "version": info.version, "time": info.at});
            let all = notes.list(&pattern).map_err(failed)?;
            Ok(json!({"notes": all.into_iter().map(one).collect::<Vec<_>>()}))
        }
        "note_history" => {
            let all = notes.history(&path()).map_err(failed)?;
            if all.is_empty() {
                return Err(unknown());
            }
            let one = |v: Version| json!({"version": v.version, "time": v.at, "origin": v.origin, "content": v.content});
            Ok(json!({"versions": all.into_iter().map(one).collect::<Vec<_>>()}))
        }
        other => Err(("TOOL".to_owned(), other.to_owned())),
    }
}
