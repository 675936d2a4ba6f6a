//! What answers the file calls of one mount: a view, or a directory of the host as it is.

use brio_session::{
    DirEntry, DirHandle, FileHandle, FsError, FsResult, Handle, Meta, OpenOptions, RelPath,
    SetTime, View,
};
#[cfg(unix)]
use brio_session::{Direct, DirectDir, DirectFile, DirectHandle};

#[cfg(target_os = "linux")]
use crate::worker::{RemoteDir, RemoteFile, RemoteFiles, RemoteOpened};

/// What a guest finds at a name: see [`RunSpec::binds`](crate::RunSpec::binds).
#[derive(Clone)]
pub enum Files {
    /// A session, or what a session is put on.
    View(View),
    /// A directory of the host: what is written there is there at once.
    #[cfg(unix)]
    Direct(Direct),
    /// In a worker: what its supervisor answers for.
    #[cfg(target_os = "linux")]
    Remote(RemoteFiles),
}

impl From<View> for Files {
    fn from(view: View) -> Self {
        Self::View(view)
    }
}

#[cfg(unix)]
impl From<Direct> for Files {
    fn from(direct: Direct) -> Self {
        Self::Direct(direct)
    }
}

/// An open directory.
#[derive(Clone)]
pub(crate) enum Dir {
    View(DirHandle),
    #[cfg(unix)]
    Direct(DirectDir),
    #[cfg(target_os = "linux")]
    Remote(RemoteDir),
}

/// An open regular file.
pub(crate) enum File {
    View(FileHandle),
    #[cfg(unix)]
    Direct(DirectFile),
    #[cfg(target_os = "linux")]
    Remote(RemoteFile),
}

/// What was opened.
pub(crate) enum Opened {
    File(File),
    Dir(Dir),
}

/// The same call, whatever answers it.
macro_rules! each {
    ($of:expr, $it:ident => $call:expr) => {
        match $of {
            Self::View($it) => $call,
            #[cfg(unix)]
            Self::Direct($it) => $call,
            #[cfg(target_os = "linux")]
            Self::Remote($it) => $call,
        }
    };
}

impl Files {
    pub(crate) fn root(&self) -> Dir {
        match self {
            Self::View(view) => Dir::View(view.root()),
            #[cfg(unix)]
            Self::Direct(direct) => Dir::Direct(direct.root()),
            #[cfg(target_os = "linux")]
            Self::Remote(remote) => Dir::Remote(remote.root()),
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        each!(self, of => of.is_read_only())
    }

    /// A handle of the directory of the host, if it is one.
    pub(crate) fn host_dir(&self) -> Option<std::io::Result<cap_std::fs::Dir>> {
        match self {
            #[cfg(unix)]
            Self::Direct(direct) => Some(direct.dir()),
            _ => None,
        }
    }

    /// Bytes and files that its runs were charged for so far.
    pub(crate) fn written(&self) -> (u64, u64) {
        match self {
            Self::View(view) => view.written(),
            _ => (0, 0),
        }
    }

    /// Which limit refused something: `DiskLimit` or `FileLimit`.
    pub(crate) fn limit_hit(&self) -> Option<FsError> {
        match self {
            Self::View(view) => view.limit_hit(),
            _ => None,
        }
    }

    /// What is held of a session that has ended means nothing from here on.
    pub(crate) fn end(&self) {
        match self {
            Self::View(view) => view.end(),
            #[cfg(unix)]
            Self::Direct(_) => {}
            #[cfg(target_os = "linux")]
            Self::Remote(remote) => remote.end(),
        }
    }
}

/// The same operation, which a view has and a directory of the host has.
macro_rules! ops {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {$(
        pub(crate) fn $name(&self, $($arg: $type),*) -> FsResult<$out> {
            match self {
                Self::View(dir) => dir.view().$name(dir, $($arg),*),
                #[cfg(unix)]
                Self::Direct(dir) => dir.$name($($arg),*),
                #[cfg(target_os = "linux")]
                Self::Remote(dir) => dir.$name($($arg),*),
            }
        }
    )*};
}

impl Dir {
    ops! {
        stat_at(path: &[u8], follow: bool) -> Meta;
        read_link_at(path: &[u8]) -> Vec<u8>;
        mkdir_at(path: &[u8]) -> ();
        unlink_at(path: &[u8]) -> ();
        rmdir_at(path: &[u8]) -> ();
        set_times_at(path: &[u8], follow: bool, atime: SetTime, mtime: SetTime) -> ();
    }

