//! What stands in the place of a note that was removed: `{"deleted": true, "deletedAt": …}`.

use serde_json::Value;

use crate::Timestamp;

/// The content of a tombstone.
pub fn tombstone(at: Timestamp) -> String {
    format!("{{\n  \"deleted\": true,\n  \"deletedAt\": \"{at}\"\n}}")
}

/// Whether a content is a tombstone: a JSON object with `deleted` true, a text `deletedAt` or
/// none, and nothing else.
pub fn is_tombstone(content: &str) -> bool {
    let Ok(Value::Object(map)) = serde_json::from_str(content) else { return false };
    map.get("deleted") == Some(&Value::Bool(true))
        && map.iter().all(|(key, value)| match key.as_str() {
            "deleted" => true,
            "deletedAt" => value.is_string(),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn a_tombstone_is_known_and_nothing_else_is() {
        let at = "2026-01-19T10:00:00Z".parse().unwrap();
        assert!(is_tombstone(&tombstone(at)));
        assert!(is_tombstone("{\"deleted\":true}"));
        for not in ["", "deleted", "{}", "{\"deleted\":false}", "{\"deleted\":true,\"more\":1}"] {
            assert!(!is_tombstone(not), "{not}");
        }
    }
}
