//! The server behind the protocol: what handles lead to.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brio_session::{FsError, Listings};

use crate::counts::Counts;
use crate::export::Export;
use crate::handles::{FIRST, Handles, random, seconds};
use crate::status::Status;
use crate::table::HandlesError;
use crate::{Exports, Options};

/// A handle: a version, the export, the number of the node and its secret.
pub(crate) const HANDLE: usize = 21;
const VERSION: u8 = 1;

/// Exports that are open at one time: each has descriptors, a thread, and what it knows of files.
const OPEN: usize = 256;
/// An export that nobody used for so long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// What was not used for so long is forgotten: 30 days, in seconds.
const FORGOTTEN: i64 = 30 * 24 * 3600;

/// `/`, and `/exports` in it; the directories of exports have the numbers that follow.
pub(crate) const ROOT: u64 = 1;
pub(crate) const EXPORTS: u64 = 2;
pub(crate) const DIRECTORIES: u64 = 3;

/// What a server knows and does, whoever asks.
pub(crate) struct Server {
    pub exports: Box<dyn Exports>,
    pub options: Options,
    pub counts: Arc<Counts>,
    /// Changes with every start: what was written and not committed may be lost by then.
    verifier: u64,
    pub started: i64,
    /// Of the server's own directories.
    pub listings: Listings,
    handles: Arc<Handles>,
    open: Mutex<HashMap<u32, Arc<Export>>>,
}

/// What a handle leads to.
pub(crate) enum Object {
    /// One of the server's own directories.
    Own(u64),
    Node {
        export: Arc<Export>,
        id: u64,
        salt: u64,
    },
}

