//! From many sessions with ids to the one record.
//!
//! Each step leaves the notes such that the next run goes on from there: contexts are copied,
//! then the record is written, and only then are old notes removed, a session's own note after
//! its contexts and the pointer last. Nothing that somebody wrote under the new names is
//! overwritten, except a record in which nothing has happened yet.

mod find;
mod report;

pub(crate) use self::find::has_historic_sessions;
use self::find::{Candidate, Found, agent_context, is_json};
pub use self::report::{By, MigrateOptions, Migration, RecordStep, Step, Winner};
use crate::agent::AGENTS;
use crate::notes::{Notes, NotesError, WriteOptions};
use crate::observer::Observer;
use crate::store::{Store, session_path};
use crate::{AgentName, Clock, NotePath, ProjectError, Timestamp};

pub(crate) fn run(
    from: &dyn Notes,
    to: &dyn Notes,
    clock: Clock,
    options: &MigrateOptions,
) -> Result<Migration, ProjectError> {
    let found = find::find(from)?;
    let mut run = Run { from, to, clock, done: Migration::new(options.dry_run) };
    run.done.candidates = found.candidates.len();
    run.done.skipped = found.skipped;
    run.done.steps.extend(found.steps.iter().cloned());
    if let Some(winner) = run.select(&found) {
        run.contexts(winner)?;
        run.record(winner)?;
    }
    run.archive(&found)?;
    let Run { mut done, .. } = run;
    if done.steps.is_empty() {
        done.steps.push(Step::Nothing);
    }
    Ok(done)
}

struct Run<'a> {
    from: &'a dyn Notes,
    to: &'a dyn Notes,
    clock: Clock,
    done: Migration,
}

impl Run<'_> {
    /// The session that the pointer names, else the newest; of equals the first by its id.
    fn select<'f>(&mut self, found: &'f Found) -> Option<&'f Candidate> {
        let pointed = found.pointed.as_ref();
        let pointed = pointed.and_then(|id| found.candidates.iter().find(|c| c.id == *id));
        let newest = || {
            let order = |a: &&Candidate, b: &&Candidate| {
                let newest_first = b.record.updated_at.cmp(&a.record.updated_at);
                newest_first.then_with(|| a.id.cmp(&b.id))
            };
            found.candidates.iter().min_by(order)
        };
        let by = if pointed.is_some() { By::Pointer } else { By::Newest };
        let winner = pointed.or_else(newest)?;
        let named = Winner { id: winner.id.clone(), by, updated_at: winner.record.updated_at };
        tracing::info!(
            sessionId = winner.id,
            totalCandidates = found.candidates.len(),
            updatedAt = %winner.record.updated_at,
            "Selected the session that becomes the record"
        );
        self.done.winner = Some(named.clone());
        self.step(Step::Selected { winner: named, of: found.candidates.len() });
        Some(winner)
    }

    fn contexts(&mut self, winner: &Candidate) -> Result<(), ProjectError> {
        for agent in AGENTS {
            let Some(old) = agent_context(&winner.id, agent) else { continue };
            let Some(note) = self.from.read(&old)? else { continue };
            if !is_json(&note.content) {
                let why = "is no JSON".to_owned();
                self.done.skipped += 1;
                self.step(Step::Skipped { path: old, why });
                continue;
            }
            let Ok(name) = agent.parse::<AgentName>() else { continue };
            let new = name.path().map_err(NotesError::from)?;
            if self.move_context(&new, &note.content)? {
                self.done.contexts += 1;
                self.step(Step::Context { agent, from: old, to: new });
            } else {
                self.step(Step::ContextKept { agent, path: new });
            }
        }
        Ok(())
    }

    /// Whether it was moved: not where the agent has a context already, or had one.
    fn move_context(&self, new: &NotePath, content: &str) -> Result<bool, ProjectError> {
        if self.to.read(new)?.is_some() || !self.to.history(new)?.is_empty() {
            return Ok(false);
        }
        if self.done.dry_run {
            return Ok(true);
        }
        let how = WriteOptions { expected_version: Some(0), origin: None };
        match self.to.write(new, content, &how) {
            Ok(_) => Ok(true),
            Err(NotesError::VersionMismatch { .. }) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn record(&mut self, winner: &Candidate) -> Result<(), ProjectError> {
        let observer: &dyn Observer = &();
        let store = Store { notes: self.to, clock: self.clock, observer, origin: None };
        let path = session_path()?;
        loop {
            let stored = store.load()?;
            if let Some((record, _)) = stored.as_ref().filter(|(r, _)| !r.is_untouched()) {
                self.done.record = Some(RecordStep::Kept { version: record.version });
                self.step(Step::RecordKept { version: record.version });
                return Ok(());
            }
            let (there, expected) = stored.map_or((0, 0), |(record, note)| (record.version, note));
            let now = Timestamp::now(self.clock);
            let record = winner.record.clone().touched(winner.record.version.max(there), now);
            let how = WriteOptions { expected_version: Some(expected), origin: None };
            if !self.done.dry_run {
                match self.to.write(&path, &record.to_json(), &how) {
                    Ok(_) => {}
                    Err(NotesError::VersionMismatch { .. }) => continue,
                    Err(e) => return Err(e.into()),
                }
            }
            self.done.record = Some(RecordStep::Written { version: record.version });
            self.step(Step::Record { version: record.version });
            return Ok(());
        }
    }

    /// Old notes become tombstones: all candidates' contexts, then their own notes, then the
    /// pointer. What was skipped stays.
    fn archive(&mut self, found: &Found) -> Result<(), ProjectError> {
        let kept = |step: &Step, path: &NotePath| matches!(step, Step::Skipped { path: skipped, .. } if skipped == path);
        for candidate in &found.candidates {
            for old in AGENTS.iter().filter_map(|agent| agent_context(&candidate.id, agent)) {
                if !self.done.steps.iter().any(|step| kept(step, &old)) {
                    self.remove(old)?;
                }
            }
            self.remove(candidate.path.clone())?;
        }
        if let Some(pointer) = found.pointer.clone() {
            self.remove(pointer)?;
        }
        Ok(())
    }

    fn remove(&mut self, path: NotePath) -> Result<(), ProjectError> {
        let there = if self.done.dry_run {
            self.from.read(&path)?.is_some()
        } else {
            self.from.remove(&path, &WriteOptions::default())?.is_some()
        };
        if there {
            self.done.archived += 1;
            self.step(Step::Archived { path });
        }
        Ok(())
    }

    fn step(&mut self, step: Step) {
        self.done.steps.push(step);
    }
}
