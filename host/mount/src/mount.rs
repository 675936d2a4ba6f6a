//! A mount: from `/dev/fuse` to the threads that serve it.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use fuser::{BackgroundSession, Config, INodeNo, MountOption, Notifier, Session, SessionACL};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, unmount};

use crate::fs::Adapter;
use crate::ops::{Served, Shared};
use brio_session::Lender;

/// The kernel's FUSE device.
pub const DEVICE: &str = "/dev/fuse";
const HELPER: &str = "fusermount3";
const NAME: &str = "brio";

/// How a mount is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whom all files belong to. Of a mount in a user namespace, as its caller sees it.
    pub uid: u32,
    /// Which group all files belong to.
    pub gid: u32,
    /// Lets users other than the one who mounted in: permission bits decide. An ordinary user
    /// may say so only where `/etc/fuse.conf` has `user_allow_other`.
    pub allow_other: bool,
    /// Threads that serve; `None`: as many as the machine has processors, 2 to 8.
    pub threads: Option<usize>,
}

impl Default for Options {
    /// Everything belongs to the caller, and is the caller's alone.
    fn default() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            allow_other: false,
            threads: None,
        }
    }
}

/// Why a view is not mounted, or not unmounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The device is not there, or not for this user.
    #[error(
        "NO_FUSE: {DEVICE} cannot be opened: {0}; load the kernel's module (`modprobe fuse`), \
         or give the container the device (`--device {DEVICE}`)"
    )]
    NoDevice(#[source] io::Error),
    /// An ordinary user needs the helper.
    #[error("NO_FUSE: mounting needs root or {HELPER}, which is not found: install fuse3")]
    NoHelper,
    /// The mount point.
    #[error("MOUNT_FAILED: {}: {source}", .at.display())]
    At {
        /// Where it was to be mounted.
        at: PathBuf,
        /// The host's.
        source: io::Error,
    },
    /// Files of the mount are open.
    #[error(
        "MOUNT_BUSY: {}: files are open in it, or a process has it as its directory; \
         end that first, or unmount it lazily (`umount -l`)", .0.display()
    )]
    Busy(PathBuf),
    /// The kernel and this program did not agree on the protocol, or the threads would not start.
    #[error("MOUNT_FAILED: the FUSE session did not begin: {0}")]
    Session(#[source] io::Error),
}

/// The data for `mount(2)` of a file system of type `fuse` that is served through `device`, for
/// whoever mounts by himself: then [`Mount::serve`] takes the device. `uid` and `gid` are those
/// of the mounting process, as it sees them; nobody else is let in unless `allow_other`.
pub fn mount_data(device: BorrowedFd<'_>, uid: u32, gid: u32, allow_other: bool) -> String {
    let fd = device.as_raw_fd();
    let other = if allow_other { ",allow_other" } else { "" };
    format!("fd={fd},rootmode=40000,user_id={uid},group_id={gid},default_permissions{other}")
}

/// A view that is being served. Dropping one that was made by [`at`](Self::at) unmounts it,
/// lazily where files are open in it.
pub struct Mount {
    /// Where, if it was mounted here and still is.
    at: Mutex<Option<PathBuf>>,
    /// Answers whether the kernel still has the mount.
    device: OwnedFd,
    kernel: Notifier,
    served: Shared,
    session: Mutex<Option<BackgroundSession>>,
}

impl Mount {
    /// Serves a device that somebody else has mounted, or is about to: it waits for the kernel's
    /// first message. It serves until it is unmounted there (with its mount namespace, for one).
    ///
    /// # Errors
    /// `Session`.
    pub fn serve(
        device: OwnedFd,
        lender: impl Lender,
        options: &Options,
    ) -> Result<Self, MountError> {
        let kept = device.try_clone().map_err(MountError::Session)?;
        let (served, adapter) = adapter(lender, options);
        // Who may enter is the kernel's to say.
        let config = config(options, SessionACL::All);
        let session = Session::from_fd(adapter, device, SessionACL::All, config);
        Self::start(session.map_err(MountError::Session)?, served, kept, None)
    }

