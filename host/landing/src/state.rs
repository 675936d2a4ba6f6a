//! An open domain: handles of its root and of the directories of `.brio`.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use brio_session::{RelPath, STATE_DIR, from_os};
use rustix::fs::{Mode, OFlags, openat};
use serde::Serialize;

use crate::batch::Queue;
use crate::claim::Claim;
use crate::disk::{self, Disk};
use crate::errors::Doing;
use crate::flush::Flush;
use crate::home::Home;
use crate::look::Look;
use crate::seat::{Gone, Seat};
use crate::seq::Seq;
use crate::{DomainError, JournalEntry, OpenOptions, SessionId};

/// Names in `.brio`.
pub(crate) const SESSIONS: &[u8] = b"sessions";
pub(crate) const LANDINGS: &[u8] = b"landings";
pub(crate) const STAGING: &[u8] = b"staging";
pub(crate) const TRASH: &[u8] = b"trash";
pub(crate) const KEPT: &[u8] = b"kept";
pub(crate) const NOTES: &[u8] = b"notes";
pub(crate) const JOURNAL: &[u8] = b"journal";
pub(crate) const RESERVE: &[u8] = b"reserve";
pub(crate) const SEQ: &[u8] = b"seq";

/// Bytes that are preallocated so that rollback, abort and gc work on a full disk.
pub(crate) const RESERVE_BYTES: u64 = 1 << 20;

/// What [`Domain`](crate::Domain) shares between its clones.
pub(crate) struct State {
    /// The base. See [`root`](Self::root).
    pub(crate) root: Result<OwnedFd, Gone>,
    pub(crate) root_path: PathBuf,
    pub(crate) root_ino: u64,
    pub(crate) mount: u64,
    pub(crate) seat: Seat,
    pub(crate) dir: OwnedFd,
    pub(crate) dir_ino: u64,
    pub(crate) sessions: OwnedFd,
    pub(crate) landings: OwnedFd,
    pub(crate) staging: OwnedFd,
    pub(crate) trash: OwnedFd,
    pub(crate) seq: Seq,
    /// See [`flushed`](Self::flushed).
    flushed: AtomicU64,
    pub(crate) ended: crate::history::Ended,
    pub(crate) flush: Flush,
    pub(crate) queue: Queue,
    pub(crate) parents: crate::meta::Parents,
    pub(crate) journal: File,
    pub(crate) claim: Claim,
    pub(crate) options: OpenOptions,
    pub(crate) disk: Disk,
    pub(crate) home: Option<Home>,
    /// Brio's home, if it lies in the base.
    pub(crate) hidden: Option<RelPath>,
    /// The last landing after which what is kept was looked at.
    pub(crate) counted: AtomicU64,
    /// The oldest landing whose pre-images were kept then; 0: not known.
    pub(crate) oldest: AtomicU64,
    /// What the pre-images of landings take on disk, as far as somebody counted.
    pub(crate) sizes: Mutex<HashMap<u64, u64>>,
    home_sessions: Mutex<Option<File>>,
    inside: Mutex<Option<(SystemTime, Option<PathBuf>)>>,
}

impl State {
    /// The landings below `first` had ended and their sessions were gone when a flush began that
    /// succeeded: that is durable now.
    pub(crate) fn flushed(&self, first: u64) {
        self.flushed.fetch_max(first, Ordering::Relaxed);
    }

    /// Whether this process knows that the end of landing `k` is durable.
    pub(crate) fn is_flushed(&self, k: u64) -> bool {
        k < self.flushed.load(Ordering::Relaxed)
    }

