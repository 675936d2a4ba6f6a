//! Looking: `GETATTR`, `LOOKUP`, `READLINK`.

use super::attr::{Attr, fattr, post_op};
use super::{Done, Held, answer, attr_of, handle, place};
use crate::server::{Object, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder};

pub(super) fn getattr(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    d.end()?;
    answer(out, attr_of(server, handle), |out, attr| fattr(out, server, &attr), |_| {})
}

pub(super) fn lookup(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let (dir, name) = place(d)?;
    d.end()?;
    let found = server.resolve(dir).and_then(|object| server.look_up(object, name));
    let of_dir = attr_of(server, dir).ok();
    answer(
        out,
        found,
        |out, (object, attr)| {
            out.opaque(&server.handle_of(&object));
            post_op(out, server, Some(&attr));
            post_op(out, server, of_dir.as_ref());
        },
        |out| post_op(out, server, of_dir.as_ref()),
    )
}

pub(super) fn readlink(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    d.end()?;
    let read = || -> Result<(Attr, Vec<u8>), Status> {
        let object = server.resolve(handle)?;
        if matches!(object, Object::Own(_)) {
            return Err(Status::Inval);
        }
        let held = Held::new(object, false)?;
        let target = held.node.read_link()?;
        Ok((Attr { id: held.id, meta: held.meta()? }, target))
    };
    let of_link = |read: &Result<_, _>| match read {
        Ok(_) => None,
        Err(_) => attr_of(server, handle).ok(),
    };
    let read = read();
    let failed = of_link(&read);
    answer(
        out,
        read,
        |out, (attr, target)| {
            post_op(out, server, Some(&attr));
            out.opaque(&target);
        },
        |out| post_op(out, server, failed.as_ref()),
    )
}