    /// Mounts at the directory `at`: by `mount(2)` where that is allowed, by `fusermount3`
    /// otherwise.
    ///
    /// # Errors
    /// `NoDevice`, `NoHelper`, `At`, `Session`.
    pub fn at(at: &Path, lender: impl Lender, options: &Options) -> Result<Self, MountError> {
        let failed = |source: io::Error| MountError::At { at: at.into(), source };
        let at = at.canonicalize().map_err(failed)?;
        let device = match OpenOptions::new().read(true).write(true).open(DEVICE) {
            Ok(device) => device,
            Err(e) => return Err(MountError::NoDevice(e)),
        };
        match by_system_call(&at, &device, options) {
            Ok(()) => {
                let mount = Self::serve(device.into(), lender, options);
                match mount {
                    Ok(mount) => {
                        *mount.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
                        Ok(mount)
                    }
                    Err(e) => {
                        let _ = unmount(&at, UnmountFlags::DETACH);
                        Err(e)
                    }
                }
            }
            Err(Errno::PERM) => Self::by_helper(at, lender, options),
            Err(e) => Err(failed(e.into())),
        }
    }

    fn by_helper(at: PathBuf, lender: impl Lender, options: &Options) -> Result<Self, MountError> {
        if Command::new(HELPER).arg("-V").output().is_err() {
            return Err(MountError::NoHelper);
        }
        let (served, adapter) = adapter(lender, options);
        let acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
        let mut config = config(options, acl);
        config.mount_options = vec![
            MountOption::FSName(NAME.into()),
            MountOption::Subtype(NAME.into()),
            MountOption::DefaultPermissions,
        ];
        let session = Session::new(adapter, &at, &config)
            .map_err(|source| MountError::At { at: at.clone(), source })?;
        let device = session.as_fd().try_clone_to_owned().map_err(MountError::Session)?;
        Self::start(session, served, device, Some(at))
    }

    fn start(
        session: Session<Adapter>,
        served: Shared,
        device: OwnedFd,
        at: Option<PathBuf>,
    ) -> Result<Self, MountError> {
        let kernel = session.notifier();
        if !served.lender.is_exclusive() {
            let (send, moves) = mpsc::channel();
            *served.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(send);
            tell_moves(&served, kernel.clone(), moves).map_err(MountError::Session)?;
        }
        let session = session.spawn().map_err(MountError::Session)?;
        Ok(Self { at: Mutex::new(at), device, kernel, served, session: Mutex::new(Some(session)) })
    }

    /// Whether the kernel still has it.
    pub fn is_mounted(&self) -> bool {
        let mut fds = [PollFd::new(&self.device, PollFlags::empty())];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => !fds[0].revents().contains(PollFlags::ERR),
            Err(_) => true,
        }
    }

    /// Tells the kernel to forget what it has cached, as when the epoch moves. For a lender that
    /// knows of a change before the next operation does. Of an exclusive lender: nothing.
    pub fn invalidate(&self) {
        self.served.invalidate();
    }

    /// Has the kernel hand over what it still holds: stores to mapped pages. For a lender that is
    /// about to let others change the session; not from a thread that is lending.
    pub fn sync(&self) {
        // `syncfs` does not wait for FUSE. To drop a page, the kernel writes it and waits; and a
        // mapping keeps its file open.
        for ino in self.served.open.writable() {
            // Only a mount that is gone answers with an error, and it holds nothing.
            let _ = self.kernel.inval_inode(INodeNo(ino), 0, 0);
        }
    }

    /// Whether a file is open that has no name any more: no later epoch finds it again.
    pub fn has_unlinked(&self) -> bool {
        self.served.open.has_unlinked()
    }

    /// Unmounts, and waits until everything was answered.
    ///
    /// # Errors
    /// `Busy`, `At`: it is mounted as before. Of a mount that somebody else made: nothing is
    /// done.
    pub fn unmount(&self) -> Result<(), MountError> {
        if self.take_down(false)? {
            self.wait();
        }
        Ok(())
    }

    /// Takes the mount out of the directory tree now; what is open in it is served until it is
    /// closed.
    ///
    /// # Errors
    /// `At`.
    pub fn unmount_lazily(&self) -> Result<(), MountError> {
        self.take_down(true).map(drop)
    }

    /// Waits until it is unmounted.
    pub fn wait(&self) {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session {
            // How the last thread ended is of no use to anybody: the mount is gone.
            let _ = session.join();
            self.served.remove_specials();
        }
    }

    /// False: it is not this one's to unmount.
    fn take_down(&self, lazily: bool) -> Result<bool, MountError> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &*at else { return Ok(false) };
        // Something else may be mounted there by now.
        if self.is_mounted() {
            take_down(path, lazily)?;
        }
        *at = None;
        Ok(true)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.unmount().is_err() {
            let _ = self.unmount_lazily();
        }
    }
}

