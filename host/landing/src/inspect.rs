//! A look at a base and its state that changes nothing but probe files of its own.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_session::{Door, Hook, Op, RelPath, Verdict};
use rustix::fs::{FlockOperation, flock, fstatfs, fstatvfs};
use rustix::io::Errno;

use crate::claim::nonce;
use crate::disk::{self, Disk};
use crate::lower::{Reflink, Snapshots, reflink_across, reflink_in, snapshot_across, snapshots_in};
use crate::state::{KEPT, State};
use crate::{
    Access, DomainError, OpenOptions, SessionInfo, Unsupported, create, discover, domain, history,
    recover, seat, session, shelf, support,
};

/// What was found out about a base.
#[derive(Debug)]
pub struct Inspection {
    /// The base.
    pub base: PathBuf,
    /// The root of the domain it lies in, if there is one.
    pub root: Option<PathBuf>,
    /// Why its domain cannot be used.
    pub broken: Option<DomainError>,
    /// Its file system, by name.
    pub file_system: String,
    /// Why it can have no live sessions.
    pub unsupported: Option<Unsupported>,
    /// Why nothing can land in it, so that its sessions are frozen and lie in the home; what was
    /// tried is then what can be done there. `None`: they lie in it.
    pub frozen_only: Option<String>,
    /// Bytes that are available in the home, where its sessions lie there.
    pub available_in_home: Option<u64>,
    /// The state of its domain in the home, if there is one.
    pub state_in_home: Option<PathBuf>,
    /// Whose it is, and who asks.
    pub access: Option<Access>,
    /// Whether two names can be exchanged; tried.
    pub exchange: Probe,
    /// Whether files can share their blocks; tried.
    pub reflink: Probe,
    /// Whether snapshots can be made and deleted; tried.
    pub snapshot: Probe,
    /// Bytes that are available to the caller on its file system, and of how many.
    pub available: u64,
    /// As above.
    pub total: u64,
    /// Bytes that the caller's quota leaves; `None`: there is none.
    pub quota: Option<u64>,
    /// Its open sessions.
    pub sessions: Vec<SessionInfo>,
    /// Landings that were interrupted.
    pub pending: Vec<u64>,
    /// Paths that could not be put back.
    pub damaged: Vec<RelPath>,
    /// Versions that were set aside: late edits, and what recovery could not place.
    pub kept: Vec<PathBuf>,
}

/// What trying something showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It works.
    Yes,
    /// It does not, and why.
    No(String),
}

impl Inspection {
    /// Whether something must be done before it can be worked with again.
    pub fn needs_recovery(&self) -> bool {
        !self.pending.is_empty() || !self.damaged.is_empty() || self.broken.is_some()
    }
}

/// Refuses every mutation.
struct Refuse;

impl Hook for Refuse {
    fn verdict(&self, _: Op) -> Verdict {
        Verdict::Fail(libc::EROFS)
    }
}

