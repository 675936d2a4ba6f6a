//! What handles stand for, kept on disk: a client holds a handle for as long as it likes, and
//! comes back with it after the server was replaced.
//!
//! A node has a number that nothing else ever gets, and the names under which it was told; a
//! directory's children hang on its number, so renaming it is one change. A file is found again by
//! a name *and* by its inode number in the view: what was put in its place is not it. Every number
//! comes with a random one, so that numbers that were lost in a power cut and given anew lead to
//! nothing, and no handle can be guessed.
//!
//! It is a cache that clients have the keys of: when it is lost, they look things up again. So it
//! is not synced; SQLite in WAL mode keeps it whole in a power cut all the same.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use brio_session::Kind;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::table::{self, HandlesError, Lock, prepare};

/// Numbers below this one are the server's own directories.
pub(crate) const FIRST: u64 = 1 << 16;

pub(crate) type Answer<T> = Result<T, rusqlite::Error>;

pub(crate) struct Handles {
    db: Mutex<Connection>,
    salt: u64,
    // Behind the table: it is closed before another server may have it.
    lock: Option<Lock>,
}

/// A node that was told to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub id: u64,
    pub salt: u64,
    /// In the view.
    pub ino: u64,
    pub kind: Kind,
}

/// A directory's number, and a name in it.
pub(crate) type Name = (u64, Vec<u8>);

/// What a node is told as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub export: u32,
    pub parent: u64,
    pub name: &'a [u8],
    pub ino: u64,
    pub kind: Kind,
}

