//! What is asked of the server, and what its answers come to.

use std::sync::Arc;

use brio_project::{
    Clock, NoteInfo, NotePath, NotesError, Pattern, Record, SESSION_PATH, Timestamp, Version,
    WriteOptions, Written, is_tombstone, tombstone,
};
use serde_json::Value;

use crate::answer::{self, Seen, Wrote};
use crate::away::Away;
use crate::link::Link;
use crate::shape::{Kind, Tools};

/// The version of a note of which the server tells none.
const UNTOLD: u64 = 1;

/// The notes of one project on one server.
pub(crate) struct Remote {
    pub(crate) link: Link,
    pub(crate) shown: String,
    pub(crate) project: Option<String>,
    pub(crate) clock: Clock,
}

/// What must be there for a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    Any,
    /// This version; 0: no note.
    Version(u64),
    /// What was read.
    Same(Seen),
}

impl Seen {
    /// The version that one who looks sees: 0 where there is no note.
    pub(crate) fn visible(&self, path: &NotePath) -> u64 {
        match self {
            Self::None | Self::Removed { .. } => 0,
            Self::Note { content, version, .. } => {
                version.unwrap_or_else(|| of_record(path, content).unwrap_or(UNTOLD))
            }
        }
    }

    /// The version if one is known: of no note, told, or the record's.
    fn known(&self, path: &NotePath) -> Option<u64> {
        match self {
            Self::Note { content, version: None, .. } => of_record(path, content),
            _ => Some(self.visible(path)),
        }
    }

    /// The version that the server compares with; `None`: it did not tell.
    fn told(&self) -> Option<u64> {
        match self {
            Self::Note { version, .. } => *version,
            Self::None | Self::Removed { .. } => Some(0),
        }
    }

    /// The last version that was told, a removal's too.
    fn last(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Removed { version, .. } | Self::Note { version, .. } => *version,
        }
    }

    /// When it was written, as far as that is known: told, or the record's; else 1970, which
    /// nobody takes for a time at which a note was written.
    pub(crate) fn at(&self, path: &NotePath) -> Timestamp {
        let told = match self {
            Self::None => None,
            Self::Removed { at, .. } | Self::Note { at, .. } => *at,
        };
        let record = || match self {
            Self::Note { content, .. } => record(path, content).map(|record| record.updated_at),
            _ => None,
        };
        let unknown = || Timestamp::now(|| std::time::SystemTime::UNIX_EPOCH);
        told.or_else(record).unwrap_or_else(unknown)
    }

    fn is(&self, wanted: &str) -> bool {
        match self {
            Self::None => false,
            Self::Removed { .. } => is_tombstone(wanted),
            Self::Note { content, .. } => content == wanted,
        }
    }
}

fn record(path: &NotePath, content: &str) -> Option<Record> {
    (path.as_str() == SESSION_PATH).then(|| Record::from_json(content).ok())?
}

/// One above the record's own version, which begins with 0: and 0 is no note.
fn of_record(path: &NotePath, content: &str) -> Option<u64> {
    record(path, content).map(|record| record.version + 1)
}

impl Remote {
    pub(crate) fn away(&self, what: impl std::fmt::Display, away: Away) -> NotesError {
        let what = format!("could not {what} at {}: {away}", self.shown);
        NotesError::Unavailable { what, source: Some(Box::new(away)) }
    }

    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    pub(crate) async fn check(&self) -> Result<(), NotesError> {
        let check = async {
            let (session, _) = self.link.session().await?;
            for kind in [Kind::Read, Kind::Write, Kind::List] {
                let note = (kind != Kind::List).then_some(SESSION_PATH);
                let content = (kind == Kind::Write).then(|| ("content", Value::from("")));
                let shape = session.tools.need(kind)?;
                shape.arguments(note, self.project(), content.into_iter().collect())?;
            }
            let path = NotePath::new(SESSION_PATH).map_err(|e| Away::said(e.to_string()))?;
            self.look(&path).await.map(drop)
        };
        check.await.map_err(|away| self.away("keep notes", away))
    }

