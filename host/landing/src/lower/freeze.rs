//! Beginning a session with a frozen copy. Bytes are copied without a lock; the number of the
//! landing whose base it is, is taken before and found unchanged after.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use brio_session::{Op, RelPath, Time, View};
use rustix::fs::{FlockOperation, flock, fstatvfs};

use super::copy::Copier;
use super::probe::{Reflink, Snapshots, reflink_across, reflink_in, snapshots_in};
use super::walk::Source;
use super::{
    FrozenInfo, LOWER, LOWER_INDEX, LowerInfo, Method, NotUsed, Patterns, btrfs, mounts, space,
};
use crate::begin::{self, New, NewLower, fs_io};
use crate::claim::nonce;
use crate::disk;
use crate::errors::Doing;
use crate::look::Look;
use crate::meta::cap;
use crate::state::State;
use crate::{BeginError, BeginOptions, Boundary, BoundaryKind, HostError, SessionId, support};

/// How its staging directories are called.
const STAGED: &str = "frozen-";

/// How often something that changes is looked at again; the waits double.
const PASSES: u32 = 9;
const FIRST_WAIT: Duration = Duration::from_millis(2);

/// What times of another file system may lag behind ours.
const COARSE: Duration = Duration::from_secs(2);

/// How often a snapshot is taken again because a landing got in between.
const SNAPSHOTS: u32 = 5;

/// Begins a session on a private copy of the directory that it branches.
pub(crate) fn freeze(
    state: &State,
    options: &BeginOptions,
    excludes: Vec<String>,
    patterns: Option<Patterns>,
) -> Result<SessionId, BeginError> {
    let source = Source::open(state, &options.subdir, patterns)?;
    let staging = Staging::make(state).doing("staging")?;
    let mut new = Freezing { source, staging, options, excludes, not_used: Vec::new() };
    match snapshots_in(&state.disk, state.root().doing("the base")?, &new.staging.dir) {
        Snapshots::Yes => match new.by_snapshot()? {
            Ok(id) => return Ok(id),
            Err(why) => new.not_used.push(NotUsed { method: Method::Snapshot, why }),
        },
        Snapshots::No(why) => new.not_used.push(NotUsed { method: Method::Snapshot, why }),
    }
    let reflink = match state.frozen_only() {
        None => reflink_in(&state.disk, &new.staging.dir),
        Some(_) => reflink_across(&state.disk, &new.source.root, &new.staging.dir),
    };
    let reflink = match reflink {
        Reflink::Yes => true,
        Reflink::No(why) => {
            new.not_used.push(NotUsed { method: Method::Reflink, why });
            false
        }
    };
    new.by_copy(reflink)
}

struct Freezing<'a> {
    source: Source<'a>,
    staging: Staging<'a>,
    options: &'a BeginOptions,
    excludes: Vec<String>,
    not_used: Vec<NotUsed>,
}

