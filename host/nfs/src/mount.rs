//! MOUNT version 3 (RFC 1813, appendix I): from a path to the handle that a client begins with.
//!
//! Nothing is remembered of who mounted what: a client that crashed never says that it is gone.

use brio_session::Kind;

use crate::rpc::{AUTH_UNIX, Unable};
use crate::server::{Object, ROOT, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder};

pub(crate) const PROGRAM: u32 = 100_005;
pub(crate) const VERSION: u32 = 3;
const NULL: u32 = 0;
pub(crate) const MNT: u32 = 1;
const DUMP: u32 = 2;
const UMNT: u32 = 3;
const UMNTALL: u32 = 4;
const EXPORT: u32 = 5;

const LONGEST_PATH: usize = 1024;
/// Exports that are told; a client that knows a name needs no list.
const MANY: usize = 10_000;

pub(crate) fn call(
    server: &Server,
    procedure: u32,
    d: &mut Decoder<'_>,
    out: &mut Encoder,
) -> Result<(), Unable> {
    match procedure {
        NULL | UMNTALL => d.end()?,
        MNT => {
            let path = d.opaque(LONGEST_PATH)?;
            d.end()?;
            mnt(server, path, out);
        }
        DUMP => {
            d.end()?;
            out.bool(false);
        }
        UMNT => {
            d.opaque(LONGEST_PATH)?;
            d.end()?;
        }
        EXPORT => {
            d.end()?;
            exports(server, out);
        }
        _ => return Err(Unable::NoProcedure),
    }
    Ok(())
}

fn mnt(server: &Server, path: &[u8], out: &mut Encoder) {
    match directory(server, path) {
        Ok(object) => {
            out.u32(0);
            out.opaque(&server.handle_of(&object));
            out.u32(1);
            out.u32(AUTH_UNIX);
        }
        Err(status) => {
            tracing::debug!(path = %path.escape_ascii(), ?status, "not mounted");
            // What mountstat3 has has the same numbers.
            out.u32(match status {
                Status::Perm | Status::NoEnt | Status::Io | Status::Acces => status as u32,
                Status::NotDir | Status::Inval | Status::NameTooLong => status as u32,
                Status::Stale => Status::NoEnt as u32,
                _ => Status::Io as u32,
            });
        }
    }
}

/// Any directory can be mounted. Links are not followed: a client follows those that it sees.
fn directory(server: &Server, path: &[u8]) -> Result<Object, Status> {
    let mut at = Object::Own(ROOT);
    for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty() && *name != b".") {
        let (found, attr) = server.look_up(at, name)?;
        if attr.meta.kind != Kind::Dir {
            return Err(Status::NotDir);
        }
        at = found;
    }
    Ok(at)
}

fn exports(server: &Server, out: &mut Encoder) {
    let directories = server.exports.directories().iter();
    let below = directories.flat_map(|directory| {
        let names = server.exports.list(directory).into_iter();
        names.map(move |name| format!("/exports/{directory}/{name}"))
    });
    for path in std::iter::once("/exports".to_owned()).chain(below).take(MANY) {
        out.bool(true);
        out.opaque(path.as_bytes());
        // No groups: whoever may connect.
        out.bool(false);
    }
    out.bool(false);
}
