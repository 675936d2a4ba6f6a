//! Taking names away: `REMOVE`, `RMDIR`, `RENAME`.

use brio_session::{DirHandle, NodeHandle};

use super::attr::{Around, Attr, around};
use super::{Done, Held, answer, attr_of, component, in_directory, is_dots, place};
use crate::server::{Object, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder};

fn is_name(name: &[u8]) -> Result<(), Status> {
    component(name)?;
    if is_dots(name) { Err(Status::Inval) } else { Ok(()) }
}

/// What the base holds at a name that is about to go is read before its directory is locked: a
/// large file takes its time. What is wrong is said by what follows.
fn observed(server: &Server, dir: &[u8], name: &[u8]) {
    let Ok(held) = Held::write(server, dir) else { return };
    if let (Ok(dir), Ok(())) = (held.dir(), is_name(name)) {
        let _ = held.lent.view.observe_at(&dir, name);
    }
}

pub(super) fn remove(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    taken(server, d, out, false)
}

pub(super) fn rmdir(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    taken(server, d, out, true)
}

fn taken(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder, is_dir: bool) -> Done {
    let (dir, name) = place(d)?;
    d.end()?;
    if !is_dir {
        observed(server, dir, name);
    }
    let (dir, done) = in_directory(server, dir, |held, dir| {
        if is_dir && name == b".." {
            return Err(Status::NotEmpty);
        }
        is_name(name)?;
        let view = &held.lent.view;
        let others = held.export.with_others(&held.lent, dir, name);
        if is_dir { view.rmdir_at(dir, name) } else { view.unlink_at(dir, name) }?;
        Ok(held.export.removed(&held.lent, (held.id, name), others)?)
    });
    let tail = |out: &mut Encoder| around(out, server, &dir);
    answer(out, done, |out, ()| tail(out), |out| tail(out))
}

pub(super) fn rename(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let (from, old) = place(d)?;
    let (to, new) = place(d)?;
    d.end()?;
    observed(server, to, new);
    let mut target = Around::default();
    let (source, done) = in_directory(server, from, |held, dir| {
        is_name(old)?;
        is_name(new)?;
        let Object::Node { export, id, salt } = server.resolve(to)? else {
            return Err(Status::RoFs);
        };
        if export.id != held.export.id {
            return Err(Status::XDev);
        }
        let node = export.node(&held.lent, id, salt)?;
        let meta = || node.meta().ok().filter(|meta| meta.nlink > 0);
        target.before = meta();
        let done = moved(held, (dir, old), (&node, id, new));
        // While nobody else changes it.
        target.after = meta().map(|meta| Attr { id, meta });
        done
    });
    if target.before.is_none() {
        target.after = attr_of(server, to).ok();
    }
    let tail = |out: &mut Encoder| {
        around(out, server, &source);
        around(out, server, &target);
    };
    answer(out, done, |out, ()| tail(out), |out| tail(out))
}

fn moved(
    held: &Held,
    (dir, old): (&DirHandle, &[u8]),
    (to, id, new): (&NodeHandle, u64, &[u8]),
) -> Result<(), Status> {
    let to = to.as_dir().ok_or(Status::NotDir)?;
    let view = &held.lent.view;
    let same = |at, name: &[u8]| view.node_at(at, name, false).map(|(node, _)| node);
    let act = || view.rename_at(dir, old, &to, new);
    // Two names of one file: nothing happens, and both stay.
    if let (Ok(a), Ok(b)) = (same(dir, old), same(&to, new))
        && a == b
    {
        return Ok(act()?);
    }
    let others = held.export.with_others(&held.lent, &to, new);
    Ok(held.export.rename(&held.lent, (held.id, old), (id, new), others, act)?)
}
