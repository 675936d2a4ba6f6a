//! What of a session is in no tree: what it is for, and what was said and decided in it.

use brio_landing::{JournalEntry, JournalKind, Session};

use crate::ShareError;

/// What of a session is in no tree: told by whoever keeps it.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// A short name for people.
    pub title: Option<String>,
    /// The goal at length.
    pub description: Option<String>,
    /// The machine that it is on.
    pub machine: Option<String>,
    /// What agents and people said, oldest first.
    pub conversation: Vec<serde_json::Value>,
    /// What was decided and why, oldest first.
    pub decisions: Vec<serde_json::Value>,
}

impl Story {
    /// Of a session here: what it is for, and the lines of the journal about it.
    ///
    /// # Errors
    /// When the journal or the session cannot be read.
    pub fn of(session: &Session) -> Result<Self, ShareError> {
        let info = session.info()?;
        let words = session.words().map_err(ShareError::host("the journal"))?;
        let mut story =
            Self { title: info.title, description: info.description, ..Self::default() };
        for word in words {
            let to = match word.kind() {
                JournalKind::Decision => &mut story.decisions,
                _ => &mut story.conversation,
            };
            to.extend(serde_json::to_value(&word));
        }
        Ok(story)
    }
}

/// The lines of a journal that a session of a store brings along. What is none is left there.
pub(crate) fn words(doc: &brio_store::SessionDoc) -> Vec<JournalEntry> {
    let both = doc.conversation.iter().chain(&doc.decisions);
    let mut words: Vec<JournalEntry> =
        both.filter_map(|word| serde_json::from_value(word.clone()).ok()).collect();
    words.sort_by_key(|word| word.time);
    words
}
