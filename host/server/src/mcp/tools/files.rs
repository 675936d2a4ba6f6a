//! The files of a session, by the operations of `session-tools`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Does, ToolDef, tool, tool_that_says};
use crate::mcp::desk::{Caller, Desk, MOST_BYTES};
use crate::mcp::failure::Failure;
use crate::mcp::json::kind_word;

/// So many entries of a directory are listed.
const MOST_ENTRIES: usize = 10_000;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![
        tool_that_says(
            ("read_file", "Read a file"),
            "Reads a file of a session, or some of its lines. A file that is not UTF-8 comes as \
             base64, whole; up to 4 MiB fit into one answer.",
            Does::Reads,
            read_file,
            // As it stands there, so that `edit` can be given it.
            |file| {
                let plain = matches!(file.encoding, Encoding::Utf8) && !file.content.is_empty();
                plain.then(|| file.content.clone())
            },
        ),
        tool(
            ("write_file", "Write a file"),
            "Makes `content` the whole content of a file of a session. The file and the \
             directories on the way to it are made if they are missing; an existing file keeps its \
             mode. At most 4 MiB. To change a part of a file, `edit` is safer.",
            Does::Replaces,
            write_file,
        ),
        tool(
            ("edit", "Edit a file"),
            "Replaces text in a text file of a session: `old_text`, exactly as it stands there, by \
             `new_text`. It must occur once, unless `replace_all` is set; otherwise the file is as \
             it was.",
            Does::Changes,
            edit,
        ),
        tool(
            ("remove", "Remove a file"),
            "Removes a file, a symbolic link (not what it leads to) or an empty directory of a \
             session. The base keeps it until the session lands.",
            Does::Changes,
            remove,
        ),
        tool(
            ("list_directory", "List a directory"),
            "Lists the entries of a directory of a session, by name, with their kinds and sizes.",
            Does::Reads,
            list_directory,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadFile {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// The file, relative to the session.
    path: String,
    /// The first line that is wanted, from 1.
    first_line: Option<u32>,
    /// The last line that is wanted, itself included; to the end when left out.
    last_line: Option<u32>,
}

/// How bytes are written in JSON.
#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Encoding {
    /// As they are: they are UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// With padding.
    Base64,
}

#[derive(Serialize, JsonSchema)]
struct Content {
    session: String,
    path: String,
    content: String,
    /// How `content` is to be read.
    encoding: Encoding,
    /// Bytes that it holds.
    size: u64,
}

fn read_file(desk: &Desk, _: &Caller, asked: ReadFile) -> Result<Content, Failure> {
    let session = desk.session(&asked.session)?;
    let files = desk.files(&session)?;
    let (content, encoding, size) = match (asked.first_line, asked.last_line) {
        (None, None) => {
            let bytes = files.read(&asked.path)?;
            let size = bytes.len();
            match String::from_utf8(bytes) {
                Ok(text) => (text, Encoding::Utf8, size),
                Err(e) => (STANDARD.encode(e.as_bytes()), Encoding::Base64, size),
            }
        }
        (first, last) => {
            let (first, last) = (first.unwrap_or(1), last.unwrap_or(u32::MAX));
            let text = files.read_range(&asked.path, first, last)?;
            let size = text.len();
            (text, Encoding::Utf8, size)
        }
    };
    let session = session.id().to_string();
    Ok(Content { session, path: asked.path, content, encoding, size: size as u64 })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteFile {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// The file, relative to the session.
    path: String,
    /// What it is to hold.
    content: String,
    /// How `content` is to be read.
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Serialize, JsonSchema)]
struct Written {
    session: String,
    path: String,
    /// Bytes that it holds now.
    size: u64,
}

fn write_file(desk: &Desk, _: &Caller, asked: WriteFile) -> Result<Written, Failure> {
    let bytes = match asked.encoding {
        Encoding::Utf8 => asked.content.into_bytes(),
        Encoding::Base64 => STANDARD.decode(asked.content).map_err(|e| {
            Failure::new("USAGE", format!("content is no base64: {e}"))
                .hint("give it with padding, or as text with the encoding utf-8")
                .path(&asked.path)
        })?,
    };
    if bytes.len() > MOST_BYTES {
        let what = format!("{}: {} bytes are over {MOST_BYTES}", asked.path, bytes.len());
        return Err(Failure::new("TOO_LARGE", what)
            .hint("write a smaller file, or put it there by `brio session import`")
            .path(&asked.path));
    }
    let session = desk.session(&asked.session)?;
    desk.change(&session, |files| files.write(&asked.path, &bytes))?;
    let session = session.id().to_string();
    Ok(Written { session, path: asked.path, size: bytes.len() as u64 })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// The file, relative to the session.
    path: String,
    /// The text that is to go, exactly as it stands in the file, line ends and indents too.
    old_text: String,
    /// The text that is to stand there instead.
    new_text: String,
    /// Replace it wherever it occurs.
    #[serde(default)]
    replace_all: bool,
}

#[derive(Serialize, JsonSchema)]
struct Edited {
    session: String,
    path: String,
    /// How many places were changed.
    replaced: u32,
}

fn edit(desk: &Desk, _: &Caller, asked: Edit) -> Result<Edited, Failure> {
    let session = desk.session(&asked.session)?;
    let Edit { path, old_text, new_text, replace_all, .. } = asked;
    let replaced =
        desk.change(&session, |files| files.edit(&path, &old_text, &new_text, replace_all))?;
    Ok(Edited { session: session.id().to_string(), path, replaced })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// The file, link or empty directory, relative to the session.
    path: String,
}

#[derive(Serialize, JsonSchema)]
struct Removed {
    session: String,
    path: String,
}

fn remove(desk: &Desk, _: &Caller, asked: Remove) -> Result<Removed, Failure> {
    let session = desk.session(&asked.session)?;
    desk.change(&session, |files| files.remove(&asked.path))?;
    Ok(Removed { session: session.id().to_string(), path: asked.path })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListDirectory {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// The directory, relative to the session; its root when left out.
    path: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Directory {
    session: String,
    path: String,
    entries: Vec<Entry>,
    /// How many there are beyond those that are listed.
    more: u64,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// A name that is not UTF-8 is shown with U+FFFD, and cannot be opened by that.
    name: String,
    /// `file`, `directory`, `symlink`, `other`.
    kind: &'static str,
    /// Of a file, and of a link's target, in bytes; otherwise 0.
    size: u64,
}

fn list_directory(desk: &Desk, _: &Caller, asked: ListDirectory) -> Result<Directory, Failure> {
    let session = desk.session(&asked.session)?;
    let path = asked.path.unwrap_or_else(|| ".".into());
    let all = desk.files(&session)?.list(&path)?;
    let more = all.len().saturating_sub(MOST_ENTRIES) as u64;
    let entries = all.into_iter().take(MOST_ENTRIES).map(|e| Entry {
        name: e.name,
        kind: kind_word(e.kind),
        size: e.size,
    });
    let entries = entries.collect();
    Ok(Directory { session: session.id().to_string(), path, entries, more })
}
