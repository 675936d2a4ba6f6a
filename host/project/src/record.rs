//! The record of a project and how it changes. Pure: no backend, no clock.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Mode, Timestamp, UnknownMode};

/// What survives every session: one per project, without an id.
///
/// Fields that this version does not know are kept as they are and written back, so a newer
/// program's are not lost by an older one's update. `sessionId` is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Value")]
pub struct Record {
    /// The mode that it is in.
    pub current_mode: Mode,
    /// What is being worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_task: Option<String>,
    /// The feature that this belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_feature: Option<String>,
    /// Every change of the mode, oldest first. A new record has none.
    pub mode_history: Vec<ModeChange>,
    /// One more with every update. At most 2^53 - 1, which is what JavaScript counts to.
    pub version: u64,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it was last updated.
    pub updated_at: Timestamp,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One change of the mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModeChange {
    /// The mode that began.
    pub mode: Mode,
    /// When.
    pub timestamp: Timestamp,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What to change. What is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// The new mode. The history gets it only if it is another one.
    pub mode: Option<Mode>,
    /// The new task; an empty text clears it.
    pub task: Option<String>,
    /// The new feature; an empty text clears it.
    pub feature: Option<String>,
}

/// A text that is no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is no JSON.
    #[error("RECORD_INVALID: this is no JSON object: {0}")]
    Json(#[source] serde_json::Error),
    /// It has an id, which records have no longer.
    #[error(
        "RECORD_HAS_ID: a record has no `sessionId`; leave the field out, or migrate the project"
    )]
    SessionId,
    /// A field is missing or of another kind.
    #[error("RECORD_INVALID: the field `{field}` is missing or is no {expected}")]
    Field {
        /// Which one.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// It names a mode that there is not.
    #[error(transparent)]
    Mode(#[from] UnknownMode),
}

impl RecordError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Field { .. } => "RECORD_INVALID",
            Self::SessionId => "RECORD_HAS_ID",
            Self::Mode(_) => "MODE_UNKNOWN",
        }
    }
}

/// The most that JavaScript counts without losing one.
const MAX_VERSION: u64 = (1 << 53) - 1;

impl Record {
    /// A record in which nothing has happened: mode `analysis`, version 0.
    pub fn new(now: Timestamp) -> Self {
        Self {
            current_mode: Mode::default(),
            active_task: None,
            active_feature: None,
            mode_history: Vec::new(),
            version: 0,
            created_at: now,
            updated_at: now,
            other: Map::new(),
        }
    }

    /// Reads what [`to_json`](Self::to_json) wrote, or a program of another kind.
    ///
    /// A version that is no whole number from 0 on is taken as 0, with a warning.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        serde_json::from_str::<Value>(text).map_err(RecordError::Json)?.try_into()
    }

    /// JSON with two spaces.
    pub fn to_json(&self) -> String {
        // Texts, numbers and maps with text keys: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The record after an update; this one stays as it is.
    #[must_use]
    pub fn updated(&self, update: &Update, now: Timestamp) -> Self {
        let mut next = self.clone();
        if let Some(mode) = update.mode.filter(|mode| *mode != self.current_mode) {
            next.current_mode = mode;
            next.mode_history.push(ModeChange { mode, timestamp: now, other: Map::new() });
        }
        let set = |field: &mut Option<String>, to: &Option<String>| {
            if let Some(to) = to {
                *field = Some(to.clone()).filter(|text| !text.is_empty());
            }
        };
        set(&mut next.active_task, &update.task);
        set(&mut next.active_feature, &update.feature);
        next.touched(self.version, now)
    }

    /// With a version above `version`, and this time.
    pub(crate) fn touched(mut self, version: u64, now: Timestamp) -> Self {
        self.version = version.saturating_add(1).min(MAX_VERSION);
        self.updated_at = now;
        self
    }

    /// Whether nothing has ever been done to it: it yields to a migrated one.
    pub fn is_untouched(&self) -> bool {
        *self == Self::new(self.created_at)
    }
}

impl TryFrom<Value> for Record {
    type Error = RecordError;

