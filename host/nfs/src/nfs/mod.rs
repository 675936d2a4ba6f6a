//! NFS version 3 (RFC 1813): from handles to the view's nodes, and back.

mod access;
mod attr;
mod content;
mod list;
mod look;
mod make;
mod set;
mod space;
mod unmake;

use brio_session::{DirHandle, FsError, Lent, Meta, NodeHandle};

use crate::export::Export;
use crate::handles::Told;
use crate::rpc::Unable;
use crate::server::{self, DIRECTORIES, EXPORTS, Object, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder, Garbage};
use attr::{Around, Attr, around, post_op};

pub(crate) const PROGRAM: u32 = 100_003;
pub(crate) const VERSION: u32 = 3;
pub(crate) const NULL: u32 = 0;

/// What one read or write carries at most, in bytes.
pub(crate) const MOST: usize = 1 << 20;
/// A handle has no more bytes, whoever made it.
const LONGEST_HANDLE: usize = 64;
/// Names beyond 255 bytes and targets beyond 4,095 are answered as too long, up to this.
const LONGEST_NAME: usize = 4096;
const LONGEST_TARGET: usize = 16 << 10;

/// The procedures, by number.
pub(crate) const NAMES: [&str; 22] = [
    "null",
    "getattr",
    "setattr",
    "lookup",
    "access",
    "readlink",
    "read",
    "write",
    "create",
    "mkdir",
    "symlink",
    "mknod",
    "remove",
    "rmdir",
    "rename",
    "link",
    "readdir",
    "readdirplus",
    "fsstat",
    "fsinfo",
    "pathconf",
    "commit",
];

/// Whether doing it twice is another thing than doing it once: then a call that comes again, for
/// its answer was lost, is answered as it was.
pub(crate) fn is_repeated(procedure: u32) -> bool {
    // setattr, write, create to link
    matches!(procedure, 2 | 7..=15)
}

/// Whether the last thing that it asks is how much is to be answered.
pub(crate) fn reads(procedure: u32) -> bool {
    // read, readdir, readdirplus
    matches!(procedure, 6 | 16 | 17)
}

/// Carries out a call, and writes the answer. `Some`: it failed.
pub(crate) fn call(
    server: &Server,
    procedure: u32,
    d: &mut Decoder<'_>,
    out: &mut Encoder,
) -> Result<Option<Status>, Unable> {
    let act = match procedure {
        NULL => return Ok(d.end().map(|()| None)?),
        1 => look::getattr,
        2 => set::setattr,
        3 => look::lookup,
        4 => access::access,
        5 => look::readlink,
        6 => content::read,
        7 => content::write,
        8 => make::create,
        9 => make::mkdir,
        10 => make::symlink,
        11 => make::mknod,
        12 => unmake::remove,
        13 => unmake::rmdir,
        14 => unmake::rename,
        15 => make::link,
        16 => list::readdir,
        17 => list::readdirplus,
        18 => space::fsstat,
        19 => space::fsinfo,
        20 => space::pathconf,
        21 => content::commit,
        _ => return Err(Unable::NoProcedure),
    };
    Ok(act(server, d, out)?)
}

type Done = Result<Option<Status>, Garbage>;

/// Writes how it went, and then what belongs to that.
fn answer<T>(
    out: &mut Encoder,
    result: Result<T, Status>,
    good: impl FnOnce(&mut Encoder, T),
    bad: impl FnOnce(&mut Encoder),
) -> Done {
    match result {
        Ok(value) => {
            out.u32(0);
            good(out, value);
            Ok(None)
        }
        Err(status) => {
            out.u32(status as u32);
            bad(out);
            Ok(Some(status))
        }
    }
}

fn handle<'a>(d: &mut Decoder<'a>) -> Result<&'a [u8], Garbage> {
    d.opaque(LONGEST_HANDLE)
}

fn name<'a>(d: &mut Decoder<'a>) -> Result<&'a [u8], Garbage> {
    d.opaque(LONGEST_NAME)
}

/// A directory and a name in it.
fn place<'a>(d: &mut Decoder<'a>) -> Result<(&'a [u8], &'a [u8]), Garbage> {
    Ok((handle(d)?, name(d)?))
}

