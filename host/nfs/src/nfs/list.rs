//! Directories, listed in parts: `READDIR`, `READDIRPLUS`.
//!
//! A cookie follows from a name alone ([`Listings`](brio_session::Listings)), so it means the same
//! whatever happened to the directory or the server since: there is no cookie verifier.

use std::sync::Arc;

use brio_session::{DirEntry, FsError, Kind, Listed};

use super::attr::{ATTR, Attr, POST_HANDLE, post_op};
use super::{Done, Held, MOST, answer, attr_of, handle};
use crate::handles::Told;
use crate::server::{EXPORTS, Object, ROOT, Server};
use crate::status::Status;
use crate::xdr::{Decoder, Encoder};

/// What stands before and behind the entries: status, attributes, verifier, the two ends.
const AROUND: usize = 4 + ATTR + 8 + 4 + 4;
/// Entries in one answer.
const MANY: usize = 4096;

pub(super) fn readdir(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    let (cookie, _verifier) = (d.u64()?, d.u64()?);
    let most = d.u32()? as usize;
    d.end()?;
    let asked = Asked { cookie, names: usize::MAX, most, plus: false };
    listed(server, handle, &asked, out)
}

pub(super) fn readdirplus(server: &Server, d: &mut Decoder<'_>, out: &mut Encoder) -> Done {
    let handle = handle(d)?;
    let (cookie, _verifier) = (d.u64()?, d.u64()?);
    let (names, most) = (d.u32()? as usize, d.u32()? as usize);
    d.end()?;
    listed(server, handle, &Asked { cookie, names, most, plus: true }, out)
}

struct Asked {
    cookie: u64,
    /// Bytes of names and cookies.
    names: usize,
    /// Bytes of the answer.
    most: usize,
    /// With attributes and handles.
    plus: bool,
}

/// Entries that an answer has room for.
struct Part {
    entries: Arc<Vec<Listed>>,
    from: usize,
    to: usize,
}

impl Part {
    fn of(entries: Arc<Vec<Listed>>, from: usize, asked: &Asked) -> Result<Self, Status> {
        let most = asked.most.min(MOST);
        let (mut names, mut all, mut to) = (0, AROUND, from);
        for listed in entries[from..].iter().take(MANY) {
            let plain = 4 + 8 + 4 + listed.entry.name.len().next_multiple_of(4) + 8;
            names += plain;
            all += plain + if asked.plus { ATTR + POST_HANDLE } else { 0 };
            if all > most || (to > from && names > asked.names) {
                break;
            }
            to += 1;
        }
        if to == from && from < entries.len() {
            return Err(Status::TooSmall);
        }
        Ok(Self { entries, from, to })
    }

    fn entries(&self) -> &[Listed] {
        &self.entries[self.from..self.to]
    }

    fn is_last(&self) -> bool {
        self.to == self.entries.len()
    }
}

/// What is told of an entry beside its name.
struct Entry {
    id: u64,
    more: Option<(Told, Attr)>,
}

fn listed(server: &Server, handle: &[u8], asked: &Asked, out: &mut Encoder) -> Done {
    let begun = out.len();
    let written = match server.resolve(handle) {
        Ok(Object::Own(id)) => own(server, id, asked, out),
        Ok(object) => node(server, object, asked, out),
        Err(status) => Err(status),
    };
    match written {
        Ok(()) => Ok(None),
        Err(status) => {
            out.truncate(begun);
            let attr = attr_of(server, handle).ok();
            answer::<()>(out, Err(status), |_, ()| {}, |out| post_op(out, server, attr.as_ref()))
        }
    }
}

fn head(out: &mut Encoder, server: &Server, dir: &Attr) {
    out.u32(0);
    post_op(out, server, Some(dir));
    out.u64(0);
}

fn tail(out: &mut Encoder, is_last: bool) {
    out.bool(false);
    out.bool(is_last);
}

fn entry(out: &mut Encoder, listed: &Listed, id: u64) {
    out.bool(true);
    out.u64(id);
    out.opaque(&listed.entry.name);
    out.u64(listed.cookie);
}

fn dot(name: &[u8], ino: u64) -> DirEntry {
    DirEntry { name: name.into(), kind: Kind::Dir, ino }
}

