//! Reading and writing the index.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::rows::{SESSION_COLUMNS, count, to_bytes, to_path};
use crate::{DomainRow, RegistryError, SessionRow, schema};

/// The open index. Several threads and several processes may use it at once.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    db: Mutex<Connection>,
}

/// What became of an index that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It was there, or is new.
    AsItWas,
    /// It was broken, and is a new one.
    Remade,
    /// It cannot be written, or the disk is full: this process has one of its own.
    InMemory,
}

impl Registry {
    /// Opens the index, and makes it when it is not there. Its directory must exist.
    ///
    /// # Errors
    /// [`RegistryError::UnknownVersion`] when another version of Brio wrote it, else
    /// [`RegistryError::Database`].
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        let fail = |source| RegistryError::Database { path: path.to_owned(), source };
        let mut db = Connection::open(path).map_err(fail)?;
        match schema::prepare(&mut db, &schema::INDEX).map_err(fail)? {
            Ok(()) => Ok(Self { path: path.to_owned(), db: Mutex::new(db) }),
            Err(found) => Err(RegistryError::UnknownVersion {
                path: path.to_owned(),
                found,
                known: schema::INDEX.version,
            }),
        }
    }

    /// As [`open`](Self::open). An index that SQLite cannot read is put aside, as `<name>.broken`
    /// in place of an earlier one, and a new one is made; where nothing can be written, it is one
    /// in memory, for this process. Either can be rebuilt from the domains.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for what is broken or cannot be written.
    pub fn open_or_remake(path: &Path) -> Result<(Self, Opened), RegistryError> {
        match Self::open(path) {
            Err(e) if e.is_broken() => {}
            Err(e) if e.cannot_be_written() => {
                return Ok((Self::in_memory(path)?, Opened::InMemory));
            }
            opened => return opened.map(|registry| (registry, Opened::AsItWas)),
        }
        let host = |source| RegistryError::Host { path: path.to_owned(), source };
        let _alone = alone(path).map_err(host)?;
        // What another process has just made is not broken.
        match Self::open(path) {
            Err(e) if e.is_broken() => {}
            opened => return opened.map(|registry| (registry, Opened::AsItWas)),
        }
        put_aside(path).map_err(host)?;
        match Self::open(path) {
            Err(e) if e.cannot_be_written() => Ok((Self::in_memory(path)?, Opened::InMemory)),
            opened => opened.map(|registry| (registry, Opened::Remade)),
        }
    }

    /// One that is forgotten with this process.
    fn in_memory(path: &Path) -> Result<Self, RegistryError> {
        let fail = |source| RegistryError::Database { path: path.to_owned(), source };
        let mut db = Connection::open_in_memory().map_err(fail)?;
        let fresh = schema::prepare(&mut db, &schema::INDEX).map_err(fail)?;
        debug_assert!(fresh.is_ok(), "nothing was there");
        Ok(Self { path: path.to_owned(), db: Mutex::new(db) })
    }

    /// Empties it, or, where SQLite cannot do that any more, puts it aside and makes it anew.
    ///
    /// # Errors
    /// When it can be neither emptied nor put aside.
    pub fn clear(&self) -> Result<(), RegistryError> {
        let mut db = self.db();
        let emptied =
            db.execute_batch("BEGIN IMMEDIATE; DELETE FROM sessions; DELETE FROM domains; COMMIT");
        match emptied.map_err(|e| self.fail(e)) {
            Err(e) if e.is_broken() => {}
            done => return done,
        }
        let host = |source| RegistryError::Host { path: self.path.clone(), source };
        let _alone = alone(&self.path).map_err(host)?;
        *db = Connection::open_in_memory().map_err(|e| self.fail(e))?;
        put_aside(&self.path).map_err(host)?;
        let anew = Self::open(&self.path)?;
        *db = anew.db.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(())
    }

    /// Adds a session, or replaces what is known of it.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn upsert(&self, row: &SessionRow) -> Result<(), RegistryError> {
        put_session(&self.db(), row).map_err(|e| self.fail(e))
    }

    /// Records the new state of a session; one that is not in the index is left out of it.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn set_state(&self, id: &str, state: &str) -> Result<(), RegistryError> {
        self.db()
            .execute("UPDATE sessions SET state = ?2 WHERE id = ?1", params![id, state])
            .map(|_| ())
            .map_err(|e| self.fail(e))
    }

    /// Records where a domain was seen.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn upsert_domain(&self, row: &DomainRow) -> Result<(), RegistryError> {
        put_domain(&self.db(), row).map_err(|e| self.fail(e))
    }

    /// The session whose id is `prefix` or, alone, begins with it. `sess-` may be left out.
    ///
    /// # Errors
    /// [`RegistryError::Ambiguous`] when several begin with it.
    pub fn find(&self, prefix: &str) -> Result<Option<SessionRow>, RegistryError> {
        let full =
            if prefix.starts_with("sess-") { prefix.to_owned() } else { format!("sess-{prefix}") };
        let db = self.db();
        let exact = db
            .query_row(
                &format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE id = ?1"),
                [&full],
                SessionRow::read,
            )
            .optional()
            .map_err(|e| self.fail(e))?;
        if exact.is_some() {
            return Ok(exact);
        }
        let rows = query(
            &db,
            // substr, not LIKE: a prefix is no pattern.
            &format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE substr(id, 1, length(?1)) = ?1"),
            [&full],
            SessionRow::read,
        )
        .map_err(|e| self.fail(e))?;
        // Who types a prefix means a session that is there, not one that once was.
        let (ended, mut there): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(SessionRow::has_ended);
        if there.is_empty() {
            there = ended;
        }
        match there.len() {
            0 | 1 => Ok(there.pop()),
            count => Err(RegistryError::Ambiguous { prefix: prefix.to_owned(), count }),
        }
    }

    /// Every session, oldest first.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn sessions(&self) -> Result<Vec<SessionRow>, RegistryError> {
        query(
            &self.db(),
            &format!("SELECT {SESSION_COLUMNS} FROM sessions ORDER BY created_at, id"),
            [],
            SessionRow::read,
        )
        .map_err(|e| self.fail(e))
    }

    /// How many sessions are in each state, of those that have not ended: as they were when they
    /// were last looked at.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn count_by_state(&self) -> Result<Vec<(String, u64)>, RegistryError> {
        query(
            &self.db(),
            "SELECT state, count(*) FROM sessions
             WHERE state NOT IN ('landed', 'rolled-back', 'gone') GROUP BY state ORDER BY state",
            [],
            |row| Ok((row.get(0)?, count(row, 1)?)),
        )
        .map_err(|e| self.fail(e))
    }

    /// The base of every session that is open, of another session's branches not: a base as often
    /// as it has sessions.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn open_bases(&self) -> Result<Vec<PathBuf>, RegistryError> {
        query(
            &self.db(),
            "SELECT base FROM sessions
             WHERE parent IS NULL AND state NOT IN ('landed', 'rolled-back', 'gone', 'lost')",
            [],
            |row| row.get(0).map(to_path),
        )
        .map_err(|e| self.fail(e))
    }

    /// How many sessions are open, of another session's branches not.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn open_sessions(&self) -> Result<u64, RegistryError> {
        let count = "SELECT count(*) FROM sessions
             WHERE parent IS NULL AND state NOT IN ('landed', 'rolled-back', 'gone', 'lost')";
        let count: i64 =
            self.db().query_row(count, [], |row| row.get(0)).map_err(|e| self.fail(e))?;
        Ok(count.unsigned_abs())
    }

    /// Every domain, by path.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn domains(&self) -> Result<Vec<DomainRow>, RegistryError> {
        query(&self.db(), "SELECT claim, path FROM domains ORDER BY path", [], DomainRow::read)
            .map_err(|e| self.fail(e))
    }

    /// Replaces what is known of one domain by what it holds now. A session that is no longer
    /// there, and had not ended when it was last seen, keeps its row with the state `gone`.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn rebuild(
        &self,
        domain: &DomainRow,
        sessions: &[SessionRow],
    ) -> Result<(), RegistryError> {
        let rebuild = |db: &mut Connection| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            put_domain(&tx, domain)?;
            tx.execute(
                "UPDATE sessions SET state = ?2 WHERE claim = ?1 AND state NOT IN ('landed', 'rolled-back')",
                params![domain.claim, "gone"],
            )?;
            for row in sessions {
                put_session(&tx, row)?;
            }
            tx.commit()
        };
        rebuild(&mut self.db()).map_err(|e| self.fail(e))
    }

    /// Removes a domain with all its sessions. Returns those that had not ended.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn forget_domain(&self, claim: &str) -> Result<Vec<SessionRow>, RegistryError> {
        let forget = |db: &mut Connection| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut rows = query(
                &tx,
                &format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE claim = ?1 ORDER BY id"),
                [claim],
                SessionRow::read,
            )?;
            tx.execute("DELETE FROM sessions WHERE claim = ?1", [claim])?;
            tx.execute("DELETE FROM domains WHERE claim = ?1", [claim])?;
            tx.commit()?;
            rows.retain(|r| !r.has_ended());
            Ok(rows)
        };
        forget(&mut self.db()).map_err(|e| self.fail(e))
    }

    /// Sets the state of every session of a domain that has not ended.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub fn mark_domain(&self, claim: &str, state: &str) -> Result<(), RegistryError> {
        self.db()
            .execute(
                "UPDATE sessions SET state = ?2 WHERE claim = ?1 AND state NOT IN ('landed', 'rolled-back')",
                params![claim, state],
            )
            .map(|_| ())
            .map_err(|e| self.fail(e))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic between two statements leaves no half transaction: the connection is usable.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, source: rusqlite::Error) -> RegistryError {
        RegistryError::Database { path: self.path.clone(), source }
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// One process at a time puts an index aside.
fn alone(path: &Path) -> io::Result<File> {
    let lock = File::options().create(true).append(true).open(beside(path, ".lock"))?;
    lock.lock()?;
    Ok(lock)
}

fn put_aside(path: &Path) -> io::Result<()> {
    std::fs::rename(path, beside(path, ".broken"))?;
    for end in ["-wal", "-shm"] {
        match std::fs::remove_file(beside(path, end)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn put_session(db: &Connection, row: &SessionRow) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO sessions (id, claim, base, state, goal, agent, task_id, parent, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET claim = ?2, base = ?3, state = ?4, goal = ?5, agent = ?6,
             task_id = ?7, parent = ?8, created_at = ?9",
        params![
            row.id,
            row.claim,
            to_bytes(&row.base),
            row.state,
            row.goal,
            row.agent,
            row.task_id,
            row.parent,
            row.created_at,
        ],
    )
    .map(|_| ())
}

fn put_domain(db: &Connection, row: &DomainRow) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO domains (claim, path) VALUES (?1, ?2)
         ON CONFLICT (claim) DO UPDATE SET path = ?2",
        params![row.claim, to_bytes(&row.path)],
    )
    .map(|_| ())
}

fn query<T>(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare(sql)?.query_map(params, read)?.collect()
}