    /// Opens the state of a base, whose claim has been read.
    pub(crate) fn open(
        seat: Seat,
        root: Result<OwnedFd, Gone>,
        root_path: PathBuf,
        claim: Claim,
        options: OpenOptions,
    ) -> Result<Self, DomainError> {
        let disk = Disk(options.door.clone());
        let shown = seat.path.clone();
        let (root_ino, mount) = match &root {
            Ok(root) => {
                let look = Look::of(root).doing(root_path.display())?;
                (look.ino(), look.mount())
            }
            Err(_) => (claim.root_ino, 0),
        };
        let dir = disk::open_dir(&seat.holder, &seat.name).doing(shown.display())?;
        let dir_ino = Look::of(&dir).doing(shown.display())?.ino();
        let sub = |name: &[u8]| match disk::open_dir(&dir, name) {
            // An empty directory may not have survived a power cut, or a restore.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                disk.mkdir(&dir, name, 0o700)?;
                disk::open_dir(&dir, name)
            }
            r => r,
        };
        let file = |name: &[u8], how: OFlags| -> io::Result<File> {
            let how = how | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            match openat(&dir, name, how, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) => {
                    disk.create(&dir, name, 0o600)?;
                    Ok(File::from(openat(&dir, name, how, Mode::empty())?))
                }
                r => Ok(File::from(r?)),
            }
        };
        let what = shown.display();
        // What lies in the home needs nothing there to be found by.
        let home = options.home.as_ref().filter(|_| claim.base.is_none());
        let home = home.map(|h| Home::new(h, disk.clone()));
        let hidden = options.home.as_ref().and_then(|h| hidden(h, &root_path));
        let seq = Seq::new(file(SEQ, OFlags::RDWR).doing(&what)?, &options.boot_id).doing(&what)?;
        Ok(Self {
            oldest: AtomicU64::new(0),
            sizes: Mutex::default(),
            counted: AtomicU64::new(seq.get().doing(&what)?.landing()),
            sessions: sub(SESSIONS).doing(&what)?,
            landings: sub(LANDINGS).doing(&what)?,
            staging: sub(STAGING).doing(&what)?,
            trash: sub(TRASH).doing(&what)?,
            seq,
            journal: file(JOURNAL, OFlags::RDWR | OFlags::APPEND).doing(&what)?,
            flushed: AtomicU64::new(0),
            ended: crate::history::Ended::default(),
            flush: Flush::new(disk::open_dir(&seat.holder, &seat.name).doing(&what)?),
            queue: Queue::default(),
            parents: crate::meta::Parents::default(),
            root_ino,
            mount,
            seat,
            root,
            root_path,
            dir,
            dir_ino,
            claim,
            disk,
            home,
            hidden,
            options,
            home_sessions: Mutex::default(),
            inside: Mutex::default(),
        })
    }

    /// Whether it is the state of the domain whose root this is.
    pub(crate) fn is_at(&self, root: &OwnedFd) -> io::Result<bool> {
        let look = Look::of(root)?;
        let own = match &self.root {
            Ok(own) => Look::of(own)?,
            Err(_) => return Ok(false),
        };
        let dir = Look::at(root, STATE_DIR.as_bytes())?;
        Ok((look.ino(), look.dev(), look.mount()) == (own.ino(), own.dev(), own.mount())
            && dir.map(|dir| dir.ino()) == Some(self.dir_ino))
    }

    pub(crate) fn now(&self) -> brio_session::Time {
        (self.options.now)()
    }

    /// Whether this user's program may act on what that user sealed.
    pub(crate) fn trusts(&self, uid: u32) -> bool {
        trusts(&self.options, uid)
    }

    /// Tells the home that a session began or ended. Best effort: the domain is the truth.
    pub(crate) fn tell_home(&self, line: &[u8]) {
        let Some(home) = &self.home else { return };
        let mut file = self.home_sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if file.is_none() {
            *file = home.sessions_file(&self.claim.claim).ok();
        }
        if let Some(file) = &*file
            && let Err(e) = self.disk.append(file, line)
        {
            tracing::warn!("the home's list of sessions was not written: {e}");
        }
    }

    /// A domain that the home knows below this one's root.
    pub(crate) fn domain_inside(&self) -> Option<PathBuf> {
        let home = self.home.as_ref()?;
        let changed = home.changed()?;
        let mut cache = self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((at, found)) = &*cache
            && *at == changed
            && found.as_ref().is_none_or(|p| p.join(STATE_DIR).is_dir())
        {
            return found.clone();
        }
        let found = home.records().into_iter().map(|r| r.path).find(|p| {
            p.starts_with(&self.root_path)
                && *p != self.root_path
                && p.join(STATE_DIR).join("claim").is_file()
        });
        *cache = Some((changed, found.clone()));
        found
    }

    /// An entry with the time filled in.
    pub(crate) fn entry(&self, what: &str, session: Option<&SessionId>) -> JournalEntry {
        JournalEntry { session: session.cloned(), ..JournalEntry::new(self.now(), what) }
    }

    pub(crate) fn write_journal(&self, entry: &JournalEntry) -> io::Result<()> {
        self.disk.append(&self.journal, &json_line(entry)?)
    }

    /// Journals what is only a record of something done: that it fails is no reason to fail.
    pub(crate) fn note(&self, entry: &JournalEntry) {
        if let Err(e) = self.write_journal(entry) {
            tracing::warn!("the journal was not written: {e}");
        }
    }

    /// The bytes of `reserve` are given up: the next few operations find room.
    pub(crate) fn give_up_reserve(&self) {
        if let Ok(fd) = openat(&self.dir, RESERVE, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        {
            let _ = self.disk.truncate(&File::from(fd), 0);
        }
    }

    /// Takes the reserve back, if there is room.
    pub(crate) fn restore_reserve(&self) {
        restore_reserve(&self.disk, &self.dir);
    }
}

pub(crate) fn restore_reserve(disk: &Disk, dir: impl AsFd) {
    let how = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(fd) = openat(dir, RESERVE, how, Mode::from_raw_mode(0o600)) else { return };
    let file = File::from(fd);
    if file.metadata().is_ok_and(|m| m.len() == RESERVE_BYTES) {
        return;
    }
    let full = disk.0.run(brio_session::Op::Write, || {
        Ok(rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES)?)
    });
    if full.is_err() {
        let _ = disk.truncate(&file, 0);
    }
}

pub(crate) fn trusts(options: &OpenOptions, uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw() || uid == 0 || options.trust_uid == Some(uid)
}

fn hidden(home: &std::path::Path, root: &std::path::Path) -> Option<RelPath> {
    let home = home.canonicalize().ok()?;
    let below = home.strip_prefix(root).ok()?;
    RelPath::new(from_os(below.as_os_str())).ok().filter(|p| !p.is_root())
}

pub(crate) fn json_line<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut out = serde_json::to_vec(value)?;
    out.push(b'\n');
    Ok(out)
}
