//! What caller, helper and process 1 tell each other.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cell::CellLimits;
use crate::places::{Place, Places};
use crate::room::{Access, Limits};
use crate::{Needed, Report, RoomError};

/// A path, a name, an argument: bytes, as Linux has them.
pub(super) type Bytes = Vec<u8>;

/// How many descriptors go with one message: a room's FUSE mounts, mostly.
pub(super) const MOST_FDS: usize = 64;

/// What the caller asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) caller: i32,
    pub(super) places: Vec<(Bytes, WirePlace)>,
    pub(super) network: bool,
    pub(super) limits: Limits,
    /// Empty: only the room is made.
    pub(super) argv: Vec<Bytes>,
    pub(super) env: Vec<(Bytes, Bytes)>,
    pub(super) cwd: Bytes,
    /// Which standard streams are the room's `/dev/null`; the others come as descriptors.
    pub(super) null: [bool; 3],
    /// See [`Command::detached`](crate::Command::detached).
    pub(super) detached: bool,
}

/// What the caller asks for in a cell.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CellSpec {
    pub(super) caller: i32,
    pub(super) limits: CellLimits,
    /// Only made, to say what confines it.
    pub(super) probe: bool,
}

/// A [`Place`] whose paths are bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum WirePlace {
    Bind { source: Bytes, access: Access, file: bool },
    Private { mode: u32 },
    Empty,
    Link { target: Bytes },
    Fuse { options: String, read_only: bool },
    Proc,
    Dev,
}

/// What helper and process 1 answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// From the helper, with the pidfd of process 1.
    Started,
    /// From process 1, with the descriptors of its FUSE mounts in the order of their paths: the
    /// root is made. The command follows once the mount answers.
    Ready(Report),
    /// The command ended, with this wait status.
    Ended(i32),
    /// There is no room, or no command in it.
    Failed(Failure),
}

/// A [`RoomError`] that crosses a process boundary.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    Refused { needed: Needed, step: String, errno: i32 },
    NoFuse { step: String, errno: i32 },
    Bind { path: Bytes, errno: i32 },
    Command { program: String, errno: i32 },
}

impl Failure {
    /// A mechanism that cannot be had.
    pub(super) fn refused(needed: Needed, step: impl Into<String>, e: &io::Error) -> Self {
        Self::Refused { needed, step: step.into(), errno: errno(e) }
    }
}

/// Names the mechanism and the step that an error belongs to.
pub(super) trait Needing<T> {
    fn needing(self, needed: Needed, step: &str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Needing<T> for Result<T, E> {
    fn needing(self, needed: Needed, step: &str) -> Result<T, Failure> {
        self.map_err(|e| Failure::refused(needed, step, &e.into()))
    }
}

/// The number of an error; EIO for one without.
pub(super) fn errno(e: &io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}

impl From<Failure> for RoomError {
    fn from(failure: Failure) -> Self {
        let io = io::Error::from_raw_os_error;
        match failure {
            Failure::Refused { needed, step, errno } => {
                Self::Refused { needed, step, source: io(errno) }
            }
            Failure::NoFuse { step, errno } => Self::NoFuse { step, source: io(errno) },
            Failure::Bind { path, errno } => Self::Bind { path: path_of(path), source: io(errno) },
            Failure::Command { program, errno } => Self::Command { program, source: io(errno) },
        }
    }
}

pub(super) fn path_of(bytes: Bytes) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

pub(super) fn wire_places(places: Places) -> Vec<(Bytes, WirePlace)> {
    let bytes = |path: PathBuf| path.into_os_string().into_vec();
    let wire = |place| match place {
        Place::Bind { source, access, file } => {
            WirePlace::Bind { source: bytes(source), access, file }
        }
        Place::Private { mode } => WirePlace::Private { mode },
        Place::Empty => WirePlace::Empty,
        Place::Link { target } => {
            WirePlace::Link { target: target.as_os_str().as_bytes().to_vec() }
        }
        Place::Fuse { options, read_only } => WirePlace::Fuse { options, read_only },
        Place::Proc => WirePlace::Proc,
        Place::Dev => WirePlace::Dev,
    };
    places.into_iter().map(|(path, place)| (bytes(path), wire(place))).collect()
}

pub(super) fn argv(argv: Vec<OsString>) -> Vec<Bytes> {
    argv.into_iter().map(OsStringExt::into_vec).collect()
}

pub(super) fn env(env: Vec<(OsString, OsString)>) -> Vec<(Bytes, Bytes)> {
    env.into_iter().map(|(name, value)| (name.into_vec(), value.into_vec())).collect()
}

/// Sends one message, with descriptors.
pub(super) fn send<T: Serialize>(
    mut socket: &UnixStream,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let len = u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors"));
    }
    // The descriptors travel with the length: four bytes are never sent in part.
    sendmsg(socket, &[IoSlice::new(&len)], &mut control, SendFlags::NOSIGNAL)?;
    socket.write_all(&body)
}

/// Receives one message, with its descriptors (close-on-exec). `None` at the end of the stream.
pub(super) fn receive<T: DeserializeOwned>(
    mut socket: &UnixStream,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut len = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut len)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    if got == 0 {
        return Ok(None);
    }
    let fds = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    socket.read_exact(len.get_mut(got..).unwrap_or_default())?;
    let mut body = vec![0; u32::from_le_bytes(len) as usize];
    socket.read_exact(&mut body)?;
    let message = postcard::from_bytes(&body).map_err(io::Error::other)?;
    Ok(Some((message, fds)))
}