impl Handles {
    /// `None`: in memory, for as long as the server lives.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, HandlesError> {
        let lock = path.map(Lock::take).transpose()?;
        let fail =
            |source| HandlesError::Table { path: path.unwrap_or(Path::new("")).into(), source };
        let opened = match path {
            None => Connection::open_in_memory().and_then(prepare),
            Some(path) => table::open(path),
        };
        let (db, salt) = opened.map_err(fail)?;
        Ok(Self { db: Mutex::new(db), salt, lock })
    }

    /// Another server may have the table: nobody asks for anything any more.
    pub(crate) fn end(&self) {
        if let Some(lock) = &self.lock {
            lock.release();
        }
    }

    pub(crate) fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the handles of the server's own directories are told with.
    pub(crate) fn salt(&self) -> u64 {
        self.salt
    }

    /// The number of an export.
    pub(crate) fn export(&self, name: &str) -> Answer<u32> {
        let now = seconds();
        let mut db = self.db();
        let tx = db.transaction()?;
        tx.prepare_cached(
            "INSERT INTO exports (name, used) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET used = ?2",
        )?
        .execute(params![name, now])?;
        let id = tx
            .prepare_cached("SELECT id FROM exports WHERE name = ?1")?
            .query_row([name], |r| r.get(0))?;
        tx.commit()?;
        Ok(id)
    }

    pub(crate) fn export_name(&self, id: u32) -> Answer<Option<String>> {
        let db = self.db();
        db.prepare_cached("SELECT name FROM exports WHERE id = ?1")?
            .query_row([id], |r| r.get(0))
            .optional()
    }

    /// Notes that some exports are in use.
    pub(crate) fn used(&self, exports: &[u32]) -> Answer<()> {
        let now = seconds();
        let mut db = self.db();
        let tx = db.transaction()?;
        for id in exports {
            tx.prepare_cached("UPDATE exports SET used = ?1 WHERE id = ?2")?
                .execute(params![now, id])?;
        }
        tx.commit()
    }

    /// Forgets the exports that are gone (`is_there` says), and those that nobody used since
    /// `before` (seconds since 1970). What they showed is forgotten with them.
    pub(crate) fn sweep(&self, before: i64, is_there: impl Fn(&str) -> bool) -> Answer<()> {
        let all: Vec<(u32, String, i64)> = {
            let db = self.db();
            let mut every = db.prepare_cached("SELECT id, name, used FROM exports")?;
            every
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
                .collect::<Answer<_>>()?
        };
        for (id, _, _) in
            all.into_iter().filter(|(_, name, used)| *used < before || !is_there(name))
        {
            let mut db = self.db();
            let tx = db.transaction()?;
            tx.execute(
                "DELETE FROM names WHERE node IN (SELECT id FROM nodes WHERE export = ?1)",
                [id],
            )?;
            tx.execute("DELETE FROM nodes WHERE export = ?1", [id])?;
            tx.execute("DELETE FROM moving WHERE export = ?1", [id])?;
            tx.execute("DELETE FROM making WHERE export = ?1", [id])?;
            tx.execute("DELETE FROM exports WHERE id = ?1", [id])?;
            tx.commit()?;
        }
        Ok(())
    }

    /// A node of an export, and the names that it was told under: a directory's number and a name
    /// in it each. The root's directory is 0.
    pub(crate) fn get(&self, export: u32, id: u64) -> Answer<Option<(Told, Vec<Name>)>> {
        let db = self.db();
        let told = db
            .prepare_cached("SELECT id, salt, ino, kind FROM nodes WHERE id = ?1 AND export = ?2")?
            .query_row(params![id as i64, export], told)
            .optional()?;
        let Some(told) = told else { return Ok(None) };
        let mut names = db.prepare_cached("SELECT parent, name FROM names WHERE node = ?1")?;
        let names =
            names.query_map([id as i64], |r| Ok((r.get::<_, i64>(0)? as u64, r.get(1)?)))?;
        Ok(Some((told, names.collect::<Answer<_>>()?)))
    }

    /// The nodes that were told with an inode number.
    pub(crate) fn of_ino(&self, export: u32, ino: u64) -> Answer<Vec<Told>> {
        let db = self.db();
        let mut all = db.prepare_cached(
            "SELECT id, salt, ino, kind FROM nodes WHERE export = ?1 AND ino = ?2",
        )?;
        all.query_map(params![export, ino as i64], told)?.collect()
    }

    /// Several at once, in one transaction: each as [`tell`](Self::tell), but `None` for what
    /// shares its inode number with something that is known under another name, and where
    /// something else is known under its name: it may be what is there now.
    pub(crate) fn tell_all<'a>(
        &self,
        all: impl IntoIterator<Item = Seen<'a>>,
    ) -> Answer<Vec<Option<Told>>> {
        let mut db = self.db();
        let tx = db.transaction()?;
        let each = |seen: Seen<'a>| match named(&tx, &seen)? {
            Some(known) => Ok(known.is(&seen).then_some(known)),
            None if shares(&tx, &seen)? => Ok(None),
            None => make(&tx, &seen).map(Some),
        };
        let told = all.into_iter().map(each).collect::<Answer<_>>()?;
        tx.commit()?;
        Ok(told)
    }

    /// The node that is known under this name, if it is the same; else a new one.
    pub(crate) fn tell(&self, seen: Seen<'_>) -> Answer<Told> {
        let mut db = self.db();
        if let Some(known) = named(&db, &seen)?.filter(|known| known.is(&seen)) {
            return Ok(known);
        }
        let tx = db.transaction()?;
        let told = make(&tx, &seen)?;
        tx.commit()?;
        Ok(told)
    }

    /// Another name for a node.
    pub(crate) fn name(&self, parent: u64, name: &[u8], node: u64) -> Answer<()> {
        let mut db = self.db();
        let tx = db.transaction()?;
        let known: Option<i64> = tx
            .prepare_cached("SELECT node FROM names WHERE parent = ?1 AND name = ?2")?
            .query_row(params![parent as i64, name], |r| r.get(0))
            .optional()?;
        // Taking away its only name would take it away, too.
        if known == Some(node as i64) {
            return Ok(());
        }
        unname(&tx, parent, name)?;
        put_name(&tx, parent, name, node)?;
        tx.commit()
    }

    /// A name is gone; another that the node has may be given instead. The number of the node
    /// that has none left, if it was its last.
    pub(crate) fn removed(
        &self,
        parent: u64,
        name: &[u8],
        instead: Option<&Name>,
    ) -> Answer<Option<u64>> {
        let mut db = self.db();
        let tx = db.transaction()?;
        put_instead(&tx, (parent, name), instead)?;
        let gone = unname(&tx, parent, name)?;
        tx.commit()?;
        Ok(gone)
    }

    /// A name became another one, which replaced what had it; another name that this has may be
    /// given instead. The number of what was replaced, if that has no name left.
    pub(crate) fn renamed(
        &self,
        export: u32,
        from: (u64, &[u8]),
        to: (u64, &[u8]),
        instead: Option<&Name>,
    ) -> Answer<Option<u64>> {
        let mut db = self.db();
        let tx = db.transaction()?;
        tx.prepare_cached("DELETE FROM moving WHERE export = ?1")?.execute([export])?;
        put_instead(&tx, to, instead)?;
        let moved: Option<i64> = tx
            .prepare_cached("DELETE FROM names WHERE parent = ?1 AND name = ?2 RETURNING node")?
            .query_row(params![from.0 as i64, from.1], |r| r.get(0))
            .optional()?;
        let replaced = unname(&tx, to.0, to.1)?;
        if let Some(moved) = moved {
            put_name(&tx, to.0, to.1, moved as u64)?;
        }
        tx.commit()?;
        Ok(replaced)
    }
}

