//! The content of one file of the host given to another.

use std::fs::File;
use std::io;

/// Gives the empty file `to` the content of `from`; returns the bytes that were copied, and not
/// shared. `reflink`: try to share. Holes stay holes where the host tells them.
///
/// # Errors
/// The host's.
pub fn copy_content(from: &File, to: &File, reflink: bool) -> io::Result<u64> {
    let meta = from.metadata()?;
    if meta.len() == 0 {
        return Ok(0);
    }
    host::copy(from, to, &meta, reflink)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod host {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use rustix::fs::SeekFrom;
    use rustix::io::Errno;

    pub(super) fn copy(from: &File, to: &File, meta: &Metadata, reflink: bool) -> io::Result<u64> {
        if reflink && rustix::fs::ioctl_ficlone(to, from).is_ok() {
            return Ok(0);
        }
        let size = meta.len();
        if meta.blocks().saturating_mul(512) >= size {
            return copy_range(from, to, 0, size);
        }
        let (mut at, mut copied) = (0, 0);
        while at < size {
            let data = match rustix::fs::seek(from, SeekFrom::Data(at)) {
                Ok(data) => data,
                // Nothing but a hole from here on.
                Err(Errno::NXIO) => break,
                Err(_) => at,
            };
            let hole = rustix::fs::seek(from, SeekFrom::Hole(data)).unwrap_or(size).min(size);
            if hole <= data {
                break;
            }
            copied += copy_range(from, to, data, hole)?;
            at = hole;
        }
        to.set_len(size)?;
        Ok(copied)
    }

    fn copy_range(from: &File, to: &File, mut at: u64, end: u64) -> io::Result<u64> {
        let start = at;
        while at < end {
            let (mut a, mut b) = (at, at);
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 30);
            match rustix::fs::copy_file_range(from, Some(&mut a), to, Some(&mut b), most) {
                Ok(0) => break,
                Ok(n) => at += n as u64,
                Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::IO)) => return Err(e.into()),
                // Not between these two: by hand.
                Err(_) => break,
            }
        }
        let mut buf = Vec::new();
        while at < end {
            buf.resize(1 << 18, 0);
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buf.len());
            let n = from.read_at(&mut buf[..most], at)?;
            if n == 0 {
                break;
            }
            to.write_all_at(&buf[..n], at)?;
            at += n as u64;
        }
        Ok(at - start)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod host {
    use std::fs::{File, Metadata};
    use std::io::{self, Seek, SeekFrom};

    pub(super) fn copy(mut from: &File, mut to: &File, _: &Metadata, _: bool) -> io::Result<u64> {
        from.seek(SeekFrom::Start(0))?;
        io::copy(&mut from, &mut to)
    }
}
