//! Refs in SQLite, whose transactions are what a file system has no call for: to replace a value
//! if it is still the one that was read.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params};

use crate::{Error, Result, Swap, Version};

/// How long a process waits for another's transaction.
const BUSY: Duration = Duration::from_secs(30);

const SCHEMA: i64 = 1;

pub(super) struct Refs {
    db: Connection,
    path: PathBuf,
}

impl Refs {
    pub(super) fn open(root: &Path) -> Result<Self> {
        let path = root.join("refs.db");
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).map_err(|e| Error::host(format!("open {}", path.display()), e))?;
        let db = Connection::open(&path).map_err(|e| told(&path, e))?;
        let mut refs = Self { db, path };
        let found = refs.prepare().map_err(|e| told(&refs.path, e))?;
        match found {
            0 | SCHEMA => Ok(refs),
            found => Err(Error::Format {
                what: refs.path.display().to_string(),
                found: found.unsigned_abs(),
                known: SCHEMA.unsigned_abs(),
            }),
        }
    }

    fn prepare(&mut self) -> rusqlite::Result<i64> {
        self.db.busy_timeout(BUSY)?;
        write_ahead(&self.db)?;
        // A ref that was acknowledged survives a power cut.
        self.db.pragma_update(None, "synchronous", "FULL")?;
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found == 0 {
            tx.execute_batch(
                "CREATE TABLE IF NOT EXISTS refs(name TEXT PRIMARY KEY, value BLOB, version INTEGER NOT NULL)",
            )?;
            tx.pragma_update(None, "user_version", SCHEMA)?;
        }
        tx.commit()?;
        Ok(found)
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        let row = self
            .db
            .prepare_cached("SELECT value, version FROM refs WHERE name = ?1 AND value IS NOT NULL")
            .and_then(|mut s| {
                s.query_row([name], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))
                    .optional()
            });
        let row = row.map_err(|e| told(&self.path, e))?;
        Ok(row.map(|(value, version)| (value.into(), Version(version.to_string()))))
    }

    /// Moves a ref; `None` for `value` removes it. The row of one that was removed stays, without
    /// a value, so that no version comes twice.
    pub(super) fn swap(
        &mut self,
        name: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap> {
        let expected = match expected.map(|v| v.0.parse::<i64>()) {
            None => None,
            Some(Ok(version)) => Some(version),
            // A version of another store's: certainly not the one that is there.
            Some(Err(_)) => return Ok(Swap::Lost),
        };
        let now = self.swapped(name, expected, value).map_err(|e| told(&self.path, e))?;
        Ok(now.map_or(Swap::Lost, |v| Swap::Done(Version(v.to_string()))))
    }

    fn swapped(
        &mut self,
        name: &str,
        expected: Option<i64>,
        value: Option<&[u8]>,
    ) -> rusqlite::Result<Option<i64>> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = match expected {
            Some(expected) => tx
                .prepare_cached(
                    "UPDATE refs SET value = ?3, version = version + 1
                     WHERE name = ?1 AND version = ?2 AND value IS NOT NULL RETURNING version",
                )?
                .query_row(params![name, expected, value], |row| row.get(0))
                .optional()?,
            None => tx
                .prepare_cached(
                    "INSERT INTO refs(name, value, version) VALUES(?1, ?2, 1)
                     ON CONFLICT(name) DO UPDATE SET value = excluded.value, version = version + 1
                     WHERE refs.value IS NULL RETURNING version",
                )?
                .query_row(params![name, value], |row| row.get(0))
                .optional()?,
        };
        tx.commit()?;
        Ok(now)
    }

    /// Removes the row of a ref that was removed.
    pub(super) fn forget(&mut self, name: &str) -> Result<()> {
        self.db
            .execute("DELETE FROM refs WHERE name = ?1 AND value IS NULL", [name])
            .map(drop)
            .map_err(|e| told(&self.path, e))
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        page: usize,
    ) -> Result<Vec<String>> {
        self.listed(prefix, after.unwrap_or(""), page).map_err(|e| told(&self.path, e))
    }

    fn listed(&self, prefix: &str, after: &str, page: usize) -> rusqlite::Result<Vec<String>> {
        let mut select = self.db.prepare_cached(
            "SELECT name FROM refs WHERE name >= ?1 AND name > ?2 AND value IS NOT NULL ORDER BY name",
        )?;
        let rows = select.query_map([prefix, after], |row| row.get::<_, String>(0))?;
        let mut names = Vec::new();
        for name in rows {
            let name = name?;
            if !name.starts_with(prefix) || names.len() == page {
                break;
            }
            names.push(name);
        }
        Ok(names)
    }
}

/// SQLite asks for the whole file to turn its log on, and does not wait for it.
fn write_ahead(db: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match db.pragma_update(None, "journal_mode", "WAL") {
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < BUSY =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            r => return r,
        }
    }
}

fn told(path: &Path, e: rusqlite::Error) -> Error {
    let what = path.display().to_string();
    match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Unreachable {
            store: what,
            what: "a transaction".into(),
            why: format!("other processes held it for {} s", BUSY.as_secs()),
        },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::corrupt(what, e),
        _ => Error::host(format!("use {what}"), std::io::Error::other(e)),
    }
}