    async fn look(&self, path: &NotePath) -> Result<Seen, Away> {
        let arguments = |tools: &Tools| {
            tools.need(Kind::Read)?.arguments(Some(path.as_str()), self.project(), Vec::new())
        };
        answer::read(&self.link.call(Kind::Read, arguments).await?, path)
    }

    pub(crate) async fn read(&self, path: &NotePath) -> Result<Seen, NotesError> {
        self.look(path).await.map_err(|away| self.away(format_args!("read {path}"), away))
    }

    /// Whether the server itself compares versions, and whether it knows writes by their origin.
    async fn promises(&self) -> Result<(bool, bool), Away> {
        let (session, _) = self.link.session().await?;
        let write = session.tools.need(Kind::Write)?;
        Ok((write.takes("expected_version"), write.takes("origin")))
    }

    pub(crate) async fn write(
        &self,
        path: &NotePath,
        content: &str,
        origin: Option<&str>,
        expect: Expect,
    ) -> Result<Written, NotesError> {
        let away = |away| self.away(format_args!("write {path}"), away);
        let (compares, knows_origins) = self.promises().await.map_err(away)?;
        let untold = matches!(&expect, Expect::Same(seen) if seen.told().is_none());
        let compares = compares && !untold;
        let must_look = origin.is_some() || (!compares && expect != Expect::Any);
        let before = if must_look { Some(self.look(path).await.map_err(away)?) } else { None };
        if let (Some(before), Some(_), false) = (&before, origin, knows_origins)
            && before.is(content)
        {
            let version = before.visible(path).max(UNTOLD);
            return Ok(Written { version, replayed: true });
        }
        let mut expected = None;
        if compares {
            expected = match &expect {
                Expect::Any => None,
                Expect::Version(version) => Some(*version),
                Expect::Same(seen) => Some(seen.visible(path)),
            };
        } else if let Some(before) = &before {
            self.compare(path, &expect, before)?;
        }
        let seen_before = match before.as_ref().and_then(Seen::last) {
            // What was removed had versions too.
            None if knows_origins && origin.is_some() => {
                self.history(path).await?.first().map(|last| last.version)
            }
            last => last,
        };
        let wrote = self.put(path, content, origin, expected).await.map_err(away)?;
        let Wrote::Done { version, replayed } = wrote else {
            let found = self.look(path).await.map_err(away)?.visible(path);
            let expected = expected.unwrap_or_default();
            return Err(NotesError::VersionMismatch { path: path.clone(), expected, found });
        };
        // Each write has a version of its own, so one that was there before is no new write's.
        let old = version.zip(seen_before).is_some_and(|(version, before)| version <= before);
        let replayed = replayed.unwrap_or(knows_origins && origin.is_some() && old);
        let version = version.unwrap_or_else(|| of_record(path, content).unwrap_or(UNTOLD));
        Ok(Written { version, replayed })
    }

    /// For a server that does not compare: another write between this look and the write is
    /// overridden unseen.
    fn compare(&self, path: &NotePath, expect: &Expect, before: &Seen) -> Result<(), NotesError> {
        let found = before.visible(path);
        let (fits, expected) = match expect {
            Expect::Any => (true, found),
            Expect::Same(seen) => (seen == before, seen.visible(path)),
            Expect::Version(0) => (found == 0, 0),
            Expect::Version(version) => match before.known(path) {
                Some(known) => (known == *version, *version),
                None => {
                    let (path, at) = (path.clone(), self.shown.clone());
                    return Err(NotesError::NoVersions { path, at });
                }
            },
        };
        match fits {
            true => Ok(()),
            // Two contents of one version that is not told.
            false => Err(NotesError::VersionMismatch { path: path.clone(), expected, found }),
        }
    }

    async fn put(
        &self,
        path: &NotePath,
        content: &str,
        origin: Option<&str>,
        expected: Option<u64>,
    ) -> Result<Wrote, Away> {
        let arguments = |tools: &Tools| {
            let write = tools.need(Kind::Write)?;
            let mut more = vec![("content", Value::from(content))];
            if let Some(expected) = expected {
                if !write.takes("expected_version") {
                    return Err(Away::said("its tools changed meanwhile"));
                }
                more.push(("expected_version", expected.into()));
            }
            if let Some(origin) = origin.filter(|_| write.takes("origin")) {
                more.push(("origin", origin.into()));
            }
            write.arguments(Some(path.as_str()), self.project(), more)
        };
        answer::wrote(&self.link.call(Kind::Write, arguments).await?, path)
    }

