//! When a server says that there is no such note, and nothing else.

use rmcp::model::CallToolResult;
use serde_json::Value;

use crate::answer::texts;

/// So much of an error is looked at.
const MOST: usize = 64 << 10;

/// The stable code in an error, as Brio's own tools tell it: `{"error": {"code": …}}` in a text or
/// in the structured content.
pub(crate) fn code(result: &CallToolResult) -> Option<String> {
    let of = |value: &Value| Some(value.get("error")?.get("code")?.as_str()?.to_owned());
    let structured = result.structured_content.as_ref().and_then(of);
    structured.or_else(|| {
        texts(result).take(4).filter(|text| text.len() <= MOST).find_map(|text| {
            let value: Value = serde_json::from_str(text).ok()?;
            of(&value)
        })
    })
}

/// Whether an error's text says of this very note that it is not there: `Note not found`, with its
/// path or without, `No such note`, `PATH does not exist` and the like, after what an SDK puts
/// before it. A sentence that says anything more may be about something else, and does not count.
pub(crate) fn says_so(text: &str, path: &str) -> bool {
    if text.len() > 1024 {
        return false;
    }
    let text = text.to_lowercase();
    let text = text.strip_prefix("error executing tool read_note:").unwrap_or(&text);
    let path = path.to_lowercase();
    let (text, names_it) = without(text, &path);
    let plain = |c: char| if c.is_alphanumeric() { c } else { ' ' };
    let text: String = text.replace('\'', "").chars().map(plain).collect();
    let words: Vec<_> = text.split_whitespace().filter(|word| !FILLING.contains(word)).collect();
    let about_notes = words.contains(&"note");
    let rest: Vec<_> = words.into_iter().filter(|word| *word != "note").collect();
    (names_it || about_notes) && SAYINGS.contains(&rest.join(" ").as_str())
}

/// A text without a path where that stands alone, and whether it did.
fn without(text: &str, path: &str) -> (String, bool) {
    let (mut out, mut found) = (String::new(), false);
    let mut rest = text;
    while let Some(at) = rest.find(path) {
        let (before, after) = (&rest[..at], &rest[at + path.len()..]);
        let alone =
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if alone { " " } else { path });
        found |= alone;
        rest = after;
    }
    out.push_str(rest);
    (out, found)
}

const FILLING: [&str; 7] = ["error", "the", "a", "such", "with", "there", "is"];
const SAYINGS: [&str; 7] = [
    "not found",
    "no",
    "no found",
    "does not exist",
    "doesnt exist",
    "no exists",
    "could not be found",
];

#[cfg(test)]
mod tests {
    use super::says_so;

    #[test]
    fn only_a_sentence_about_the_note_counts() {
        let path = "sessions/session";
        for so in [
            "Note not found",
            "note not found: sessions/session",
            "Error executing tool read_note: Note 'sessions/session' not found.",
            "No such note: \"sessions/session\"",
            "There is no note sessions/session",
            "The note `sessions/session` does not exist",
            "Note doesn't exist",
            "sessions/session: not found",
        ] {
            assert!(says_so(so, path), "{so}");
        }
        for not in [
            "",
            "Not found",
            "404",
            "Project not found: demo",
            "Project 'demo' of note sessions/session not found",
            "note not found: sessions/other",
            "sessions/session: host not found",
            "Note store not found",
            "Could not reach the database: sessions/session not found in cache",
            "[Errno 2] No such file or directory: '/data/sessions/session.md'",
            "No note could be read",
            "is the note there?",
            "sessions/session",
            "note",
        ] {
            assert!(!says_so(not, path), "{not}");
        }
        // A path of a few letters is in many words.
        assert!(says_so("Note not found: no", "no") && says_so("Note not found: e", "e"));
        assert!(!says_so("Nope", "no"));
        assert!(!says_so(&format!("note not found{}", " ".repeat(2000)), path));
    }
}
