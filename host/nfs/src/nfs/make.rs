//! Making: `CREATE`, `MKDIR`, `SYMLINK`, `MKNOD`, `LINK`.

use brio_session::{
    DirHandle, FsError, Handle, Kind, NEW_DIR_MODE, NEW_FILE_MODE, OpenOptions, SetTime, Time,
};

use super::attr::{Attr, Set, around, post_op};
use super::set::apply;
use super::{
    Done, Held, LONGEST_TARGET, answer, attr_of, component, handle, in_directory, is_dots, made,
    place,
};
use crate::server::{self, Object, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder, Garbage};

/// How a file is made.
enum How {
    Unchecked(Set),
    Guarded(Set),
    /// With what tells this call from every other.
    Exclusive([u8; 8]),
}

impl How {
    fn read(d: &mut Decoder<'_>) -> Result<Self, Garbage> {
        match d.u32()? {
            0 => Set::read(d).map(Self::Unchecked),
            1 => Set::read(d).map(Self::Guarded),
            2 => d.array().map(Self::Exclusive),
            _ => Err(Garbage),
        }
    }
}

fn new_name(name: &[u8]) -> Result<(), Status> {
    component(name)?;
    if is_dots(name) { Err(Status::Exist) } else { Ok(()) }
}

type Made = ([u8; server::HANDLE], Attr);

/// What was just made, as it is told; what is still to be set of it is set.
fn told(held: &Held, name: &[u8], set: Option<&Set>) -> Result<Made, Status> {
    let (told, attr) = held.tell(name)?;
    let handle = held.handle_of(&told);
    let Some(set) = set else { return Ok((handle, attr)) };
    let node = held.export.node(&held.lent, told.id, told.salt)?;
    let made = Held {
        export: held.export.clone(),
        lent: brio_session::Lent::new(held.lent.view.clone(), held.lent.epoch),
        node,
        id: told.id,
        salt: told.salt,
    };
    // Whoever holds a file waits for no names.
    let _alone = made.export.file_lock(made.id);
    apply(&made, set)?;
    Ok((handle, Attr { id: told.id, meta: made.meta()? }))
}

pub(super) fn create(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let (dir, name) = place(d)?;
    let how = How::read(d)?;
    d.end()?;
    let (dir, done) = in_directory(server, dir, |held, dir| {
        new_name(name)?;
        create_in(held, dir, name, &how)
    });
    made(out, server, &dir, done)
}

fn create_in(held: &Held, dir: &DirHandle, name: &[u8], how: &How) -> Result<Made, Status> {
    let open = |exclusive, mode: Option<u32>| {
        let mode = Some(mode.unwrap_or(NEW_FILE_MODE));
        let how = OpenOptions { create: true, exclusive, mode, ..OpenOptions::default() };
        match held.lent.view.open_at(dir, name, &how) {
            Ok(Handle::File(_)) => Ok(()),
            Ok(Handle::Dir(_)) => Err(Status::Exist),
            // There is something, and it is no file.
            Err(FsError::IsDirectory | FsError::Loop | FsError::NotSupported) => Err(Status::Exist),
            Err(e) => Err(e.into()),
        }
    };
    // Who owns it is not to be chosen, and its mode it has from the start.
    let rest = |set: &Set| Set { mode: None, uid: None, gid: None, ..*set };
    match how {
        How::Unchecked(set) => {
            set_times_check(set)?;
            let was_there = held.lent.view.stat_at(dir, name, false).is_ok();
            open(false, set.mode)?;
            // Of a file that was there only its length is changed.
            let set = match was_there {
                true => Set { atime: SetTime::Keep, mtime: SetTime::Keep, ..rest(set) },
                false => rest(set),
            };
            told(held, name, Some(&set))
        }
        How::Guarded(set) => {
            set_times_check(set)?;
            open(true, set.mode)?;
            told(held, name, Some(&rest(set)))
        }
        How::Exclusive(verifier) => exclusive(held, dir, name, verifier, || open(true, None)),
    }
}

fn set_times_check(set: &Set) -> Result<(), Status> {
    let odd = |t| matches!(t, SetTime::At(Time { nanos: 1_000_000_000.., .. }));
    if odd(set.atime) || odd(set.mtime) { Err(Status::Inval) } else { Ok(()) }
}

