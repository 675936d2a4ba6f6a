//! What a server is in the middle of: a view and the table of handles cannot be changed at once, so
//! one that is killed in between leaves to the next what it was about to do.

use rusqlite::{OptionalExtension, params};

use crate::handles::{Answer, Handles, Name, Told, told};

/// A name in a directory, and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub from: Name,
    pub to: Name,
}

impl Handles {
    /// What has this name is about to have another. A server that is killed before it has
    /// `renamed` leaves this to the next one, which looks where it is.
    pub(crate) fn renaming(&self, export: u32, from: (u64, &[u8]), to: (u64, &[u8])) -> Answer<()> {
        let db = self.db();
        let row = params![export, from.0 as i64, from.1, to.0 as i64, to.1];
        db.prepare_cached("INSERT OR REPLACE INTO moving VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(row)
            .map(drop)
    }

    /// Nothing has this name, and whoever shows `verifier` is about to make it. A server that is
    /// killed before it has `made` leaves this to the next one.
    pub(crate) fn making(
        &self,
        export: u32,
        parent: u64,
        name: &[u8],
        verifier: &[u8],
    ) -> Answer<()> {
        let db = self.db();
        db.prepare_cached("INSERT OR REPLACE INTO making VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![export, parent as i64, name, verifier])
            .map(drop)
    }

    /// Whether a server was killed while it made this, for whoever shows `verifier`.
    pub(crate) fn was_making(
        &self,
        export: u32,
        parent: u64,
        name: &[u8],
        verifier: &[u8],
    ) -> Answer<bool> {
        let db = self.db();
        db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM making
             WHERE export = ?1 AND parent = ?2 AND name = ?3 AND verifier = ?4)",
        )?
        .query_row(params![export, parent as i64, name, verifier], |r| r.get(0))
    }

    /// It is made, or was not.
    pub(crate) fn made(&self, export: u32) -> Answer<()> {
        let db = self.db();
        db.prepare_cached("DELETE FROM making WHERE export = ?1")?.execute([export]).map(drop)
    }

    /// It has kept its name.
    pub(crate) fn not_renamed(&self, export: u32) -> Answer<()> {
        let db = self.db();
        db.prepare_cached("DELETE FROM moving WHERE export = ?1")?.execute([export]).map(drop)
    }

    /// What a server that was killed was renaming, and from where to where; `None` for what was told
    /// to nobody.
    pub(crate) fn moving(&self, export: u32) -> Answer<Option<(Option<Told>, Move)>> {
        let db = self.db();
        db.prepare_cached(
            "SELECT id, salt, ino, kind, from_dir, from_name, to_dir, to_name FROM moving
             LEFT JOIN names ON parent = from_dir AND name = from_name
             LEFT JOIN nodes ON nodes.id = node
             WHERE moving.export = ?1",
        )?
        .query_row([export], |r| {
            let dir = |at| r.get::<_, i64>(at).map(|n| n as u64);
            let moved = r.get::<_, Option<i64>>(0)?.map(|_| told(r)).transpose()?;
            Ok((moved, Move { from: (dir(4)?, r.get(5)?), to: (dir(6)?, r.get(7)?) }))
        })
        .optional()
    }
}
