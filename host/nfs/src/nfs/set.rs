//! `SETATTR`.

use brio_session::{Kind, OpenOptions, SetTime};

use super::attr::{Around, Set, around, read_time};
use super::content::without_privileges;
use super::{Done, Held, answer, handle, patient};
use crate::server::{Object, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder};

pub(super) fn setattr(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    let set = Set::read(d)?;
    let guard = d.option(read_time)?;
    d.end()?;
    let mut change = Around::default();
    let mut act = || -> Result<(), Status> {
        set.check(&server.options)?;
        let Object::Node { export, id, salt } = server.resolve(handle)? else {
            return Err(Status::RoFs);
        };
        // A new size comes from a file that a client has open already.
        let busy = if set.size.is_some() { patient } else { Status::from };
        let lent = export.write().map_err(busy)?;
        let node = export.node_now(&lent, id, salt)?;
        let held = Held { export, lent, node, id, salt };
        let _alone = held.export.file_lock(held.id);
        let before = held.meta()?;
        change.before = Some(before);
        if guard.is_some_and(|then| then != before.ctime) {
            change.after = held.attr();
            return Err(Status::NotSync);
        }
        let done = apply(&held, &set);
        change.after = held.attr();
        done
    };
    let done = act();
    answer(out, done, |out, ()| around(out, server, &change), |out| around(out, server, &change))
}

/// Sets what is to be set, of something that is there.
pub(super) fn apply(held: &Held, set: &Set) -> Result<(), Status> {
    let node = &held.node;
    if let Some(size) = set.size {
        match node.kind() {
            Kind::File => {}
            Kind::Dir => return Err(Status::IsDir),
            _ => return Err(Status::Inval),
        }
        let how = OpenOptions { write: true, owner: true, ..OpenOptions::default() };
        let before = node.meta()?;
        node.open(&how)?.set_len(size)?;
        without_privileges(held, &before)?;
    }
    if let Some(mode) = set.mode {
        // A link has none, wherever it is asked for.
        if node.kind() != Kind::Symlink {
            node.set_mode(mode)?;
        }
    }
    if (set.atime, set.mtime) != (SetTime::Keep, SetTime::Keep) {
        node.set_times(set.atime, set.mtime)?;
    }
    Ok(())
}