impl Told {
    fn is(&self, seen: &Seen<'_>) -> bool {
        self.ino == seen.ino && self.kind == seen.kind
    }
}

fn named(db: &Connection, seen: &Seen<'_>) -> Answer<Option<Told>> {
    db.prepare_cached(
        "SELECT id, salt, ino, kind FROM names JOIN nodes ON nodes.id = names.node
         WHERE parent = ?1 AND name = ?2 AND export = ?3",
    )?
    .query_row(params![seen.parent as i64, seen.name, seen.export], told)
    .optional()
}

fn shares(db: &Connection, seen: &Seen<'_>) -> Answer<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM nodes WHERE export = ?1 AND ino = ?2)")?
        .query_row(params![seen.export, seen.ino as i64], |r| r.get(0))
}

fn make(tx: &Transaction<'_>, seen: &Seen<'_>) -> Answer<Told> {
    unname(tx, seen.parent, seen.name)?;
    let salt = random();
    tx.prepare_cached("INSERT INTO nodes (export, salt, ino, kind) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seen.export, salt as i64, seen.ino as i64, number(seen.kind)])?;
    let id = tx.last_insert_rowid() as u64;
    put_name(tx, seen.parent, seen.name, id)?;
    Ok(Told { id, salt, ino: seen.ino, kind: seen.kind })
}

fn put_name(tx: &Transaction<'_>, parent: u64, name: &[u8], node: u64) -> Answer<()> {
    tx.prepare_cached("INSERT INTO names (parent, name, node) VALUES (?1, ?2, ?3)")?
        .execute(params![parent as i64, name, node as i64])
        .map(drop)
}

/// Gives what is known at a place another name beside that.
fn put_instead(
    tx: &Transaction<'_>,
    (parent, name): (u64, &[u8]),
    instead: Option<&Name>,
) -> Answer<()> {
    let Some((dir, other)) = instead else { return Ok(()) };
    let node: Option<i64> = tx
        .prepare_cached("SELECT node FROM names WHERE parent = ?1 AND name = ?2")?
        .query_row(params![parent as i64, name], |r| r.get(0))
        .optional()?;
    let Some(node) = node.filter(|_| (*dir, &other[..]) != (parent, name)) else { return Ok(()) };
    unname(tx, *dir, other)?;
    put_name(tx, *dir, other, node as u64)
}

fn unname(tx: &Transaction<'_>, parent: u64, name: &[u8]) -> Answer<Option<u64>> {
    let node: Option<i64> = tx
        .prepare_cached("DELETE FROM names WHERE parent = ?1 AND name = ?2 RETURNING node")?
        .query_row(params![parent as i64, name], |r| r.get(0))
        .optional()?;
    let Some(node) = node else { return Ok(None) };
    let gone = tx
        .prepare_cached(
            "DELETE FROM nodes WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM names WHERE node = ?1)",
        )?
        .execute([node])?;
    Ok((gone > 0).then_some(node as u64))
}

pub(crate) fn told(r: &rusqlite::Row<'_>) -> Answer<Told> {
    let n = |at| r.get::<_, i64>(at).map(|n| n as u64);
    let kind = match r.get::<_, i64>(3)? {
        0 => Kind::File,
        1 => Kind::Dir,
        2 => Kind::Symlink,
        _ => Kind::Other,
    };
    Ok(Told { id: n(0)?, salt: n(1)?, ino: n(2)?, kind })
}

fn number(kind: Kind) -> i64 {
    match kind {
        Kind::File => 0,
        Kind::Dir => 1,
        Kind::Symlink => 2,
        Kind::Other => 3,
    }
}

/// Where the system has no random numbers to give, what it says of the time must do: then a handle
/// can be guessed, by whoever can look up all the same.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap_or_default().as_nanos() as u64
    })
}

