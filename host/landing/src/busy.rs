//! Whether some program has a file open for writing.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// From `linux/fcntl.h`; libc lacks it for this target.
const F_SETSIG: i32 = 10;

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
    match std::io::Error::last_os_error().raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::AGAIN) => Some(true),
        _ => None,
    }
}
