//! Attributes, as they are told and as they are asked for.

use brio_session::{Kind, Meta, SetTime, Time};

use crate::Options;
use crate::handles::seconds;
use crate::server::{DIRECTORIES, HANDLE, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder, Garbage};

/// Bytes of `post_op_attr` with something in it, and of `post_op_fh3`.
pub(super) const ATTR: usize = 88;
pub(super) const POST_HANDLE: usize = 4 + 4 + HANDLE.next_multiple_of(4);

/// What is told of something: its number and its metadata.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attr {
    pub id: u64,
    pub meta: Meta,
}

impl Attr {
    /// Of one of the server's own directories.
    pub(super) fn own(server: &Server, id: u64) -> Self {
        // What there is to be listed comes and goes, and nobody says when: a client that looks again
        // finds that it may have changed. Directories of exports are the same while a server lives.
        let secs = if id < DIRECTORIES { server.started } else { seconds() };
        let then = Time { secs, nanos: 0 };
        let meta = Meta {
            kind: Kind::Dir,
            ino: id,
            nlink: 1,
            size: 4096,
            mode: 0o555,
            atime: then,
            mtime: then,
            ctime: then,
        };
        Self { id, meta }
    }
}

/// `fattr3`.
pub(super) fn fattr(out: &mut Encoder, server: &Server, attr: &Attr) {
    let m = &attr.meta;
    let kind = match m.kind {
        Kind::File => 1,
        Kind::Dir => 2,
        Kind::Symlink => 5,
        // A socket: a client opens none of its own accord, as it would a FIFO or a device.
        Kind::Other => 6,
    };
    // A view does not count a directory's subdirectories; 1 says so, as it does on btrfs.
    let links = if m.kind == Kind::Dir { m.nlink.min(1) } else { m.nlink };
    let Options { uid, gid, .. } = server.options;
    for n in [kind, m.mode & 0o7777, u32::try_from(links).unwrap_or(u32::MAX), uid, gid] {
        out.u32(n);
    }
    out.u64(m.size);
    out.u64(m.size.next_multiple_of(512).max(m.size));
    out.u64(0);
    out.u64(server.file_system());
    out.u64(attr.id);
    for t in [m.atime, m.mtime, m.ctime] {
        time(out, t);
    }
}

/// NFSv3 has no time before 1970, and none after 2106.
fn time(out: &mut Encoder, t: Time) {
    let (secs, nanos) = match u32::try_from(t.secs) {
        Ok(secs) => (secs, t.nanos),
        Err(_) if t.secs < 0 => (0, 0),
        Err(_) => (u32::MAX, 999_999_999),
    };
    out.u32(secs);
    out.u32(nanos);
}

/// `post_op_attr`.
pub(super) fn post_op(out: &mut Encoder, server: &Server, attr: Option<&Attr>) {
    out.bool(attr.is_some());
    if let Some(attr) = attr {
        fattr(out, server, attr);
    }
}

/// Something before and after a change, while nobody else changed it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around {
    pub before: Option<Meta>,
    pub after: Option<Attr>,
}

/// `wcc_data`.
pub(super) fn around(out: &mut Encoder, server: &Server, around: &Around) {
    out.bool(around.before.is_some());
    if let Some(m) = &around.before {
        out.u64(m.size);
        time(out, m.mtime);
        time(out, m.ctime);
    }
    post_op(out, server, around.after.as_ref());
}

/// `sattr3`: what attributes are set to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: SetTime,
    pub mtime: SetTime,
}

impl Set {
    pub(super) fn read(d: &mut Decoder<'_>) -> Result<Self, Garbage> {
        Ok(Self {
            mode: d.option(Decoder::u32)?.map(|mode| mode & 0o7777),
            uid: d.option(Decoder::u32)?,
            gid: d.option(Decoder::u32)?,
            size: d.option(Decoder::u64)?,
            atime: set_time(d)?,
            mtime: set_time(d)?,
        })
    }

    /// Whether it can be done: all files have one owner, and a second has no more nanoseconds.
    pub(super) fn check(&self, options: &Options) -> Result<(), Status> {
        let another = |id: Option<u32>, own| id.is_some_and(|id| id != own);
        if another(self.uid, options.uid) || another(self.gid, options.gid) {
            return Err(Status::Perm);
        }
        let odd = |t| matches!(t, SetTime::At(Time { nanos: 1_000_000_000.., .. }));
        if odd(self.atime) || odd(self.mtime) { Err(Status::Inval) } else { Ok(()) }
    }
}

fn set_time(d: &mut Decoder<'_>) -> Result<SetTime, Garbage> {
    match d.u32()? {
        0 => Ok(SetTime::Keep),
        1 => Ok(SetTime::Now),
        2 => Ok(SetTime::At(read_time(d)?)),
        _ => Err(Garbage),
    }
}

pub(super) fn read_time(d: &mut Decoder<'_>) -> Result<Time, Garbage> {
    Ok(Time { secs: d.u32()?.into(), nanos: d.u32()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_nfs_has_not_are_the_nearest_that_it_has() {
        let told = |secs, nanos| {
            let mut out = Encoder::default();
            time(&mut out, Time { secs, nanos });
            let bytes = out.into_bytes();
            let mut d = Decoder::new(&bytes);
            read_time(&mut d).unwrap()
        };
        assert_eq!(told(5, 6), Time { secs: 5, nanos: 6 });
        assert_eq!(told(-1, 6), Time { secs: 0, nanos: 0 });
        assert_eq!(told(i64::MAX, 6), Time { secs: u32::MAX.into(), nanos: 999_999_999 });
    }
}