    pub(crate) async fn remove(
        &self,
        path: &NotePath,
        how: &WriteOptions,
    ) -> Result<Option<Written>, NotesError> {
        let away = |away| self.away(format_args!("remove {path}"), away);
        let before = self.look(path).await.map_err(away)?;
        let there = matches!(before, Seen::Note { .. });
        let (_, knows_origins) = self.promises().await.map_err(away)?;
        let origin = how.origin.as_deref();
        // A server that knows origins is told also of what was removed already: it remembers.
        let told = there || (knows_origins && origin.is_some());
        if !told {
            if let Some(expected) = how.expected_version.filter(|expected| *expected != 0) {
                let path = path.clone();
                return Err(NotesError::VersionMismatch { path, expected, found: 0 });
            }
            let again = origin.is_some() && matches!(before, Seen::Removed { .. });
            return Ok(again.then_some(Written { version: UNTOLD, replayed: true }));
        }
        let expect = how.expected_version.map_or(Expect::Any, Expect::Version);
        let content = tombstone(Timestamp::now(self.clock));
        let written = self.write(path, &content, origin, expect).await?;
        Ok((there || written.replayed).then_some(written))
    }

    pub(crate) async fn list(
        self: Arc<Self>,
        pattern: Pattern,
    ) -> Result<Vec<NoteInfo>, NotesError> {
        let away = |away| self.away("list the notes", away);
        let arguments = |tools: &Tools| {
            let list = tools.need(Kind::List)?;
            // What a server makes of `**` is not known; without a pattern it lists them all.
            let all = pattern.as_str() == Pattern::all().as_str();
            let given = (!all).then(|| ("pattern", Value::from(pattern.as_str())));
            list.arguments(None, self.project(), given.into_iter().collect())
        };
        let result = self.link.call(Kind::List, arguments).await.map_err(away)?;
        let mut notes = Vec::new();
        let mut left_out = 0;
        for listed in answer::list(&result).map_err(away)? {
            // Others may have notes there by names that are none here.
            let Ok(path) = NotePath::new(listed.path) else {
                left_out += 1;
                continue;
            };
            if !pattern.fits(&path) {
                continue;
            }
            match (listed.version, listed.at) {
                // A server that knows versions knows what was removed.
                (Some(version), Some(at)) => notes.push(NoteInfo { path, version, at }),
                _ => {
                    let seen = self.look(&path).await.map_err(away)?;
                    if let Seen::Note { .. } = seen {
                        let (version, at) = (seen.visible(&path), seen.at(&path));
                        notes.push(NoteInfo { path, version, at });
                    }
                }
            }
        }
        if left_out > 0 {
            tracing::warn!(
                at = self.shown,
                left_out,
                "Notes with names that are none here are left out"
            );
        }
        notes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        notes.dedup_by(|a, b| a.path == b.path);
        Ok(notes)
    }

    pub(crate) async fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        let away = |away| self.away(format_args!("read the history of {path}"), away);
        let (session, _) = self.link.session().await.map_err(away)?;
        if session.tools.get(Kind::History).is_none() {
            let seen = self.look(path).await.map_err(away)?;
            let at = seen.at(path);
            let version = seen.last().unwrap_or_else(|| seen.visible(path).max(UNTOLD));
            let content = match seen {
                Seen::None => return Ok(Vec::new()),
                Seen::Removed { .. } => None,
                Seen::Note { content, .. } => Some(content),
            };
            return Ok(vec![Version { version, at, origin: None, content }]);
        }
        let arguments = |tools: &Tools| {
            // Brio's own tool lists twenty where nobody asks for more, and at most so many.
            let more = vec![("limit", Value::from(1000))];
            tools.need(Kind::History)?.arguments(Some(path.as_str()), self.project(), more)
        };
        let result = self.link.call(Kind::History, arguments).await.map_err(away)?;
        answer::history(&result).map_err(away)
    }
}
