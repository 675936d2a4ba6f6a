//! What there is room for: `FSSTAT`, `FSINFO`, `PATHCONF`.

use super::attr::post_op;
use super::{Done, Held, MOST, answer, attr_of, handle};
use crate::server::{Object, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder};

/// Hard links, symbolic links, one file system with one answer to `PATHCONF`, times that can be set.
const PROPERTIES: u32 = 0x01 | 0x02 | 0x08 | 0x10;

pub(super) fn fsstat(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    d.end()?;
    let room = || -> Result<[u64; 6], Status> {
        match server.resolve(handle)? {
            Object::Own(_) => Ok([0; 6]),
            object => {
                let space = Held::new(object, false)?.lent.view.space()?;
                let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
                Ok([
                    bytes(space.f_blocks),
                    bytes(space.f_bfree),
                    bytes(space.f_bavail),
                    space.f_files,
                    space.f_ffree,
                    space.f_favail,
                ])
            }
        }
    };
    let attr = attr_of(server, handle).ok();
    answer(
        out,
        room(),
        |out, numbers| {
            post_op(out, server, attr.as_ref());
            numbers.into_iter().for_each(|n| out.u64(n));
            // How long it stays so is not known.
            out.u32(0);
        },
        |out| post_op(out, server, attr.as_ref()),
    )
}

pub(super) fn fsinfo(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    d.end()?;
    answer(
        out,
        attr_of(server, handle),
        |out, attr| {
            post_op(out, server, Some(&attr));
            let most = MOST as u32;
            // Reads and writes: at most, best, a multiple of; and listings.
            for n in [most, most, 4096, most, most, 4096, 64 << 10] {
                out.u32(n);
            }
            out.u64(i64::MAX as u64);
            // Times are as fine as a nanosecond.
            out.u32(0);
            out.u32(1);
            out.u32(PROPERTIES);
        },
        |out| post_op(out, server, None),
    )
}

pub(super) fn pathconf(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    d.end()?;
    answer(
        out,
        attr_of(server, handle),
        |out, attr| {
            post_op(out, server, Some(&attr));
            // Links of a file, bytes of a name.
            out.u32(u32::MAX);
            out.u32(255);
            // Longer names are refused, owners cannot be given away, case counts and is kept.
            for is in [true, true, false, true] {
                out.bool(is);
            }
        },
        |out| post_op(out, server, None),
    )
}
