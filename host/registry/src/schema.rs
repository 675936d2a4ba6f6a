//! The tables, and the version that says which tables they are.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// Tables, and their version. Another one is refused, never guessed.
pub(crate) struct Schema {
    pub(crate) version: i64,
    pub(crate) tables: &'static str,
}

/// How long one process waits for another's transaction. Each takes milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// The index.
pub(crate) const INDEX: Schema = Schema {
    version: 1,
    tables: "
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
    CREATE INDEX sessions_open ON sessions (base)
        WHERE parent IS NULL AND state NOT IN ('landed', 'rolled-back', 'gone', 'lost');
",
};

/// The queue.
pub(crate) const QUEUE: Schema = Schema {
    version: 1,
    tables: "
    CREATE TABLE jobs (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        id           TEXT NOT NULL UNIQUE,
        parent       TEXT REFERENCES jobs (id),
        submission   TEXT NOT NULL,
        name         TEXT NOT NULL,
        task         TEXT NOT NULL,
        priority     INTEGER NOT NULL,
        state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'done')),
        attempt      INTEGER NOT NULL DEFAULT 0,
        interrupted  INTEGER NOT NULL DEFAULT 0,
        setbacks     INTEGER NOT NULL DEFAULT 0,
        not_before   INTEGER NOT NULL DEFAULT 0,
        owner        TEXT,
        session      TEXT,
        memo         TEXT,
        asked        TEXT,
        cancelled    INTEGER NOT NULL DEFAULT 0,
        outcome      TEXT,
        submitted_at INTEGER NOT NULL,
        started_at   INTEGER,
        ended_at     INTEGER
    ) STRICT;
    -- What is open is looked at often, and what has ended lies between: a claim reads this only.
    CREATE INDEX jobs_by_state ON jobs
        (state, priority DESC, number, submission, not_before, cancelled, id);
    CREATE INDEX jobs_by_parent ON jobs (parent, state) WHERE parent IS NOT NULL;
    CREATE INDEX jobs_by_submission ON jobs (submission, state);
    CREATE TABLE decisions (
        number   INTEGER PRIMARY KEY AUTOINCREMENT,
        session  TEXT NOT NULL,
        seal     TEXT NOT NULL,
        approved INTEGER NOT NULL,
        comment  TEXT NOT NULL,
        author   TEXT NOT NULL,
        at       INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX decisions_by_session ON decisions (session);
",
};

/// Prepares a fresh or known database; the error is the version it has instead.
pub(crate) fn prepare(db: &mut Connection, schema: &Schema) -> rusqlite::Result<Result<(), i64>> {
    db.busy_timeout(BUSY)?;
    write_ahead(db)?;
    // The index can be made again, and the queue flushes the log itself.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    // Two processes may open a new home at once: the version is read again under the write lock.
    if version(db)? == schema.version {
        return Ok(Ok(()));
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&tx)? {
        found if found == schema.version => {}
        0 => {
            tx.execute_batch(schema.tables)?;
            tx.pragma_update(None, "user_version", schema.version)?;
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