/// One component, and no path.
fn component(name: &[u8]) -> Result<(), Status> {
    if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
        return Err(Status::Inval);
    }
    if name.len() > 255 { Err(Status::NameTooLong) } else { Ok(()) }
}

fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// A node, while it is used. Dropped in this order: who has the last of an export waits for what it
/// lent.
struct Held {
    node: NodeHandle,
    lent: Lent,
    export: std::sync::Arc<Export>,
    id: u64,
    salt: u64,
}

impl Held {
    fn new(object: Object, write: bool) -> Result<Self, Status> {
        let Object::Node { export, id, salt } = object else { return Err(Status::RoFs) };
        let lent = if write { export.write()? } else { export.read()? };
        let node = export.node_now(&lent, id, salt)?;
        Ok(Self { export, lent, node, id, salt })
    }

    fn write(server: &Server, handle: &[u8]) -> Result<Self, Status> {
        Self::new(server.resolve(handle)?, true)
    }

    /// What has no name left is gone: there are no open files here that would keep it.
    fn meta(&self) -> Result<Meta, Status> {
        let meta = self.node.meta()?;
        if meta.nlink == 0 { Err(Status::Stale) } else { Ok(meta) }
    }

    fn attr(&self) -> Option<Attr> {
        Some(Attr { id: self.id, meta: self.meta().ok()? })
    }

    fn dir(&self) -> Result<DirHandle, Status> {
        self.node.as_dir().ok_or(Status::NotDir)
    }

    /// What a client is told of a name here, where names are held.
    fn tell(&self, name: &[u8]) -> Result<(Told, Attr), Status> {
        let (node, meta) = self.lent.view.node_at(&self.dir()?, name, false)?;
        let told = self.export.tell(&self.lent, (self.id, name), &node, &meta)?;
        Ok((told, Attr { id: told.id, meta }))
    }

    fn handle_of(&self, told: &Told) -> [u8; server::HANDLE] {
        server::handle(self.export.id, told.id, told.salt)
    }
}

/// The attributes of whatever a handle leads to, where it leads to something.
fn attr_of(server: &Server, handle: &[u8]) -> Result<Attr, Status> {
    match server.resolve(handle)? {
        Object::Own(id) => Ok(Attr::own(server, id)),
        object => {
            let held = Held::new(object, false)?;
            Ok(Attr { id: held.id, meta: held.meta()? })
        }
    }
}

/// Changes the names of a directory, and tells how it was before and after.
fn in_directory<T>(
    server: &Server,
    handle: &[u8],
    act: impl FnOnce(&Held, &DirHandle) -> Result<T, Status>,
) -> (Around, Result<T, Status>) {
    let held = match Held::write(server, handle) {
        Ok(held) => held,
        Err(status) => {
            let after = attr_of(server, handle).ok();
            return (Around { before: None, after }, Err(status));
        }
    };
    let _alone = held.export.names();
    let before = held.meta().ok();
    let done = held.dir().and_then(|dir| match held.lent.view.is_read_only() {
        true => Err(Status::RoFs),
        false => act(&held, &dir),
    });
    (Around { before, after: held.attr() }, done)
}

/// The answer to an operation that made something: its handle and attributes, and the directory.
fn made(
    out: &mut Encoder,
    server: &Server,
    dir: &Around,
    done: Result<([u8; server::HANDLE], Attr), Status>,
) -> Done {
    answer(
        out,
        done,
        |out, (handle, attr)| {
            out.bool(true);
            out.opaque(&handle);
            post_op(out, server, Some(&attr));
            around(out, server, dir);
        },
        |out| around(out, server, dir),
    )
}

/// What an own directory shows at a name.
fn own_entry(server: &Server, id: u64, name: &[u8]) -> Result<Object, Status> {
    let name = std::str::from_utf8(name).map_err(|_| Status::NoEnt)?;
    match id {
        _ if name == "." => Ok(Object::Own(id)),
        server::ROOT if name == ".." => Ok(Object::Own(id)),
        EXPORTS if name == ".." => Ok(Object::Own(server::ROOT)),
        _ if name == ".." => Ok(Object::Own(EXPORTS)),
        server::ROOT if name == "exports" => Ok(Object::Own(EXPORTS)),
        server::ROOT => Err(Status::NoEnt),
        EXPORTS => {
            let at = server.exports.directories().iter().position(|d| *d == name);
            at.map(|at| Object::Own(DIRECTORIES + at as u64)).ok_or(Status::NoEnt)
        }
        _ => {
            let export = server.export(server.directory(id).ok_or(Status::Stale)?, name)?;
            let root = export.root;
            Ok(Object::Node { export, id: root.id, salt: root.salt })
        }
    }
}

