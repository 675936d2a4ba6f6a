//! What the model may do: the files of the session, by `std::fs`, and nothing else.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// So much of a file, and so many names, are told.
const MOST_BYTES: u64 = 256 << 10;
const MOST_NAMES: usize = 2000;

/// The tools, for the model.
pub(crate) fn described() -> Value {
    let tool = |name: &str, about: &str, parameters: &[&str]| {
        let properties: serde_json::Map<_, _> =
            parameters.iter().map(|p| ((*p).to_owned(), json!({ "type": "string" }))).collect();
        json!({ "type": "function", "function": {
            "name": name,
            "description": about,
            "parameters": { "type": "object", "properties": properties, "required": parameters },
        }})
    };
    json!([
        tool("list", "The files below a directory; `.` is all.", &["path"]),
        tool("read", "The content of a text file.", &["path"]),
        tool("write", "Makes a file, or replaces all of one.", &["path", "content"]),
        tool(
            "replace",
            "Replaces a text in a file, which must be there exactly once.",
            &["path", "old", "new"]
        ),
    ])
}

#[derive(Deserialize)]
struct Place {
    path: String,
}

#[derive(Deserialize)]
struct Write {
    path: String,
    content: String,
}

#[derive(Deserialize)]
struct Replace {
    path: String,
    old: String,
    new: String,
}

/// Does what the model asked for. An error is told to it: it may do better.
pub(crate) fn perform(name: &str, arguments: &str) -> Result<String, String> {
    match name {
        "list" => list(&read_arguments::<Place>(arguments)?.path),
        "read" => read(&read_arguments::<Place>(arguments)?.path),
        "write" => {
            let Write { path, content } = read_arguments(arguments)?;
            write(&path, &content)
        }
        "replace" => {
            let Replace { path, old, new } = read_arguments(arguments)?;
            let text = read(&path)?;
            match text.matches(&old).count() {
                _ if old.is_empty() => Err("`old` is empty".into()),
                1 => write(&path, &text.replacen(&old, &new, 1)),
                0 => Err(format!("{path}: does not contain `old`")),
                n => Err(format!("{path}: contains `old` {n} times; give more of its surroundings")),
            }
        }
        _ => Err(format!("there is no tool `{name}`")),
    }
}

fn read_arguments<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| format!("the arguments are not what it takes: {e}"))
}

fn list(path: &str) -> Result<String, String> {
    let files = brio_agent::files::walk(path).map_err(|e| e.to_string())?;
    let mut text: String =
        files.iter().take(MOST_NAMES).map(|p| format!("{}\n", p.display())).collect();
    if let more @ 1.. = files.len().saturating_sub(MOST_NAMES) {
        text.push_str(&format!("… and {more} more; list a directory below\n"));
    }
    Ok(text)
}

fn read(path: &str) -> Result<String, String> {
    let fail = |e: std::io::Error| format!("{path}: {e}");
    let size = std::fs::metadata(path).map_err(fail)?.len();
    if size > MOST_BYTES {
        return Err(format!("{path}: has {size} bytes, more than can be read at once"));
    }
    std::fs::read_to_string(path).map_err(fail)
}

fn write(path: &str, content: &str) -> Result<String, String> {
    let fail = |e: std::io::Error| format!("{path}: {e}");
    if let Some(parent) = Path::new(path).parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(fail)?;
    }
    std::fs::write(path, content).map_err(fail)?;
    Ok(format!("{path}: {} bytes", content.len()))
}