/// Looks at a directory. The state is only read; no interrupted landing is recovered.
///
/// # Errors
/// When the directory is missing, is none, or cannot be read.
pub fn inspect(base: &Path, options: OpenOptions) -> Result<Inspection, DomainError> {
    let at = discover::base(base)?;
    let door = Door::with_hook(Arc::new(Refuse));
    let options = OpenOptions { create: false, door, ..options };
    let unsupported = match support::check(&at.fd, &at.path) {
        Err(DomainError::Unsupported { why, .. }) => Some(why),
        _ => None,
    };
    let access = Access::at(&at.fd, &at.path);
    let (state, refused, mut broken) = match open(&at, &options) {
        Ok(Some(state)) => (Some(state), None, None),
        Ok(None) => {
            let closed = access.as_ref().filter(|a| !a.writable).map(Access::reason);
            (None, unsupported.map(|why| why.to_string()).or(closed), None)
        }
        Err(e) => match seat::refusal(&at, &e) {
            Some(why) => (None, Some(why), None),
            None => (None, None, Some(e)),
        },
    };
    let home = options.home.as_deref();
    let in_home = |why: String| (Probes::in_home(&at, home, &why), Some(why));
    let (probes, frozen_only) = match (refused, Probes::run) {
        (Some(why), _) => in_home(why),
        (None, run) => match run(&at, state.as_ref()) {
            Probes { exchange: Probe::No(why), .. } if state.is_none() && broken.is_none() => {
                in_home(why)
            }
            probes => (probes, None),
        },
    };
    let beside = shelf::claim_of(base, &options).ok().flatten();
    let beside = beside.and_then(|claim| shelf::open(&claim, options.clone()).ok().flatten());
    let vfs = fstatvfs(&at.fd).ok();
    let size = |blocks: u64| vfs.as_ref().map_or(0, |s| blocks.saturating_mul(s.f_frsize));
    let mut out = Inspection {
        root: state.as_ref().map(|s| s.root_path.clone()),
        broken: None,
        file_system: fs_name(&at.fd),
        unsupported,
        available_in_home: frozen_only.as_ref().and(home).and_then(available),
        state_in_home: beside.as_ref().map(|s| s.seat.path.clone()),
        frozen_only,
        access,
        exchange: probes.exchange,
        reflink: probes.reflink,
        snapshot: probes.snapshot,
        available: size(vfs.as_ref().map_or(0, |s| s.f_bavail)),
        total: size(vfs.as_ref().map_or(0, |s| s.f_blocks)),
        quota: quota(&at.fd),
        sessions: Vec::new(),
        pending: Vec::new(),
        damaged: Vec::new(),
        kept: Vec::new(),
        base: at.path,
    };
    if let Some(state) = &state
        && let Err(e) = look(state, &mut out)
    {
        broken = Some(e);
    }
    if let Some(beside) = beside {
        out.sessions.extend(session::all(&beside).unwrap_or_default());
    }
    out.broken = broken;
    Ok(out)
}

fn available(dir: &Path) -> Option<u64> {
    let vfs = rustix::fs::statvfs(dir).ok()?;
    Some(vfs.f_bavail.saturating_mul(vfs.f_frsize))
}

fn open(at: &discover::Base, options: &OpenOptions) -> Result<Option<State>, DomainError> {
    let found = discover::find(at, options)?;
    let known = |fd, path: &Path, claim| match create::check_known(fd, path, claim, options) {
        Err(e @ DomainError::StateLost { .. }) => Err(e),
        // A record that could go stays: nothing is changed here.
        _ => Ok(()),
    };
    match found {
        Some(f) => {
            known(f.root.as_fd(), &f.path, Some(&f.claim.claim))?;
            domain::open_found(f, options.clone()).map(Some)
        }
        None => known(at.fd.as_fd(), &at.path, None).map(|()| None),
    }
}

fn look(state: &State, out: &mut Inspection) -> Result<(), DomainError> {
    let io = |what: &str, e: io::Error| DomainError::Io(crate::HostError::new(what, e));
    for k in history::numbers(state).map_err(|e| io("landings", e))? {
        match history::load(state, k) {
            Ok(l) if l.end.is_none() => out.pending.push(k),
            Ok(_) => {}
            Err(e) => return Err(Box::new(e).into()),
        }
    }
    if !out.pending.is_empty() && is_locked(state) {
        // Somebody is landing right now.
        out.pending.clear();
    }
    out.damaged = recover::damage(state).map_err(|e| io("landings", e))?;
    if let Ok(sessions) = session::all(state) {
        out.sessions = sessions;
    }
    if let Ok(kept) = disk::open_dir(&state.dir, KEPT) {
        let at = state.seat.path.join(&*brio_session::to_os(KEPT));
        let names = disk::names(kept).map_err(|e| io("kept", e))?;
        out.kept = names.iter().map(|n| at.join(&*brio_session::to_os(n))).collect();
    }
    Ok(())
}

/// Whether somebody holds the lock exclusively.
fn is_locked(state: &State) -> bool {
    let how = FlockOperation::NonBlockingLockShared;
    match state.locked() {
        Ok(fd) => flock(&fd, how) == Err(Errno::WOULDBLOCK),
        Err(_) => false,
    }
}

struct Probes {
    exchange: Probe,
    reflink: Probe,
    snapshot: Probe,
}

