//! The file of handles: one server's at a time. Another would finish what this one is in the middle
//! of, as if it had been killed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use crate::handles::{Answer, FIRST, random};

/// Of the tables. Another version's are made anew: its handles are `ESTALE`.
const FORMAT: i64 = 2;
const SCHEMA: &str = "
  CREATE TABLE own (salt INTEGER NOT NULL);
  CREATE TABLE exports (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
    used INTEGER NOT NULL);
  CREATE TABLE nodes (id INTEGER PRIMARY KEY AUTOINCREMENT, export INTEGER NOT NULL,
    salt INTEGER NOT NULL, ino INTEGER NOT NULL, kind INTEGER NOT NULL);
  CREATE INDEX nodes_by_ino ON nodes (export, ino);
  CREATE TABLE names (parent INTEGER NOT NULL, name BLOB NOT NULL, node INTEGER NOT NULL,
    PRIMARY KEY (parent, name)) WITHOUT ROWID;
  CREATE INDEX names_by_node ON names (node);
  CREATE TABLE making (export INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name BLOB NOT NULL,
    verifier BLOB NOT NULL);
  CREATE TABLE moving (export INTEGER PRIMARY KEY, from_dir INTEGER NOT NULL, from_name BLOB NOT NULL,
    to_dir INTEGER NOT NULL, to_name BLOB NOT NULL);
";

/// How long who takes it waits for who is about to end.
const WAIT: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);

/// The table could not be read or written, or is in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlesError {
    /// SQLite's.
    #[error("NFS_HANDLES: {}: {source}; without the file the server begins anew, and clients look up again what they have open", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// Another server's.
    #[error("NFS_HANDLES: {}: another server serves over NFS with it; end that one, or serve from another home", path.display())]
    InUse {
        /// The table.
        path: PathBuf,
    },
    /// The file that says who has it.
    #[error("NFS_HANDLES: {}: {source}; it must be a file that can be written and locked", path.display())]
    Lock {
        /// That file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Says that a table is in use, for as long as this lives or its process does.
pub(crate) struct Lock(File);

impl Lock {
    pub(crate) fn take(table: &Path) -> Result<Self, HandlesError> {
        let mut path = table.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let fail = |source| HandlesError::Lock { path: path.clone(), source };
        let how = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = how.map_err(fail)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < WAIT => {
                    std::thread::sleep(TICK);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(HandlesError::InUse { path: table.into() });
                }
                Err(TryLockError::Error(source)) => return Err(fail(source)),
            }
        }
    }

    /// Whoever has it still makes no more use of the table.
    pub(crate) fn release(&self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the table of NFS handles stays in use until this process ends");
        }
    }
}

/// The table, and its salt. It is made where there is none, and anew where what is there is none.
pub(crate) fn open(path: &Path) -> Answer<(Connection, u64)> {
    match Connection::open(path).and_then(prepare) {
        Err(error) if is_broken(&error) => {
            tracing::warn!(path = %path.display(), %error, "made anew; clients look up again what they have open");
            for end in ["", "-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(end);
                let _ = std::fs::remove_file(name);
            }
            Connection::open(path).and_then(prepare)
        }
        opened => opened,
    }
}

pub(crate) fn prepare(mut db: Connection) -> Answer<(Connection, u64)> {
    db.execute_batch(
        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
    )?;
    db.set_prepared_statement_cache_capacity(32);
    // One that reads and then writes cannot wait for another that writes in between.
    db.set_transaction_behavior(TransactionBehavior::Immediate);
    let tx = db.transaction()?;
    let found: i64 = tx.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if found != FORMAT {
        let tables =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let old: Vec<String> =
            tx.prepare(tables)?.query_map([], |r| r.get(0))?.collect::<Answer<_>>()?;
        for table in old {
            tx.execute_batch(&format!("DROP TABLE \"{}\"", table.replace('"', "\"\"")))?;
        }
        tx.execute_batch(SCHEMA)?;
        tx.execute("INSERT INTO own (salt) VALUES (?1)", [random() as i64])?;
        // Numbers of an earlier table are not given again either.
        let first = (random() >> 24) as i64 + FIRST as i64;
        tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('nodes', ?1)", [first])?;
        tx.execute_batch(&format!("PRAGMA user_version = {FORMAT}"))?;
    }
    let salt: i64 = tx.query_row("SELECT salt FROM own", [], |r| r.get(0))?;
    tx.commit()?;
    Ok((db, salt as u64))
}

fn is_broken(e: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(e.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
        || matches!(e, rusqlite::Error::QueryReturnedNoRows)
}
