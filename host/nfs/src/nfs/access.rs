//! `ACCESS`: what a client may do, as the owner of all files.

use brio_session::{Kind, Meta};

use super::attr::post_op;
use super::{Done, answer, attr_of, handle};
use crate::server::Server;
use crate::xdr::{Decoder, Encoder};

const READ: u32 = 0x01;
const LOOKUP: u32 = 0x02;
const MODIFY: u32 = 0x04;
const EXTEND: u32 = 0x08;
const DELETE: u32 = 0x10;
const EXECUTE: u32 = 0x20;

pub(super) fn access(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    let asked = d.u32()?;
    d.end()?;
    answer(
        out,
        attr_of(server, handle),
        |out, attr| {
            post_op(out, server, Some(&attr));
            out.u32(asked & allowed(&attr.meta, server.options.uid == 0));
        },
        |out| post_op(out, server, None),
    )
}

fn allowed(meta: &Meta, root: bool) -> u32 {
    let is_dir = meta.kind == Kind::Dir;
    let may = |bit: u32| meta.mode & bit != 0;
    let (read, write) = (root || may(0o400), root || may(0o200));
    let run = may(0o100) || (root && (is_dir || may(0o111)));
    let mut bits = 0;
    if read {
        bits |= READ;
    }
    if write {
        bits |= MODIFY | EXTEND | if is_dir { DELETE } else { 0 };
    }
    if run {
        bits |= if is_dir { LOOKUP } else { EXECUTE };
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use brio_session::Time;

    #[test]
    fn permission_bits_are_the_owners() {
        let t = Time::default();
        let meta = |kind, mode| Meta {
            kind,
            ino: 1,
            nlink: 1,
            size: 0,
            mode,
            atime: t,
            mtime: t,
            ctime: t,
        };
        assert_eq!(allowed(&meta(Kind::File, 0o640), false), READ | MODIFY | EXTEND);
        assert_eq!(allowed(&meta(Kind::File, 0o077), false), 0);
        assert_eq!(allowed(&meta(Kind::File, 0o500), false), READ | EXECUTE);
        assert_eq!(allowed(&meta(Kind::Dir, 0o500), false), READ | LOOKUP);
        assert_eq!(allowed(&meta(Kind::File, 0o000), true), READ | MODIFY | EXTEND);
        assert_eq!(allowed(&meta(Kind::File, 0o001), true) & EXECUTE, EXECUTE);
        assert_eq!(allowed(&meta(Kind::Dir, 0), true) & LOOKUP, LOOKUP);
    }
}
