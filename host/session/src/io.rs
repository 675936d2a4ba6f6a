//! The system calls on open files that a view makes.

use std::fs::File;
use std::time::UNIX_EPOCH;

#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::FsError;
use crate::{FsResult, Op, Time};

/// Makes a data file; `None` when the door lied about it.
pub(crate) fn create(
    dir: &cap_std::fs::Dir,
    name: &str,
    door: &crate::Door,
) -> FsResult<Option<File>> {
    let mut how = cap_std::fs::OpenOptions::new();
    how.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        how.mode(0o600);
    }
    Ok(door.pass(Op::Create, || dir.open_with(name, &how).map(|f| Some(f.into_std())), || None)?)
}

/// Shares the blocks of a whole file where the file system can.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn clone_file(to: &File, from: &File, door: &crate::Door) -> FsResult<bool> {
    match door.run(Op::Clone, || Ok(rustix::fs::ioctl_ficlone(to, from)?)) {
        Ok(()) => Ok(true),
        Err(e)
            if matches!(
                FsError::from(std::io::Error::from_raw_os_error(e.raw_os_error().unwrap_or(0))),
                FsError::NoSpace
            ) =>
        {
            Err(FsError::NoSpace)
        }
        Err(e) if crate::is_stop(&e) => Err(e.into()),
        Err(_) => Ok(false),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn clone_file(_to: &File, _from: &File, _door: &crate::Door) -> FsResult<bool> {
    Ok(false)
}

pub(crate) fn set_file_times(file: &File, atime: Time, mtime: Time) -> std::io::Result<()> {
    // Whatever a guest asks for: a time that the host cannot tell is refused, not a panic.
    let at = |t: Time| {
        let whole = std::time::Duration::from_secs(t.secs.unsigned_abs());
        let secs = match t.secs {
            0.. => UNIX_EPOCH.checked_add(whole),
            _ => UNIX_EPOCH.checked_sub(whole),
        };
        secs.and_then(|s| s.checked_add(std::time::Duration::from_nanos(t.nanos.into())))
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))
    };
    file.set_times(std::fs::FileTimes::new().set_accessed(at(atime)?).set_modified(at(mtime)?))
}

#[cfg(unix)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], at: u64) -> FsResult<usize> {
    Ok(std::os::unix::fs::FileExt::read_at(file, buf, at)?)
}

#[cfg(windows)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], at: u64) -> FsResult<usize> {
    Ok(std::os::windows::fs::FileExt::seek_read(file, buf, at)?)
}

/// Fills `buf`, or reads to the end.
pub(crate) fn read_full(file: &File, buf: &mut [u8], at: u64) -> FsResult<usize> {
    let mut done = 0;
    while done < buf.len() {
        match read_at(file, &mut buf[done..], at + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

#[cfg(unix)]
pub(crate) fn write_full(file: &File, buf: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, buf, at)
}

#[cfg(windows)]
pub(crate) fn write_full(file: &File, buf: &[u8], at: u64) -> std::io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        let at = at + done as u64;
        done += std::os::windows::fs::FileExt::seek_write(file, &buf[done..], at)?;
    }
    Ok(())
}

/// Fills `buf` where it is just what remains of the file. If not, `buf` may hold anything.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn ends_after(file: &File, buf: &mut [u8], at: u64) -> FsResult<bool> {
    let (whole, mut more) = (buf.len(), [0]);
    let mut into = [std::io::IoSliceMut::new(buf), std::io::IoSliceMut::new(&mut more)];
    Ok(rustix::io::preadv(file, &mut into, at)? == whole)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn ends_after(_file: &File, _buf: &mut [u8], _at: u64) -> FsResult<bool> {
    Ok(false)
}
