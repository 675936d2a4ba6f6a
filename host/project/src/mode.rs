//! The modes that a project can be in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the project is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mode {
    /// Reading, understanding. The default.
    #[default]
    Analysis,
    /// Designing.
    Planning,
    /// Changing code.
    Coding,
    /// No mode is in force.
    Disabled,
}

/// A word that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("MODE_UNKNOWN: {mode:?} is no mode; it is one of analysis, planning, coding, disabled")]
pub struct UnknownMode {
    /// What was given.
    pub mode: String,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Analysis, Self::Planning, Self::Coding, Self::Disabled];

    /// Its word, in records and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analysis => "analysis",
            Self::Planning => "planning",
            Self::Coding => "coding",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(word: &str) -> Result<Self, UnknownMode> {
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str() == word);
        mode.ok_or_else(|| UnknownMode { mode: word.to_owned() })
    }
}

impl TryFrom<String> for Mode {
    type Error = UnknownMode;

    fn try_from(word: String) -> Result<Self, UnknownMode> {
        word.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_its_word_everywhere() {
        for (mode, word) in
            Mode::ALL.into_iter().zip(["analysis", "planning", "coding", "disabled"])
        {
            assert_eq!(mode.to_string(), word);
            assert_eq!(word.parse(), Ok(mode));
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::to_string(&mode).unwrap(), json);
            assert_eq!(serde_json::from_str::<Mode>(&json).unwrap(), mode);
        }
        assert_eq!(Mode::default(), Mode::Analysis);
        for bad in ["", "Coding", "coding ", "dreaming"] {
            let error = bad.parse::<Mode>().unwrap_err();
            assert_eq!(error.mode, bad);
            assert!(error.to_string().starts_with("MODE_UNKNOWN: "), "{error}");
            let json = serde_json::from_str::<Mode>(&format!("\"{bad}\"")).unwrap_err();
            assert!(json.to_string().starts_with("MODE_UNKNOWN: "), "{json}");
        }
    }
}
