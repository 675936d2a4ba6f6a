//! A Unix socket that only its owner reaches.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::endpoint::EndpointError;

/// A socket that this process serves. Its file goes with it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    pub(super) path: PathBuf,
    /// Whoever serves the socket holds this: it goes with the process, however that ends.
    _lock: File,
}

impl Socket {
    /// Listens at a path. What a server that is gone left there is taken over.
    pub(super) fn bind(path: &Path) -> Result<Self, EndpointError> {
        let fail =
            |source| EndpointError::Host { address: format!("unix:{}", path.display()), source };
        let unfit = |why: &'static str| EndpointError::Socket { path: path.to_owned(), why };
        let path = std::path::absolute(path).map_err(fail)?;
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(unfit("it names no file"));
        };
        private(dir).map_err(fail)?.map_err(unfit)?;
        let mut lock = name.to_owned();
        lock.push(".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(dir.join(lock))
            .map_err(fail)?;
        let taken = || EndpointError::Taken { path: path.clone() };
        lock.try_lock().map_err(|e| match e {
            std::fs::TryLockError::WouldBlock => taken(),
            std::fs::TryLockError::Error(source) => fail(source),
        })?;
        match std::fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(fail(e)),
            Ok(there) if !there.file_type().is_socket() => {
                return Err(unfit("something else is there, which is no socket"));
            }
            // Another program's, which knows no lock.
            Ok(_) if UnixStream::connect(&path).is_ok() => return Err(taken()),
            Ok(_) => std::fs::remove_file(&path).map_err(fail)?,
        }
        let listener = UnixListener::bind(&path).map_err(fail)?;
        // Nobody else could have come in before: the directory is closed to them.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        Ok(Self { listener, path, _lock: lock })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // While the lock is held: nobody else's.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes a directory that only its owner can enter, or says why one that is there is none.
fn private(dir: &Path) -> io::Result<Result<(), &'static str>> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => return Ok(Ok(())),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let about = std::fs::metadata(dir)?;
    Ok(if !about.is_dir() {
        Err("what it is to lie in is no directory")
    } else if about.uid() != rustix::process::geteuid().as_raw() {
        Err("its directory belongs to somebody else")
    } else if about.mode() & 0o077 != 0 {
        Err("others can enter its directory")
    } else {
        Ok(())
    })
}