pub(crate) fn seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &[u8], ino: u64) -> Seen<'_> {
        Seen { export: 1, parent: 70_000, name, ino, kind: Kind::File }
    }

    #[test]
    fn what_was_told_is_found_again_by_the_next_server() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("nfs.db");
        let one = Handles::open(Some(&path)).unwrap();
        let a = one.tell(seen(b"a", 5)).unwrap();
        assert_eq!(one.tell(seen(b"a", 5)).unwrap(), a);
        let (export, salt) = (one.export("sessions/x").unwrap(), one.salt());
        drop(one);
        let two = Handles::open(Some(&path)).unwrap();
        assert_eq!(two.get(1, a.id).unwrap(), Some((a, vec![(70_000, b"a".to_vec())])));
        assert_eq!((two.export("sessions/x").unwrap(), two.salt()), (export, salt));
        assert_eq!(two.export_name(export).unwrap().as_deref(), Some("sessions/x"));
        assert_eq!(two.get(2, a.id).unwrap(), None, "of another export");
    }

    #[test]
    fn a_table_is_one_servers() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("nfs.db");
        let one = Handles::open(Some(&path)).unwrap();
        let refused = Handles::open(Some(&path)).err().unwrap();
        assert!(matches!(refused, HandlesError::InUse { .. }), "{refused}");
        assert!(refused.to_string().starts_with("NFS_HANDLES: "), "{refused}");
        // Who is gone from it, and who only will be in a moment.
        one.end();
        let two = Handles::open(Some(&path)).unwrap();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(two);
        });
        Handles::open(Some(&path)).unwrap();
        ends.join().unwrap();
    }

    #[test]
    fn what_replaced_something_is_not_it() {
        let h = Handles::open(None).unwrap();
        let old = h.tell(seen(b"a", 5)).unwrap();
        let new = h.tell(seen(b"a", 6)).unwrap();
        assert_ne!(old.id, new.id);
        assert_eq!(h.get(1, old.id).unwrap(), None);
        let dir = h.tell(Seen { kind: Kind::Dir, ..seen(b"a", 6) }).unwrap();
        assert_ne!(dir.id, new.id);
    }

    #[test]
    fn a_name_that_a_node_has_already_costs_it_nothing() {
        let h = Handles::open(None).unwrap();
        let a = h.tell(seen(b"a", 5)).unwrap();
        h.name(70_000, b"a", a.id).unwrap();
        assert_eq!(h.get(1, a.id).unwrap(), Some((a, vec![(70_000, b"a".to_vec())])));
    }

    #[test]
    fn a_node_lives_as_long_as_one_of_its_names() {
        let h = Handles::open(None).unwrap();
        let a = h.tell(seen(b"a", 5)).unwrap();
        h.name(70_000, b"b", a.id).unwrap();
        assert_eq!(h.removed(70_000, b"a", None).unwrap(), None);
        assert_eq!(h.get(1, a.id).unwrap(), Some((a, vec![(70_000, b"b".to_vec())])));
        assert_eq!(h.renamed(1, (70_000, b"b"), (70_001, b"c"), None).unwrap(), None);
        let other = h.tell(seen(b"d", 6)).unwrap();
        assert_eq!(h.renamed(1, (70_000, b"d"), (70_001, b"c"), None).unwrap(), Some(a.id));
        assert_eq!(h.get(1, other.id).unwrap(), Some((other, vec![(70_001, b"c".to_vec())])));
        assert_eq!(h.removed(70_001, b"c", None).unwrap(), Some(other.id));
        assert_eq!(h.of_ino(1, 6).unwrap(), []);
    }

    #[test]
    fn what_is_no_table_is_made_anew_and_gives_no_number_twice() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("nfs.db");
        let a = Handles::open(Some(&path)).unwrap().tell(seen(b"a", 5)).unwrap();
        std::fs::write(&path, "no database at all, but long enough to be looked at".repeat(99))
            .unwrap();
        let h = Handles::open(Some(&path)).unwrap();
        let b = h.tell(seen(b"a", 5)).unwrap();
        assert!(a.id != b.id && a.salt != b.salt);
        h.export("sessions/x").unwrap();
        drop(h);
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
        let h = Handles::open(Some(&path)).unwrap();
        assert_eq!(h.get(1, b.id).unwrap(), None);
    }

    #[test]
    fn a_sweep_forgets_what_ended_and_nothing_else() {
        let h = Handles::open(None).unwrap();
        let (one, two) = (h.export("sessions/1").unwrap(), h.export("sessions/2").unwrap());
        let a = h.tell(Seen { export: one, ..seen(b"a", 5) }).unwrap();
        let b = h.tell(Seen { export: two, ..seen(b"b", 5) }).unwrap();
        h.sweep(0, |name| name == "sessions/2").unwrap();
        assert_eq!(h.get(one, a.id).unwrap(), None);
        assert!(h.get(two, b.id).unwrap().is_some());
        h.db().execute("UPDATE exports SET used = 5", []).unwrap();
        h.used(&[2]).unwrap();
        h.sweep(6, |_| true).unwrap();
        assert!(h.export_name(2).unwrap().is_some(), "it is in use");
        h.sweep(i64::MAX, |_| true).unwrap();
        assert_eq!(h.export_name(two).unwrap(), None);
    }
}