    fn try_from(value: Value) -> Result<Self, RecordError> {
        let Value::Object(mut map) = value else {
            return Err(RecordError::Field { field: "(all)", expected: "JSON object" });
        };
        if map.contains_key("sessionId") {
            return Err(RecordError::SessionId);
        }
        Ok(Self {
            current_mode: text(&mut map, "currentMode")?.parse()?,
            active_task: optional(&mut map, "activeTask")?,
            active_feature: optional(&mut map, "activeFeature")?,
            mode_history: history(map.remove("modeHistory"))?,
            version: version(map.remove("version")),
            created_at: timestamp(&mut map, "createdAt")?,
            updated_at: timestamp(&mut map, "updatedAt")?,
            other: map,
        })
    }
}

fn text(map: &mut Map<String, Value>, field: &'static str) -> Result<String, RecordError> {
    match map.remove(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(RecordError::Field { field, expected: "text" }),
    }
}

fn optional(
    map: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Option<String>, RecordError> {
    match map.remove(field) {
        None | Some(Value::Null) => Ok(None),
        // Empty clears, so an empty one is none.
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(RecordError::Field { field, expected: "text" }),
    }
}

fn timestamp(map: &mut Map<String, Value>, field: &'static str) -> Result<Timestamp, RecordError> {
    let expected = "time as 2026-01-19T10:00:00.000Z";
    let text = text(map, field).map_err(|_| RecordError::Field { field, expected })?;
    text.parse().map_err(|_| RecordError::Field { field, expected })
}

fn history(value: Option<Value>) -> Result<Vec<ModeChange>, RecordError> {
    let invalid = || RecordError::Field { field: "modeHistory", expected: "list of mode changes" };
    let Some(Value::Array(list)) = value else { return Err(invalid()) };
    let change = |value| {
        let Value::Object(mut map) = value else { return Err(invalid()) };
        let mode = text(&mut map, "mode").map_err(|_| invalid())?.parse()?;
        let timestamp = timestamp(&mut map, "timestamp").map_err(|_| invalid())?;
        Ok(ModeChange { mode, timestamp, other: map })
    };
    list.into_iter().map(change).collect()
}

fn version(value: Option<Value>) -> u64 {
    let whole = |n: f64| (n.fract() == 0.0 && (0.0..=MAX_VERSION as f64).contains(&n)).then_some(n);
    let found = value.as_ref().and_then(|value| {
        let exact = value.as_u64().filter(|n| *n <= MAX_VERSION);
        exact.or_else(|| value.as_f64().and_then(whole).map(|n| n as u64))
    });
    found.unwrap_or_else(|| {
        let found = value.unwrap_or_default();
        tracing::warn!(%found, "The record's version is corrupted - it is taken as 0");
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u32) -> Timestamp {
        format!("2026-01-19T10:00:{second:02}.000Z").parse().unwrap()
    }

    // R-002, R-012: the fields, their names and their order; two spaces.
    #[test]
    fn the_schema_is_the_documented_one() {
        let update = Update {
            mode: Some(Mode::Coding),
            task: Some("parse".into()),
            feature: Some("notes".into()),
        };
        let record = Record::new(at(0)).updated(&update, at(1));
        let json = r#"{
  "currentMode": "coding",
  "activeTask": "parse",
  "activeFeature": "notes",
  "modeHistory": [
    {
      "mode": "coding",
      "timestamp": "2026-01-19T10:00:01.000Z"
    }
  ],
  "version": 1,
  "createdAt": "2026-01-19T10:00:00.000Z",
  "updatedAt": "2026-01-19T10:00:01.000Z"
}"#;
        assert_eq!(record.to_json(), json);
        assert_eq!(Record::from_json(json).unwrap(), record);
        assert_eq!(serde_json::from_str::<Record>(json).unwrap(), record);
    }

    // R-003, R-004
    #[test]
    fn updates_follow_the_rules() {
        let first = Record::new(at(0));
        let kept = first.clone();
        let set = Update { task: Some("t".into()), feature: Some("f".into()), ..Update::default() };
        let second = first.updated(&set, at(1));
        assert_eq!(first, kept, "an update makes a new record");
        assert_eq!((second.version, second.updated_at, second.created_at), (1, at(1), at(0)));
        let same =
            second.updated(&Update { mode: Some(Mode::Analysis), ..Update::default() }, at(2));
        assert_eq!(same.mode_history, [], "the same mode is no change");
        assert_eq!((same.version, same.active_task.as_deref()), (2, Some("t")));
        let clear = Update { task: Some(String::new()), ..Update::default() };
        let cleared = same.updated(&clear, at(3));
        assert_eq!(
            (cleared.active_task.as_deref(), cleared.active_feature.as_deref()),
            (None, Some("f"))
        );
        let nothing = cleared.updated(&Update::default(), at(4));
        assert_eq!((nothing.version, nothing.updated_at), (4, at(4)));
        assert!(first.is_untouched() && !nothing.is_untouched());
    }

    // R-002: `sessionId` must be absent, whatever its value.
    #[test]
    fn a_session_id_is_rejected() {
        for id in ["\"abc\"", "null"] {
            let json =
                Record::new(at(0)).to_json().replacen('{', &format!("{{\"sessionId\": {id},"), 1);
            let error = Record::from_json(&json).unwrap_err();
            assert_eq!(error.code(), "RECORD_HAS_ID");
            assert!(serde_json::from_str::<Record>(&json).is_err());
        }
    }

    // R-035: a corrupted version is 0.
    #[test]
    fn a_corrupted_version_is_zero() {
        let whole = Record::new(at(0)).updated(&Update::default(), at(1)).to_json();
        for bad in ["-1", "1.5", "\"7\"", "null", "[]", "1e300", "9007199254740993"] {
            let json = whole.replace("\"version\": 1", &format!("\"version\": {bad}"));
            assert_eq!(Record::from_json(&json).unwrap().version, 0, "{bad}");
        }
        assert_eq!(Record::from_json(&whole.replace("\"version\": 1,", "")).unwrap().version, 0);
        for good in ["12", "12.0", "1.2e1"] {
            let json = whole.replace("\"version\": 1", &format!("\"version\": {good}"));
            assert_eq!(Record::from_json(&json).unwrap().version, 12, "{good}");
        }
        let last = whole.replace("\"version\": 1", "\"version\": 9007199254740991");
        let last = Record::from_json(&last).unwrap();
        assert_eq!(last.updated(&Update::default(), at(2)).version, MAX_VERSION);
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let json =
            Record::new(at(0)).to_json().replacen('{', "{\"later\": {\"b\": 1, \"a\": []},", 1);
        let record = Record::from_json(&json).unwrap();
        let again =
            Record::from_json(&record.updated(&Update::default(), at(1)).to_json()).unwrap();
        assert_eq!(again.other["later"], serde_json::json!({"a": [], "b": 1}));
        assert!(!record.is_untouched(), "it is somebody's");
    }

    #[test]
    fn what_is_no_record_says_why() {
        let good = Record::new(at(0)).to_json();
        for (from, to, code) in [
            ("{", "", "RECORD_INVALID"),
            ("\"analysis\"", "\"dreaming\"", "MODE_UNKNOWN"),
            ("\"analysis\"", "7", "RECORD_INVALID"),
            ("[]", "{}", "RECORD_INVALID"),
            ("[]", "[7]", "RECORD_INVALID"),
            ("[]", "[{\"mode\": \"coding\"}]", "RECORD_INVALID"),
            ("[]", "[{\"mode\": \"x\", \"timestamp\": \"2026-01-19T10:00:00Z\"}]", "MODE_UNKNOWN"),
            ("2026", "two", "RECORD_INVALID"),
            ("{", "{\"activeTask\": 7,", "RECORD_INVALID"),
        ] {
            let error = Record::from_json(&good.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.code(), code, "{from} {to}");
            assert!(error.to_string().starts_with(code), "{error}");
        }
        assert!(Record::from_json("[]").unwrap_err().to_string().contains("JSON object"));
    }
}
