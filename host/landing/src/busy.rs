//! Whether some program has a file open for writing.

use std::os::fd::{AsRawFd, BorrowedFd};

/// From `linux/fcntl.h`; libc lacks it for this target.
const F_SETSIG: i32 = 10;

/// What was done to a file while nobody wrote to it.
pub(crate) enum Leased<T> {
    /// Somebody has it open for writing; nothing was done.
    Busy,
    /// The lease was held all the time.
    Held(T),
    /// Somebody asked for it meanwhile, and may not have waited to the end.
    Broken(T),
    /// A lease cannot be had there (another's file): it was done without.
    Without(T),
}

/// Does `f` while nobody has the file open for writing, nor can open it so.
#[allow(unsafe_code, reason = "rustix has no F_SETLEASE")]
pub(crate) fn leased<T>(file: BorrowedFd<'_>, f: impl FnOnce() -> T) -> Leased<T> {
    let fd = file.as_raw_fd();
    // SAFETY: as in `is_busy`.
    let taken = unsafe {
        libc::fcntl(fd, F_SETSIG, libc::SIGURG);
        libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK)
    };
    if taken != 0 {
        return match std::io::Error::last_os_error().kind() {
            std::io::ErrorKind::WouldBlock => Leased::Busy,
            _ => Leased::Without(f()),
        };
    }
    let done = f();
    // SAFETY: as in `is_busy`.
    let held = unsafe { libc::fcntl(fd, libc::F_GETLEASE) } == libc::F_RDLCK;
    // SAFETY: as in `is_busy`.
    unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
    if held { Leased::Held(done) } else { Leased::Broken(done) }
}

/// As [`leased`]. `None`: somebody has it open for writing.
pub(crate) fn unwritten<T>(file: BorrowedFd<'_>, f: impl FnOnce() -> T) -> Option<T> {
    match leased(file, f) {
        Leased::Busy => None,
        Leased::Held(done) | Leased::Broken(done) | Leased::Without(done) => Some(done),
    }
}

/// Asks by taking a read lease, which the kernel refuses while anybody has the file open for
/// writing, and giving it back. `None`: it cannot be told (another's file, or no leases there).
#[allow(unsafe_code, reason = "rustix has no F_SETLEASE")]
pub(crate) fn is_busy(file: BorrowedFd<'_>) -> Option<bool> {
    let fd = file.as_raw_fd();
    // SAFETY: fcntl with integer arguments on a descriptor that `file` keeps open; no memory is
    // passed. F_SETSIG: should somebody open the file for writing in the instant the lease is
    // held, the kernel sends SIGURG, which is ignored by default, instead of SIGIO, which kills.
    let taken = unsafe {
        libc::fcntl(fd, F_SETSIG, libc::SIGURG);
        libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK)
    };
    if taken == 0 {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
        return Some(false);
    }
    match std::io::Error::last_os_error().kind() {
        std::io::ErrorKind::WouldBlock => Some(true),
        _ => None,
    }
}
