//! What is in files: `READ`, `WRITE`, `COMMIT`.

use brio_session::{Kind, Meta};

use super::attr::{Around, Attr, around, post_op};
use super::{Done, Held, MOST, answer, attr_of, handle, patient};
use crate::server::{Object, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder};

const UNSTABLE: u32 = 0;
const DATA_SYNC: u32 = 1;
const FILE_SYNC: u32 = 2;

fn regular(kind: Kind) -> Result<(), Status> {
    match kind {
        Kind::File => Ok(()),
        Kind::Dir => Err(Status::IsDir),
        _ => Err(Status::Inval),
    }
}

pub(super) fn read(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    let (offset, count) = (d.u64()?, d.u32()?);
    d.end()?;
    let begun = out.len();
    match read_into(server, handle, offset, count, out) {
        Ok(bytes) => {
            server.counts.read(bytes);
            Ok(None)
        }
        Err(status) => {
            out.truncate(begun);
            let attr = attr_of(server, handle).ok();
            answer::<()>(out, Err(status), |_, ()| {}, |out| post_op(out, server, attr.as_ref()))
        }
    }
}

fn read_into(
    server: &Server,
    handle: &[u8],
    offset: u64,
    count: u32,
    out: &mut Encoder,
) -> Result<u64, Status> {
    let object = server.resolve(handle)?;
    if matches!(object, Object::Own(_)) {
        return Err(Status::IsDir);
    }
    let held = Held::new(object, false)?;
    regular(held.node.kind())?;
    let file = held.export.open(&held.lent, (held.id, held.salt), false)?;
    let meta = file.meta()?;
    if meta.nlink == 0 {
        return Err(Status::Stale);
    }
    out.u32(0);
    post_op(out, server, Some(&Attr { id: held.id, meta }));
    let at = out.len();
    out.u32(0);
    out.bool(false);
    // Beyond the end there is nothing to ask for, however far that is. The file may have grown
    // since: a read that is not filled is the end, whatever its size was.
    let most = if offset < meta.size { (count as usize).min(MOST) } else { 0 };
    let most = usize::try_from(meta.size - offset.min(meta.size)).unwrap_or(most).min(most);
    let done = out.fill(most, |to| file.read_at(to, offset))?;
    out.set(at, done as u32);
    out.set(at + 4, u32::from(done < most || offset.saturating_add(done as u64) >= meta.size));
    Ok(done as u64)
}

pub(super) fn write(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    let (offset, count, stable) = (d.u64()?, d.u32()?, d.u32()?);
    let data = d.opaque(MOST)?;
    d.end()?;
    let mut change = Around::default();
    let mut act = || -> Result<u64, Status> {
        if count as usize > data.len() || stable > FILE_SYNC {
            return Err(Status::Inval);
        }
        changing(server, handle, &mut change, |held, before| {
            let file = held.export.open(&held.lent, (held.id, held.salt), true).map_err(patient)?;
            file.write_at(&data[..count as usize], offset).map_err(patient)?;
            // Before what was done is said to be on the disk: this is part of it.
            without_privileges(held, before)?;
            match stable {
                UNSTABLE => Ok(()),
                _ => file.sync(stable == DATA_SYNC).map_err(patient),
            }
        })
    };
    let done = act();
    if done.is_ok() {
        server.counts.written(count.into());
    }
    answer(
        out,
        done,
        |out, losses| {
            around(out, server, &change);
            out.u32(count);
            out.u32(stable);
            out.array(&server.verifier(losses));
        },
        |out| around(out, server, &change),
    )
}

/// All of the file is committed, whatever part was asked for.
pub(super) fn commit(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    let (_offset, _count) = (d.u64()?, d.u32()?);
    d.end()?;
    let mut change = Around::default();
    let done = changing(server, handle, &mut change, |held, _| {
        let file = held.export.open(&held.lent, (held.id, held.salt), true);
        file.and_then(|file| file.sync(false)).map_err(patient)
    });
    answer(
        out,
        done,
        |out, losses| {
            around(out, server, &change);
            out.array(&server.verifier(losses));
        },
        |out| around(out, server, &change),
    )
}

/// Gives what the lender lost until then.
fn changing(
    server: &Server,
    handle: &[u8],
    change: &mut Around,
    act: impl FnOnce(&Held, &Meta) -> Result<(), Status>,
) -> Result<u64, Status> {
    let Object::Node { export, id, salt } = server.resolve(handle)? else {
        return Err(Status::IsDir);
    };
    let lent = export.write().map_err(patient)?;
    let node = export.node_now(&lent, id, salt)?;
    let held = Held { export, lent, node, id, salt };
    let _alone = held.export.file_lock(held.id);
    let before = held.meta()?;
    change.before = Some(before);
    let done = regular(held.node.kind()).and_then(|()| act(&held, &before));
    change.after = held.attr();
    done.map(|()| held.lent.losses)
}

/// Who writes to a file takes away what makes it run as another: as every file system does.
pub(super) fn without_privileges(held: &Held, meta: &Meta) -> Result<(), Status> {
    let group = if meta.mode & 0o010 != 0 { 0o2000 } else { 0 };
    match meta.mode & (0o4000 | group) {
        0 => Ok(()),
        bits => Ok(held.node.set_mode(meta.mode & !bits)?),
    }
}