/// One of the server's own directories.
fn own(server: &Server, id: u64, asked: &Asked, out: &mut Encoder) -> Result<(), Status> {
    let (entries, from) = server.listings.behind(id, asked.cookie, || {
        let names: Vec<String> = match id {
            ROOT => vec!["exports".to_owned()],
            EXPORTS => server.exports.directories().iter().map(|d| (*d).to_owned()).collect(),
            _ => server.directory(id).map(|d| server.exports.list(d)).unwrap_or_default(),
        };
        let up = if id > EXPORTS { EXPORTS } else { ROOT };
        let entries =
            names.into_iter().map(|name| DirEntry { name: name.into(), kind: Kind::Dir, ino: 0 });
        Ok(([dot(b".", id), dot(b"..", up)], entries.collect()))
    })?;
    let part = Part::of(entries, from, asked)?;
    head(out, server, &Attr::own(server, id));
    for listed in part.entries() {
        // A cookie is as good a number as any for what has none before it is opened.
        let ino = if listed.entry.ino == 0 { listed.cookie } else { listed.entry.ino };
        entry(out, listed, ino);
        if asked.plus {
            post_op(out, server, None);
            out.bool(false);
        }
    }
    tail(out, part.is_last());
    if part.is_last() {
        server.listings.ended(id, &part.entries);
    }
    Ok(())
}

fn node(server: &Server, object: Object, asked: &Asked, out: &mut Encoder) -> Result<(), Status> {
    let held = Held::new(object, false)?;
    let dir = held.dir()?;
    let (entries, from) = held.export.listings.behind(held.id, asked.cookie, || {
        let up =
            if held.id == held.export.root.id { held.id } else { held.export.parent(held.id)? };
        Ok(([dot(b".", held.id), dot(b"..", up)], dir.list()?))
    })?;
    let _names = held.export.look();
    let mut part = Part::of(entries, from, asked)?;
    let mut told = tell(&held, &part, asked.plus)?;
    // A client that is told nothing, and not that this is all, asks the same again for ever.
    while told.iter().all(Option::is_none) && !part.is_last() {
        part = Part::of(part.entries.clone(), part.to, asked)?;
        told = tell(&held, &part, asked.plus)?;
    }
    head(out, server, &Attr { id: held.id, meta: held.meta()? });
    for (listed, told) in part.entries().iter().zip(told) {
        let Some(told) = told else { continue };
        entry(out, listed, told.id);
        if asked.plus {
            post_op(out, server, told.more.as_ref().map(|(_, attr)| attr));
            out.bool(told.more.is_some());
            if let Some((told, _)) = &told.more {
                out.opaque(&held.handle_of(told));
            }
        }
    }
    tail(out, part.is_last());
    if part.is_last() {
        held.export.listings.ended(held.id, &part.entries);
    }
    Ok(())
}

/// What is told of a part's entries. `None`: it is gone since the listing was taken.
fn tell(held: &Held, part: &Part, plus: bool) -> Result<Vec<Option<Entry>>, Status> {
    let is_dot = |listed: &&Listed| listed.cookie <= brio_session::Listings::DOTS;
    let dots = part.entries().iter().take_while(is_dot);
    let mut all: Vec<_> =
        dots.map(|listed| Some(Entry { id: listed.entry.ino, more: None })).collect();
    let names: Vec<&DirEntry> = part.entries()[all.len()..].iter().map(|l| &l.entry).collect();
    let fresh = held.export.tell_names(held.id, &names)?;
    // Where reads are recorded, a listing must not count as having seen what is listed.
    let plus = plus && !held.lent.view.tracks_reads();
    let dir = held.dir()?;
    for (e, told) in names.into_iter().zip(fresh) {
        let look = || held.lent.view.node_at(&dir, &e.name, false);
        let found = match told {
            Some(told) if !plus => Ok(Entry { id: told.id, more: None }),
            // Several names may be one file's, and what was listed may be something else by now.
            None if !plus => held.lent.view.unnoted(look).and_then(|(node, meta)| {
                let told = held.export.tell(&held.lent, (held.id, &e.name), &node, &meta)?;
                Ok(Entry { id: told.id, more: None })
            }),
            _ => look().and_then(|(node, meta)| {
                let told = held.export.tell(&held.lent, (held.id, &e.name), &node, &meta)?;
                let attr = Attr { id: told.id, meta };
                Ok(Entry { id: told.id, more: Some((told, attr)) })
            }),
        };
        all.push(match found {
            Ok(entry) => Some(entry),
            Err(FsError::NotFound) => None,
            Err(e) => return Err(e.into()),
        });
    }
    Ok(all)
}