impl Server {
    /// The directory of exports that a number is of.
    fn directory(&self, id: u64) -> Option<&'static str> {
        self.exports.directories().get(usize::try_from(id.checked_sub(DIRECTORIES)?).ok()?).copied()
    }

    /// What leads to it.
    pub(crate) fn handle_of(&self, object: &Object) -> [u8; server::HANDLE] {
        match object {
            Object::Own(id) => self.own_handle(*id),
            Object::Node { export, id, salt } => server::handle(export.id, *id, *salt),
        }
    }

    /// What is at a name of something. Whatever is known of what it was found in is known to
    /// whoever asks.
    pub(crate) fn look_up(&self, object: Object, name: &[u8]) -> Result<(Object, Attr), Status> {
        component(name)?;
        let found = match object {
            Object::Own(id) => own_entry(self, id, name)?,
            object => return self.look_up_node(object, name),
        };
        let attr = match &found {
            Object::Own(id) => Attr::own(self, *id),
            Object::Node { export, id, salt } => {
                let lent = export.read()?;
                Attr { id: *id, meta: export.node(&lent, *id, *salt)?.meta()? }
            }
        };
        Ok((found, attr))
    }

    fn look_up_node(&self, object: Object, name: &[u8]) -> Result<(Object, Attr), Status> {
        let held = Held::new(object, false)?;
        let dir = held.dir()?;
        if name == b"." {
            let attr = Attr { id: held.id, meta: held.meta()? };
            return Ok((Object::Node { export: held.export, id: held.id, salt: held.salt }, attr));
        }
        if name == b".." {
            return self.parent(held);
        }
        let found = {
            let _names = held.export.look();
            held.tell(name)
        };
        match found {
            Ok((told, attr)) => {
                let object = Object::Node { export: held.export, id: told.id, salt: told.salt };
                Ok((object, attr))
            }
            Err(Status::NoEnt) if name == b"@" && held.id == held.export.root.id => {
                drop((dir, held.lent));
                let (directory, of) = held.export.name.split_once('/').ok_or(Status::NoEnt)?;
                // What it stands on stands on nothing that has a name here.
                if of.ends_with("/@") {
                    return Err(Status::NoEnt);
                }
                self.root_of(self.base(directory, of)?)
            }
            Err(status) => Err(status),
        }
    }

    fn root_of(&self, export: std::sync::Arc<Export>) -> Result<(Object, Attr), Status> {
        let root = export.root;
        let meta = {
            let lent = export.read()?;
            export.node(&lent, root.id, root.salt)?.meta()?
        };
        Ok((Object::Node { export, id: root.id, salt: root.salt }, Attr { id: root.id, meta }))
    }

    fn parent(&self, held: Held) -> Result<(Object, Attr), Status> {
        let export = held.export.clone();
        if held.id != export.root.id {
            let told = export.told(export.parent(held.id)?)?;
            let meta = export.node_now(&held.lent, told.id, told.salt)?.meta()?;
            let attr = Attr { id: told.id, meta };
            return Ok((Object::Node { export, id: told.id, salt: told.salt }, attr));
        }
        drop(held);
        let (directory, of) = export.name.split_once('/').ok_or(Status::NoEnt)?;
        if let Some(of) = of.strip_suffix("/@") {
            return self.root_of(self.export(directory, of)?);
        }
        let at = self.exports.directories().iter().position(|d| *d == directory);
        let id = at.map_or(EXPORTS, |at| DIRECTORIES + at as u64);
        Ok((Object::Own(id), Attr::own(self, id)))
    }
}

/// A busy session has a client keep what it holds, and ask again.
fn patient(e: FsError) -> Status {
    Status::keep_trying(e)
}