/// Unmounts what some process has mounted at `at`; also one that nobody serves any more. False:
/// nothing is mounted there, or there is no such directory.
///
/// # Errors
/// `Busy`, unless `lazily`; `At`.
pub fn unmount_at(at: &Path, lazily: bool) -> Result<bool, MountError> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    match statx(CWD, at, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        Ok(found) if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(false),
        // Its server is gone.
        Err(Errno::NOTCONN | Errno::CONNABORTED) => {}
        Err(e) => return Err(MountError::At { at: at.into(), source: e.into() }),
    }
    take_down(at, lazily).map(|()| true)
}

fn adapter(lender: impl Lender, options: &Options) -> (Shared, Adapter) {
    let served = Arc::new(Served {
        lender: Box::new(lender),
        owner: (options.uid, options.gid),
        nodes: Default::default(),
        open: Default::default(),
        listings: Default::default(),
        specials: Default::default(),
        moved: Mutex::default(),
    });
    (served.clone(), Adapter { served, caches_listings: false })
}

fn config(options: &Options, acl: SessionACL) -> Config {
    let processors = || std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let mut config = Config::default();
    config.acl = acl;
    config.n_threads = Some(options.threads.map_or_else(processors, |n| n.max(1)));
    config
}

fn by_system_call(at: &Path, device: &File, options: &Options) -> Result<(), Errno> {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    let data = mount_data(device.as_fd(), uid.as_raw(), gid.as_raw(), options.allow_other);
    let data = CString::new(data).map_err(|_| Errno::INVAL)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(NAME, at, "fuse.brio", flags, &*data)
}

fn take_down(at: &Path, lazily: bool) -> Result<(), MountError> {
    let flags = if lazily { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    let failed = |source| MountError::At { at: at.into(), source };
    match unmount(at, flags | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => Err(MountError::Busy(at.into())),
        // Somebody was faster.
        Err(Errno::INVAL) => Ok(()),
        Err(Errno::PERM) => {
            let mut helper = Command::new(HELPER);
            helper.arg("-u").args(lazily.then_some("-z")).arg("--").arg(at);
            match helper.output() {
                Ok(done) if done.status.success() => Ok(()),
                Ok(done) => {
                    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                    if said.contains("busy") {
                        return Err(MountError::Busy(at.into()));
                    }
                    Err(failed(io::Error::other(said)))
                }
                Err(e) => Err(failed(e)),
            }
        }
        Err(e) => Err(failed(e.into())),
    }
}

/// Tells the kernel what moved. Never from the thread that answers it: the kernel may wait for
/// that answer with the lock that the message needs.
fn tell_moves(served: &Shared, kernel: Notifier, moves: mpsc::Receiver<()>) -> io::Result<()> {
    let served = Arc::downgrade(served);
    let tell = move || {
        while moves.recv().is_ok() {
            let Some(served) = served.upgrade() else { return };
            let numbers = served.nodes.numbers();
            drop(served);
            for ino in numbers {
                // One that it has forgotten meanwhile is none to tell of.
                let _ = kernel.inval_inode(INodeNo(ino), 0, 0);
            }
        }
    };
    std::thread::Builder::new().name("brio-mount-moves".into()).spawn(tell).map(drop)
}