    pub(crate) fn open_at(&self, path: &[u8], how: &OpenOptions) -> FsResult<Opened> {
        Ok(match self {
            Self::View(dir) => match dir.view().open_at(dir, path, how)? {
                Handle::File(file) => Opened::File(File::View(file)),
                Handle::Dir(dir) => Opened::Dir(Self::View(dir)),
            },
            #[cfg(unix)]
            Self::Direct(dir) => match dir.open_at(path, how)? {
                DirectHandle::File(file) => Opened::File(File::Direct(file)),
                DirectHandle::Dir(dir) => Opened::Dir(Self::Direct(dir)),
            },
            #[cfg(target_os = "linux")]
            Self::Remote(dir) => match dir.open_at(path, how)? {
                RemoteOpened::File(file) => Opened::File(File::Remote(file)),
                RemoteOpened::Dir(dir) => Opened::Dir(Self::Remote(dir)),
            },
        })
    }

    pub(crate) fn symlink_at(&self, target: &[u8], path: &[u8]) -> FsResult<()> {
        match self {
            Self::View(dir) => dir.view().symlink_at(target, dir, path),
            #[cfg(unix)]
            Self::Direct(dir) => dir.symlink_at(target, path),
            #[cfg(target_os = "linux")]
            Self::Remote(dir) => dir.symlink_at(target, path),
        }
    }

    /// Both must be of one mount.
    pub(crate) fn link_at(&self, old: &[u8], to: &Self, new: &[u8]) -> FsResult<()> {
        match (self, to) {
            (Self::View(from), Self::View(to)) => from.view().link_at(from, old, false, to, new),
            #[cfg(unix)]
            (Self::Direct(from), Self::Direct(to)) => from.link_at(old, to, new),
            #[cfg(target_os = "linux")]
            (Self::Remote(from), Self::Remote(to)) => from.link_at(old, to, new),
            #[cfg(unix)]
            _ => Err(FsError::Invalid),
        }
    }

    /// Both must be of one mount.
    pub(crate) fn rename_at(&self, old: &[u8], to: &Self, new: &[u8]) -> FsResult<()> {
        match (self, to) {
            (Self::View(from), Self::View(to)) => from.view().rename_at(from, old, to, new),
            #[cfg(unix)]
            (Self::Direct(from), Self::Direct(to)) => from.rename_at(old, to, new),
            #[cfg(target_os = "linux")]
            (Self::Remote(from), Self::Remote(to)) => from.rename_at(old, to, new),
            #[cfg(unix)]
            _ => Err(FsError::Invalid),
        }
    }

    /// Where it lies in its session now; a directory of the host lies in none.
    pub(crate) fn path(&self) -> FsResult<RelPath> {
        match self {
            Self::View(dir) => dir.path(),
            #[cfg(unix)]
            Self::Direct(_) => Err(FsError::NotSupported),
            #[cfg(target_os = "linux")]
            Self::Remote(dir) => dir.path(),
        }
    }

    pub(crate) fn meta(&self) -> FsResult<Meta> {
        each!(self, dir => dir.meta())
    }

    pub(crate) fn list(&self) -> FsResult<Vec<DirEntry>> {
        each!(self, dir => dir.list())
    }

    pub(crate) fn sync(&self) -> FsResult<()> {
        each!(self, dir => dir.sync())
    }

    pub(crate) fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        each!(self, dir => dir.set_times(atime, mtime))
    }
}

impl File {
    pub(crate) fn writable(&self) -> bool {
        each!(self, file => file.writable())
    }

    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        each!(self, file => file.read_at(buf, offset))
    }

    pub(crate) fn write_at(&self, buf: &[u8], offset: u64) -> FsResult<usize> {
        each!(self, file => file.write_at(buf, offset))
    }

    pub(crate) fn append(&self, buf: &[u8]) -> FsResult<usize> {
        each!(self, file => file.append(buf))
    }

    pub(crate) fn set_len(&self, len: u64) -> FsResult<()> {
        each!(self, file => file.set_len(len))
    }

    pub(crate) fn sync(&self, data_only: bool) -> FsResult<()> {
        each!(self, file => file.sync(data_only))
    }

    pub(crate) fn meta(&self) -> FsResult<Meta> {
        each!(self, file => file.meta())
    }

    pub(crate) fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        each!(self, file => file.set_times(atime, mtime))
    }
}