impl Probes {
    /// What can be done in the home for a base that can have no state of its own.
    fn in_home(at: &discover::Base, home: Option<&Path>, why: &str) -> Self {
        let exchange = Probe::No(why.to_owned());
        let none = |why: String| Self {
            exchange: exchange.clone(),
            reflink: Probe::No(why.clone()),
            snapshot: Probe::No(why),
        };
        let Some(home) = home else { return none("there is no home".to_owned()) };
        let disk = Disk::default();
        let tried = shelf::scratch(&disk, home, |dir| Self {
            exchange: exchange.clone(),
            reflink: match reflink_across(&disk, &at.fd, dir) {
                Reflink::Yes => Probe::Yes,
                Reflink::No(why) => Probe::No(why),
            },
            snapshot: match snapshot_across(&disk, &at.fd, dir) {
                Snapshots::Yes => Probe::Yes,
                Snapshots::No(why) => Probe::No(why),
            },
        });
        tried.unwrap_or_else(|e| none(format!("{}: {e}", home.display())))
    }

    /// Tries things in a directory of its own, which is removed again.
    fn run(at: &discover::Base, state: Option<&State>) -> Self {
        let all = |why: String| Self {
            exchange: Probe::No(why.clone()),
            reflink: Probe::No(why.clone()),
            snapshot: Probe::No(why),
        };
        let disk = Disk::default();
        let root = state.and_then(|s| s.root().ok()).unwrap_or(at.fd.as_fd());
        let (parent, prefix) = match state {
            Some(s) => (s.staging.as_fd(), "probe-"),
            // What is left of it goes when a domain is made here.
            None => (at.fd.as_fd(), create::NEW),
        };
        let name = match nonce() {
            Ok(n) => format!("{prefix}{n}").into_bytes(),
            Err(e) => return all(e.to_string()),
        };
        if let Err(e) = disk.mkdir(parent, &name, 0o700) {
            return all(format!("nothing can be tried there: {e}"));
        }
        let out = match disk::open_dir(parent, &name) {
            Err(e) => all(e.to_string()),
            Ok(dir) => Self {
                exchange: match support::can_exchange(&disk, &dir) {
                    Ok(true) => Probe::Yes,
                    Ok(false) => Probe::No(Unsupported::NoExchange.to_string()),
                    Err(e) => Probe::No(e.to_string()),
                },
                reflink: match reflink_in(&disk, &dir) {
                    Reflink::Yes => Probe::Yes,
                    Reflink::No(why) => Probe::No(why),
                },
                snapshot: match snapshots_in(&disk, root, &dir) {
                    Snapshots::Yes => Probe::Yes,
                    Snapshots::No(why) => Probe::No(why),
                },
            },
        };
        if let Err(e) = disk.remove_tree(parent, &name) {
            tracing::warn!("a probe was not removed: {e}");
        }
        out
    }
}

/// The name of a file system, or its number.
fn fs_name(fd: impl AsFd) -> String {
    let Ok(s) = fstatfs(fd) else { return "unknown".to_owned() };
    let magic = s.f_type as u64 & 0xffff_ffff;
    let name = match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlayfs",
        0xf2f5_2010 => "f2fs",
        0x2fc1_2fc1 => "zfs",
        0xca45_1a4e => "bcachefs",
        0x6573_5546 => "fuse",
        0x6969 => "nfs",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "smb",
        0x0102_1997 => "9p",
        _ => return format!("{magic:#x}"),
    };
    name.to_owned()
}

/// What the caller's quota leaves on a file system.
#[allow(unsafe_code, reason = "rustix has no quotactl_fd")]
fn quota(fd: impl AsFd) -> Option<u64> {
    /// `QCMD(Q_GETQUOTA, USRQUOTA)`, of `linux/quota.h`.
    const GET: libc::c_uint = 0x0080_0007 << 8;
    /// Limits are in blocks of this size.
    const BLOCK: u64 = 1024;
    let uid = rustix::process::geteuid().as_raw();
    // SAFETY: a `dqblk` is integers only, of which zero is a value.
    let mut q: libc::dqblk = unsafe { std::mem::zeroed() };
    // SAFETY: quotactl_fd(fd, cmd, id, addr): the descriptor is open as long as `fd` is
    // borrowed, and Q_GETQUOTA writes one `dqblk` to `q`.
    let done = unsafe {
        let fd = fd.as_fd().as_raw_fd();
        libc::syscall(libc::SYS_quotactl_fd, fd, GET, uid, std::ptr::from_mut(&mut q))
    };
    (done == 0 && q.dqb_bhardlimit > 0)
        .then(|| q.dqb_bhardlimit.saturating_mul(BLOCK).saturating_sub(q.dqb_curspace))
}