/// The verifier is kept where every server keeps it, in the times, which a client sets after that;
/// until it is there, in the table of handles. Whoever asks again, since the answer was lost or the
/// server killed, is recognised by it.
fn exclusive(
    held: &Held,
    dir: &DirHandle,
    name: &[u8],
    verifier: &[u8; 8],
    open: impl FnOnce() -> Result<(), Status>,
) -> Result<Made, Status> {
    let half = |at: usize| {
        let bytes = [verifier[at], verifier[at + 1], verifier[at + 2], verifier[at + 3]];
        Time { secs: (u32::from_be_bytes(bytes) & 0x7fff_ffff).into(), nanos: 0 }
    };
    let (atime, mtime) = (half(0), half(4));
    let (view, place) = (&held.lent.view, (held.id, name));
    let shown = || view.set_times_at(dir, name, false, SetTime::At(atime), SetTime::At(mtime));
    match view.stat_at(dir, name, false) {
        Err(FsError::NotFound) => held.export.make_exclusively(place, verifier, || {
            open()?;
            Ok::<_, Status>(shown()?)
        })?,
        Ok(found) => {
            let is_empty = found.kind == Kind::File && found.size == 0;
            if is_empty && held.export.was_made_exclusively(place, verifier)? {
                shown()?;
            } else if !is_empty || (found.atime, found.mtime) != (atime, mtime) {
                return Err(Status::Exist);
            }
        }
        Err(e) => return Err(e.into()),
    }
    told(held, name, None)
}

pub(super) fn mkdir(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let (dir, name) = place(d)?;
    let set = Set::read(d)?;
    d.end()?;
    let (dir, done) = in_directory(server, dir, |held, dir| {
        new_name(name)?;
        set_times_check(&set)?;
        held.lent.view.make_dir_at(dir, name, set.mode.unwrap_or(NEW_DIR_MODE))?;
        let rest = Set { mode: None, uid: None, gid: None, size: None, ..set };
        told(held, name, Some(&rest))
    });
    made(out, server, &dir, done)
}

pub(super) fn symlink(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let (dir, name) = place(d)?;
    let _attributes = Set::read(d)?;
    let target = d.opaque(LONGEST_TARGET)?;
    d.end()?;
    let (dir, done) = in_directory(server, dir, |held, dir| {
        new_name(name)?;
        if target.len() > 4095 {
            return Err(Status::NameTooLong);
        }
        held.lent.view.import_symlink_at(target, dir, name)?;
        told(held, name, None)
    });
    made(out, server, &dir, done)
}

/// Devices there are none, and FIFOs and sockets have no sense where several machines see them.
/// `NOTSUPP` would be the word, for which kernels have no errno that programs know.
pub(super) fn mknod(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let (dir, name) = place(d)?;
    let kind = d.u32()?;
    // Block and character devices, sockets, FIFOs.
    if matches!(kind, 3 | 4 | 6 | 7) {
        Set::read(d)?;
    }
    if matches!(kind, 3 | 4) {
        d.u64()?;
    }
    d.end()?;
    let (dir, done) = in_directory(server, dir, |_, _| {
        new_name(name)?;
        match kind {
            3 | 4 | 6 | 7 => Err(Status::Perm),
            _ => Err(Status::BadType),
        }
    });
    made(out, server, &dir, done)
}

pub(super) fn link(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let file = handle(d)?;
    let (to, name) = place(d)?;
    d.end()?;
    let (dir, done) = in_directory(server, to, |held, dir| {
        new_name(name)?;
        let Object::Node { export, id, salt } = server.resolve(file)? else {
            return Err(Status::Inval);
        };
        if export.id != held.export.id {
            return Err(Status::XDev);
        }
        export.node(&held.lent, id, salt)?.link(dir, name)?;
        Ok(export.linked(held.id, name, id)?)
    });
    let attr = attr_of(server, file).ok();
    let tail = |out: &mut Encoder| {
        post_op(out, server, attr.as_ref());
        around(out, server, &dir);
    };
    answer(out, done, |out, ()| tail(out), |out| tail(out))
}