impl Freezing<'_> {
    /// A snapshot, or why there is none.
    fn by_snapshot(&self) -> Result<Result<SessionId, String>, BeginError> {
        let state = self.source.state;
        let root = state.root().doing("the base")?;
        let nested = match btrfs::nested(root) {
            Ok(nested) => nested,
            Err(e) => return Ok(Err(format!("its subvolumes cannot be listed: {e}"))),
        };
        let mounted = mounts::below(root).doing("the table of mounts")?;
        let all = nested.into_iter().map(|p| (p, BoundaryKind::Subvolume));
        let all = all.chain(mounted.into_iter().map(|p| (p, BoundaryKind::Mount)));
        let boundaries: Vec<_> = all
            .filter(|(p, _)| {
                p.strip_prefix(self.source.subdir)
                    .is_some_and(|p| !p.is_root() && !self.source.left_out(&p, true))
            })
            .map(|(path, kind)| Boundary { path, kind })
            .collect();
        if !boundaries.is_empty() {
            return Err(BeginError::Boundaries { boundaries });
        }
        let staged = &self.staging.dir;
        for attempt in 0..SNAPSHOTS {
            let (lock, value) = begin::quiet(state)?;
            let marker = self.staging.marker(attempt)?;
            drop(lock);
            let taken = state.disk.0.run(Op::Clone, || btrfs::snapshot(root, staged, LOWER));
            if let Err(e) = taken {
                return Ok(Err(format!("it could not be taken: {e}")));
            }
            let (lock, now) = begin::quiet(state)?;
            if now == value {
                let frozen = self.info(Method::Snapshot, None, 0, 0);
                let made = self.make(value.landing(), marker, frozen);
                drop(lock);
                return made.map(Ok);
            }
            drop(lock);
            state.disk.remove_tree(staged, LOWER).doing("a snapshot")?;
        }
        Ok(Err("landings kept getting in between".to_owned()))
    }

    fn by_copy(&self, reflink: bool) -> Result<SessionId, BeginError> {
        let state = self.source.state;
        if !reflink {
            let need = Copier::estimate(&self.source)?;
            let s = fstatvfs(&self.staging.dir).doing("the free space")?;
            let have = s.f_bavail.saturating_mul(s.f_frsize);
            space::check(need, have, self.options.lower.space).map_err(BeginError::Space)?;
        }
        state.disk.mkdir(&self.staging.dir, LOWER, 0o700).doing("staging")?;
        let files = disk::open_dir(&self.staging.dir, LOWER).doing("staging")?;
        let mut copier = Copier::new(&self.source, files, reflink);
        let grain = self.grain();
        let mut wait = FIRST_WAIT.max(grain);
        let mut changed = RelPath::root();
        for pass in 0..PASSES {
            let (lock, value) = begin::quiet(state)?;
            let marker = earlier(self.staging.marker(pass)?, grain);
            drop(lock);
            if let Some(path) = copier.pass(marker)? {
                changed = path;
                // The first pass has seen nothing before; the second is the proof.
                if pass > 0 {
                    std::thread::sleep(wait);
                    if grain.is_zero() {
                        wait *= 2;
                    }
                }
                continue;
            }
            let (index, unleased) = copier.finish()?;
            let what = "the index of a copy";
            state.disk.remove_tree(&self.staging.dir, LOWER_INDEX).doing(what)?;
            index.store(&state.disk, &self.staging.dir).doing(what)?;
            let files = index.files();
            let (lock, now) = begin::quiet(state)?;
            if now == value {
                let method = if reflink { Method::Reflink } else { Method::Copy };
                let frozen = self.info(method, Some(files), copier.bytes_copied, unleased);
                let made = self.make(value.landing(), marker, frozen);
                drop(lock);
                return made;
            }
        }
        Err(BeginError::Changing { path: self.source.subdir.join_path(&changed) })
    }

    /// By how much a change's time may lie before a marker that was taken earlier. A marker of
    /// the base's own file system needs none.
    fn grain(&self) -> Duration {
        match self.source.state.frozen_only() {
            Some(_) if support::is_coarse(&self.source.root) => COARSE,
            _ => Duration::ZERO,
        }
    }

    fn info(
        &self,
        method: Method,
        files: Option<u64>,
        bytes_copied: u64,
        unleased: u64,
    ) -> FrozenInfo {
        let not_used = self.not_used.clone();
        FrozenInfo { method, not_used, files, bytes_copied, unleased }
    }

    /// Under the shared lock.
    fn make(
        &self,
        landing: u64,
        marker: Time,
        frozen: FrozenInfo,
    ) -> Result<SessionId, BeginError> {
        let state = self.source.state;
        let new = New {
            landing,
            dirs: begin::inodes(state, &self.options.subdir)?,
            options: self.options,
            parent: None,
            lower: NewLower {
                info: LowerInfo::Frozen(frozen),
                excludes: self.excludes.clone(),
                staged: Some((&self.staging.dir, marker)),
            },
            undo_of: None,
        };
        begin::make(state, &new)
    }
}

/// A directory in `staging/`, locked as long as somebody fills it. What is in it when it is
/// dropped is removed.
pub(crate) struct Staging<'a> {
    state: &'a State,
    name: Vec<u8>,
    pub(crate) dir: OwnedFd,
}

impl<'a> Staging<'a> {
    pub(crate) fn make(state: &'a State) -> io::Result<Self> {
        loop {
            let name = format!("{STAGED}{}", nonce()?).into_bytes();
            state.disk.mkdir(&state.staging, &name, 0o700)?;
            // Until it is locked it looks abandoned, and somebody may have removed it.
            let dir = match disk::open_dir(&state.staging, &name) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                dir => dir?,
            };
            flock(&dir, FlockOperation::LockExclusive)?;
            if Look::at(&state.staging, &name)?.map(|l| l.ino()) == Some(Look::of(&dir)?.ino()) {
                return Ok(Self { state, name, dir });
            }
        }
    }

    /// A time that nothing bears that changed before this call.
    fn marker(&self, n: u32) -> Result<Time, HostError> {
        let what = "a marker";
        let name = format!("m{n}").into_bytes();
        self.state.disk.mkdir(&self.dir, &name, 0o700).doing(what)?;
        let dir = cap(disk::open_dir(&self.dir, &name).doing(what)?);
        View::create_layer(&dir, &self.state.disk.0).map_err(|e| HostError::new(what, fs_io(e)))
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.state.disk.remove_tree(&self.state.staging, &self.name) {
            tracing::warn!("a frozen copy's staging was not removed: {e}");
        }
    }
}

fn earlier(t: Time, by: Duration) -> Time {
    Time { secs: t.secs.saturating_sub_unsigned(by.as_secs()), ..t }
}

/// Whether [`sweep`] would remove it.
pub(crate) fn is_swept(state: &State, name: &[u8]) -> io::Result<Option<bool>> {
    if !name.starts_with(STAGED.as_bytes()) {
        return Ok(None);
    }
    match disk::open_dir(&state.staging, name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Some(false)),
        // Asked for an instant; the lock goes with the descriptor.
        dir => Ok(Some(flock(dir?, FlockOperation::NonBlockingLockShared).is_ok())),
    }
}

/// Removes a frozen copy in `staging/` that nobody fills any more. `None`: it is no copy.
pub(crate) fn sweep(state: &State, name: &[u8]) -> io::Result<Option<u64>> {
    if !name.starts_with(STAGED.as_bytes()) {
        return Ok(None);
    }
    let dir = match disk::open_dir(&state.staging, name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some(0)),
        r => r?,
    };
    // Held until it is gone: who is about to lock it must not find it half removed.
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => state.disk.remove_tree(&state.staging, name).map(Some),
        Err(_) => Ok(Some(0)),
    }
}