impl Server {
    pub(crate) fn new(
        exports: Box<dyn Exports>,
        options: Options,
        table: Option<PathBuf>,
    ) -> Result<Self, HandlesError> {
        let handles = Arc::new(Handles::open(table.as_deref())?);
        Ok(Self {
            exports,
            options,
            counts: Arc::default(),
            verifier: random(),
            started: seconds(),
            listings: Listings::default(),
            handles,
            open: Mutex::default(),
        })
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<u32, Arc<Export>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a client must find again when it commits, or write again what it wrote before.
    pub(crate) fn verifier(&self, losses: u64) -> [u8; 8] {
        self.verifier.wrapping_add(losses).to_be_bytes()
    }

    /// What tells this server's files from others': its own for as long as its table lives.
    pub(crate) fn file_system(&self) -> u64 {
        self.handles.salt()
    }

    /// The handle of one of the server's own directories.
    pub(crate) fn own_handle(&self, id: u64) -> [u8; HANDLE] {
        handle(0, id, self.own_salt(id))
    }

    fn own_salt(&self, id: u64) -> u64 {
        self.handles.salt().rotate_left((id % 61) as u32)
    }

    pub(crate) fn resolve(&self, bytes: &[u8]) -> Result<Object, Status> {
        let (export, id, salt) = parse(bytes).ok_or(Status::BadHandle)?;
        if export == 0 {
            let most = DIRECTORIES + self.exports.directories().len() as u64;
            let is = salt == self.own_salt(id) && (ROOT..most).contains(&id);
            return if is { Ok(Object::Own(id)) } else { Err(Status::Stale) };
        }
        if id < FIRST {
            return Err(Status::BadHandle);
        }
        let known = self.opened().get(&export).cloned();
        let export = match known {
            Some(export) => export,
            None => self.export_again(export)?,
        };
        Ok(Object::Node { export, id, salt })
    }

    /// An export that a client has from another time.
    fn export_again(&self, id: u32) -> Result<Arc<Export>, Status> {
        let name = self.handles.export_name(id).map_err(|error| {
            tracing::error!(%error, "the table of NFS handles");
            Status::Io
        })?;
        let name = name.ok_or(Status::Stale)?;
        let (directory, rest) = name.split_once('/').ok_or(Status::Stale)?;
        let opened = match rest.strip_suffix("/@") {
            Some(of) => self.base(directory, of),
            None => self.export(directory, rest),
        };
        opened.map_err(|status| if status == Status::NoEnt { Status::Stale } else { status })
    }

    /// The export at a name of one of the directories.
    pub(crate) fn export(&self, directory: &str, name: &str) -> Result<Arc<Export>, Status> {
        if let Some(known) = self.known(&format!("{directory}/{name}")) {
            return Ok(known);
        }
        let found = self.exports.open(directory, name).map_err(ended)?;
        let name = format!("{directory}/{}", found.name);
        match self.known(&name) {
            Some(known) => Ok(known),
            None => self.keep(Export::new(name, found.lender, self.handles.clone())?),
        }
    }

    /// What an export stands on.
    pub(crate) fn base(&self, directory: &str, name: &str) -> Result<Arc<Export>, Status> {
        let own = format!("{directory}/{name}/@");
        if let Some(known) = self.known(&own) {
            return Ok(known);
        }
        let lender = self.exports.base(directory, name).map_err(ended)?;
        self.keep(Export::new(own, lender, self.handles.clone())?)
    }

    fn known(&self, name: &str) -> Option<Arc<Export>> {
        self.opened().values().find(|e| e.name == name).cloned()
    }

    /// Two who open one export at once get the same. Where many are open, the one that was not
    /// used for longest is closed.
    fn keep(&self, export: Export) -> Result<Arc<Export>, Status> {
        let (export, mut gone) = (Arc::new(export), None);
        let kept = {
            let mut open = self.opened();
            if open.len() >= OPEN && !open.contains_key(&export.id) {
                let unused = open.iter().filter(|(_, e)| Arc::strong_count(e) == 1);
                let oldest = unused.min_by_key(|(_, e)| e.used()).map(|(id, _)| *id);
                gone = oldest.and_then(|id| open.remove(&id));
                if gone.is_none() {
                    return Err(Status::JukeBox);
                }
            }
            open.entry(export.id).or_insert_with(|| export.clone()).clone()
        };
        // Closing one may wait for a disk: by now nobody waits for that.
        drop((export, gone));
        Ok(kept)
    }

    /// Closes what is not used; an export that has ended is forgotten by the next sweep.
    pub(crate) fn rest(&self) {
        let mut gone = Vec::new();
        self.opened().retain(|_, export| {
            let keep = !export.rest(IDLE) || Arc::strong_count(export) > 1;
            if !keep {
                gone.push(export.clone());
            }
            keep
        });
        // Closing one may wait for a disk.
        drop(gone);
    }

    pub(crate) fn sweep(&self) {
        let there = |name: &str| {
            let Some((directory, rest)) = name.split_once('/') else { return false };
            self.exports.is_there(directory, rest.strip_suffix("/@").unwrap_or(rest))
        };
        // One that is never idle was opened long ago.
        let open: Vec<_> = self.opened().keys().copied().collect();
        let swept = self.handles.used(&open);
        let swept = swept.and_then(|()| self.handles.sweep(seconds() - FORGOTTEN, there));
        if let Err(error) = swept {
            tracing::warn!(%error, "what has ended could not be forgotten in the table of NFS handles");
        }
    }

    /// Closes everything. Where nobody is served any more, another server may take over.
    pub(crate) fn end(&self, is_quiet: bool) {
        let all = std::mem::take(&mut *self.opened());
        drop(all);
        if is_quiet {
            self.handles.end();
        }
    }
}

/// A look-up of what has ended finds nothing; only a handle of it is stale.
fn ended(e: FsError) -> Status {
    match e {
        FsError::Ended | FsError::Stale => Status::NoEnt,
        e => e.into(),
    }
}

pub(crate) fn handle(export: u32, id: u64, salt: u64) -> [u8; HANDLE] {
    let mut bytes = [0; HANDLE];
    bytes[0] = VERSION;
    bytes[1..5].copy_from_slice(&export.to_be_bytes());
    bytes[5..13].copy_from_slice(&id.to_be_bytes());
    bytes[13..].copy_from_slice(&salt.to_be_bytes());
    bytes
}

fn parse(bytes: &[u8]) -> Option<(u32, u64, u64)> {
    let (&version, rest) = bytes.split_first()?;
    let (export, rest) = rest.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    let salt = rest.try_into().ok()?;
    let numbers = (u32::from_be_bytes(*export), u64::from_be_bytes(*id), u64::from_be_bytes(salt));
    (version == VERSION).then_some(numbers)
}
