//! FUSE over the [`View`](brio_session::View) of a session: a branch as a directory of the host.
//!
//! It only translates. What the kernel calls an inode is a
//! [`NodeHandle`](brio_session::NodeHandle), which follows renames, copy-up and the loss of its
//! last name; so nothing here keeps paths, and hard links and unlinked files are no special
//! cases. There is no write-back cache: what was written is in the layer's index before the call
//! returns; a store to a mapped page is there after `msync`, `close`, [`Mount::sync`] or
//! [`Mount::unmount`].
//!
//! Inode numbers are the view's own, except where two files of a view share one (hard links of
//! the base, which a view keeps apart) and for the root, which FUSE numbers itself: those get
//! one from the mount's own range. The generation is always 0: a number is given to something
//! else only after the kernel has forgotten what had it.
//!
//! All files belong to one user and group. Permission bits are checked by the kernel
//! (`default_permissions`), locks are the kernel's own, and there are no devices and no extended
//! attributes. FIFOs and sockets can be made where nobody else shows the view
//! ([`Lender::is_exclusive`](brio_session::Lender::is_exclusive)), and are gone when the mount is; the base's are shown as sockets.
//!
//! On systems other than Linux the crate is empty.

#[cfg(target_os = "linux")]
mod attr;
#[cfg(target_os = "linux")]
mod errno;
#[cfg(target_os = "linux")]
mod fs;
#[cfg(target_os = "linux")]
mod listing;
#[cfg(target_os = "linux")]
mod mount;
#[cfg(target_os = "linux")]
mod open;
#[cfg(target_os = "linux")]
mod ops;
#[cfg(target_os = "linux")]
mod special;
#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
pub use mount::{DEVICE, Mount, MountError, Options, mount_data, unmount_at};
