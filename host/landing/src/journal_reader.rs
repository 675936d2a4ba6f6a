//! Reading a journal while it is written.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::state::State;
use crate::{DecisionRef, JournalEntry, SessionId, journal};

/// How much is read at once.
const PIECE: usize = 1 << 20;

/// A line of the journal, with what earlier ones say about it.
#[derive(Debug, Clone)]
pub struct JournalLine {
    /// It.
    pub entry: JournalEntry,
    /// For a landing: what was decided in the session, and in those that landed in it.
    pub decisions: Vec<DecisionRef>,
}

/// Reads a journal from its beginning, line by line, and then what is appended to it.
pub struct JournalReader {
    file: File,
    offset: u64,
    /// What was read of a line that has no end yet.
    half: Vec<u8>,
    decisions: Decisions,
}

impl JournalReader {
    pub(crate) fn open(state: &State) -> io::Result<Self> {
        Ok(Self {
            file: state.journal.try_clone()?,
            offset: 0,
            half: Vec::new(),
            decisions: Decisions::default(),
        })
    }

    /// The lines that came since the last call; at first those from the beginning. None: there
    /// are no more for now. A line that is being written is given when it is whole; one that is
    /// torn or foreign is left out.
    ///
    /// # Errors
    /// The host's.
    pub fn more(&mut self) -> io::Result<Vec<JournalLine>> {
        let mut piece = vec![0; PIECE];
        loop {
            let n = self.file.read_at(&mut piece, self.offset)?;
            if n == 0 {
                return Ok(Vec::new());
            }
            self.offset += n as u64;
            self.half.extend_from_slice(&piece[..n]);
            let Some(end) = self.half.iter().rposition(|b| *b == b'\n') else { continue };
            let rest = self.half.split_off(end + 1);
            let whole = std::mem::replace(&mut self.half, rest);
            let lines: Vec<_> =
                journal::parse(&whole).into_iter().map(|e| self.decisions.line(e)).collect();
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }
}

/// What was decided in sessions that have not landed in a base yet.
#[derive(Default)]
pub(crate) struct Decisions {
    open: HashMap<SessionId, Vec<DecisionRef>>,
    /// A landing may be told twice, after a crash.
    landed: HashMap<u64, Vec<DecisionRef>>,
}

impl Decisions {
    /// Takes the next line, with what was decided before it.
    pub(crate) fn line(&mut self, entry: JournalEntry) -> JournalLine {
        let mut decisions = Vec::new();
        if let Some(decision) = DecisionRef::of(&entry) {
            self.open.entry(decision.session.clone()).or_default().push(decision);
        } else if let Some(session) = &entry.session {
            match (entry.what.as_str(), &entry.parent, entry.landing) {
                ("landed-in-parent", Some(parent), _) => {
                    if let Some(mut its) = self.open.remove(session) {
                        let parents = self.open.entry(parent.clone()).or_default();
                        parents.append(&mut its);
                        parents.sort_by_key(|d| d.time);
                    }
                }
                ("landed", _, Some(landing)) => {
                    if let Some(its) = self.open.remove(session) {
                        self.landed.insert(landing, its);
                    }
                    decisions = self.landed.get(&landing).cloned().unwrap_or_default();
                }
                ("rolled-back" | "unchanged", ..) => drop(self.open.remove(session)),
                _ => {}
            }
        }
        JournalLine { entry, decisions }
    }
}
