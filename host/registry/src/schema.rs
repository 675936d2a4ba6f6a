//! The tables, and the version that says which tables they are.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// The version of the tables below. Another one is refused, never guessed.
pub(crate) const VERSION: i64 = 1;

/// How long one process waits for another's transaction. Each takes milliseconds.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE domains (
        claim TEXT PRIMARY KEY,
        path  BLOB NOT NULL
    ) STRICT;
    CREATE TABLE sessions (
        id         TEXT PRIMARY KEY,
        claim      TEXT NOT NULL,
        base       BLOB NOT NULL,
        state      TEXT NOT NULL,
        goal       TEXT,
        agent      TEXT,
        task_id    TEXT,
        parent     TEXT,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX sessions_by_claim ON sessions (claim);
";

/// Prepares a fresh or known database; the error is the version it has instead.
pub(crate) fn prepare(db: &mut Connection) -> rusqlite::Result<Result<(), i64>> {
    db.busy_timeout(BUSY)?;
    write_ahead(db)?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    // Two processes may open a new home at once: the version is read again under the write lock.
    if version(db)? == VERSION {
        return Ok(Ok(()));
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&tx)? {
        VERSION => {}
        0 => {
            tx.execute_batch(TABLES)?;
            tx.pragma_update(None, "user_version", VERSION)?;
            tx.commit()?;
        }
        other => return Ok(Err(other)),
    }
    Ok(Ok(()))
}

/// Turns the write-ahead log on. SQLite asks for the whole file to do that, and does not wait
/// for it (the busy handler is not called), so this does.
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

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}
