//! What a kernel's client makes of NFS: paths, links, open files.

use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;

use crate::common::{Answer, Client, Fh};
use crate::model::ops::{How, Op, SLOTS};
use crate::model::{Class, Entry, Kind, Outcome, Stat, Subject, Tree, Value, show};

/// How many links are followed on the way.
const LINKS: u32 = 40;

pub(crate) struct Kernel {
    client: Client,
    root: Fh,
    slots: [Option<(Fh, How)>; SLOTS],
}

/// Where a path leads.
struct Place {
    dir: Fh,
    /// Empty: the path ended in `.` or `..`, or is the root.
    name: Vec<u8>,
    at: Option<(Fh, fattr3)>,
    /// The path ended in a slash.
    slash: bool,
}

/// What becomes of a link in the last component.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Follow,
    Keep,
    /// As `Keep`, and a slash after it changes nothing about that.
    Name,
}

fn class(status: nfsstat3) -> Class {
    match status {
        NFS3ERR_NOENT => Class::NotFound,
        NFS3ERR_EXIST => Class::Exists,
        NFS3ERR_NOTDIR => Class::NotDirectory,
        NFS3ERR_ISDIR => Class::IsDirectory,
        NFS3ERR_NOTEMPTY => Class::NotEmpty,
        NFS3ERR_PERM => Class::NotPermitted,
        NFS3ERR_INVAL => Class::Invalid,
        NFS3ERR_NAMETOOLONG => Class::NameTooLong,
        NFS3ERR_ACCES => Class::Access,
        NFS3ERR_ROFS => Class::ReadOnly,
        other => Class::Other(other as i32),
    }
}

fn kind(attr: &fattr3) -> Kind {
    match attr.type_ {
        ftype3::NF3DIR => Kind::Dir,
        ftype3::NF3LNK => Kind::Symlink,
        _ => Kind::File,
    }
}

fn stat(attr: &fattr3) -> Stat {
    let kind = kind(attr);
    let (size, nlink) = if kind == Kind::Dir { (0, 0) } else { (attr.size, attr.nlink.into()) };
    let (secs, nanos) = (attr.mtime.seconds.into(), attr.mtime.nseconds);
    Stat { kind, size, nlink, mtime: Some(brio_session::Time { secs, nanos }) }
}

fn done(answer: Answer<()>) -> Outcome {
    answer.map(|()| Value::Done).map_err(class)
}

impl Kernel {
    pub(crate) fn new(client: Client, root: Fh) -> Self {
        Self { client, root, slots: Default::default() }
    }

    /// Goes on at another server with all that it holds.
    pub(crate) fn reconnect(&mut self, client: Client) {
        self.client = client;
    }

    fn resolve(&mut self, path: &[u8], last: Last) -> Result<Place, Class> {
        let (root, mut links) = (self.root.clone(), 0);
        self.resolve_in(root, path, last, &mut links)
    }

    fn resolve_in(
        &mut self,
        start: Fh,
        path: &[u8],
        last: Last,
        links: &mut u32,
    ) -> Result<Place, Class> {
        match path.first() {
            None => return Err(Class::NotFound),
            Some(b'/') => return Err(Class::NotPermitted),
            _ => {}
        }
        let slash = path.ends_with(b"/");
        let names: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|n| !n.is_empty()).collect();
        let mut dir = start;
        for (i, name) in names.iter().enumerate() {
            let is_last = i + 1 == names.len();
            if **name == *b".." && dir == self.root {
                return Err(Class::NotPermitted);
            }
            let found = match self.client.lookup(&dir, name) {
                Ok(found) => found,
                Err(NFS3ERR_NOENT) if is_last => {
                    return Ok(Place { dir, name: name.to_vec(), at: None, slash });
                }
                Err(e) => return Err(class(e)),
            };
            if matches!(*name, b"." | b"..") {
                dir = found.0.clone();
                if is_last {
                    return Ok(Place { dir, name: Vec::new(), at: Some(found), slash });
                }
                continue;
            }
            let follows = !is_last || last == Last::Follow || (slash && last == Last::Keep);
            if kind(&found.1) == Kind::Symlink && follows {
                *links += 1;
                if *links > LINKS {
                    return Err(Class::Loop);
                }
                let target = self.client.readlink(&found.0).map_err(class)?;
                let inner = if is_last && last == Last::Name { last } else { Last::Follow };
                let mut place = self.resolve_in(dir, &target, inner, links)?;
                if is_last {
                    place.slash |= slash;
                    return tidy(place);
                }
                let (at, attr) = place.at.ok_or(Class::NotFound)?;
                if kind(&attr) != Kind::Dir {
                    return Err(Class::NotDirectory);
                }
                dir = at;
                continue;
            }
            if is_last {
                let place = Place { dir, name: name.to_vec(), at: Some(found), slash };
                return if last == Last::Name { Ok(place) } else { tidy(place) };
            }
            if kind(&found.1) != Kind::Dir {
                return Err(Class::NotDirectory);
            }
            dir = found.0;
        }
        let attr = self.client.getattr(&dir).map_err(class)?;
        Ok(Place { dir: dir.clone(), name: Vec::new(), at: Some((dir, attr)), slash })
    }

    fn found(&mut self, path: &[u8], last: Last) -> Result<(Fh, fattr3), Class> {
        self.resolve(path, last)?.at.ok_or(Class::NotFound)
    }

    fn free(&mut self, path: &[u8]) -> Result<Place, Class> {
        let place = self.resolve(path, Last::Name)?;
        if place.at.is_some() { Err(Class::Exists) } else { Ok(place) }
    }

    fn open(&mut self, path: &[u8], how: How) -> Result<Option<Fh>, Class> {
        let last = if how.follow && !how.exclusive { Last::Follow } else { Last::Keep };
        let place = self.resolve(path, last)?;
        let (file, attr) = match place.at {
            Some(_) if how.exclusive => return Err(Class::Exists),
            Some(found) => found,
            None if !how.create => return Err(Class::NotFound),
            None if place.slash => return Err(Class::IsDirectory),
            None => {
                let new = sattr3::default();
                let how = match how.exclusive {
                    true => createhow3::GUARDED(new),
                    false => createhow3::UNCHECKED(new),
                };
                self.client.create(&place.dir, &place.name, how).map_err(class)?
            }
        };
        match kind(&attr) {
            Kind::Dir if how.write || how.truncate || how.create => Err(Class::IsDirectory),
            Kind::Dir => Ok(None),
            Kind::Symlink => Err(Class::Loop),
            Kind::File => {
                if how.truncate {
                    self.set_len(&file, 0)?;
                }
                Ok(Some(file))
            }
        }
    }

    fn open_file(&mut self, path: &[u8], write: bool) -> Result<Fh, Class> {
        let how = How { read: !write, write, follow: true, ..How::default() };
        self.open(path, how)?.ok_or(Class::IsDirectory)
    }

    fn slot(&self, slot: usize, may: fn(&How) -> bool) -> Result<Fh, Class> {
        let open = self.slots[slot].as_ref().filter(|(_, how)| may(how));
        open.map(|(file, _)| file.clone()).ok_or(Class::BadDescriptor)
    }

    fn write(&mut self, file: &Fh, at: u64, data: &[u8]) -> Outcome {
        // A kernel sends nothing for nothing.
        if !data.is_empty() {
            self.client.write(file, at, data, stable_how::UNSTABLE).map_err(class)?;
        }
        Ok(Value::Len(data.len()))
    }

    fn append(&mut self, file: &Fh, data: &[u8]) -> Outcome {
        let end = self.client.getattr(file).map_err(class)?.size;
        self.write(file, end, data)
    }

    fn set(&mut self, file: &Fh, set: sattr3) -> Outcome {
        done(self.client.setattr(file, set).map(drop))
    }

    fn set_len(&mut self, file: &Fh, len: u64) -> Outcome {
        self.set(file, sattr3 { size: Nfs3Option::Some(len), ..sattr3::default() })
    }

    fn set_mtime(&mut self, file: &Fh, mtime: brio_session::Time) -> Outcome {
        let time = nfstime3 { seconds: mtime.secs as u32, nseconds: mtime.nanos };
        let mtime = set_mtime::SET_TO_CLIENT_TIME(time);
        self.set(file, sattr3 { mtime, ..sattr3::default() })
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Outcome {
        let old = self.resolve(from, Last::Name)?;
        let new = self.resolve(to, Last::Name)?;
        let (_, attr) = old.at.ok_or(Class::NotFound)?;
        if old.name.is_empty() || new.name.is_empty() {
            return Err(Class::Invalid);
        }
        if kind(&attr) != Kind::Dir && (old.slash || new.slash) {
            return Err(Class::NotDirectory);
        }
        done(self.client.rename((&old.dir, &old.name), (&new.dir, &new.name)))
    }

    fn run(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Open { slot, path, how } => {
                self.slots[*slot] = None;
                let Some(file) = self.open(path, *how)? else { return Ok(Value::Dir) };
                self.slots[*slot] = Some((file, *how));
                Ok(Value::Done)
            }
            Op::Close { slot } => {
                self.slots[*slot] = None;
                Ok(Value::Done)
            }
            Op::Read { slot, at, len } => {
                let file = self.slot(*slot, |how| how.read)?;
                let read = self.client.read(&file, *at, *len as u32).map_err(class)?;
                Ok(Value::Bytes(read.0))
            }
            Op::Write { slot, at, data } => {
                let file = self.slot(*slot, |how| how.write)?;
                self.write(&file, *at, &data.bytes())
            }
            Op::Append { slot, data } => {
                let file = self.slot(*slot, |how| how.write)?;
                self.append(&file, &data.bytes())
            }
            Op::SetLen { slot, len } => {
                let file = self.slot(*slot, |how| how.write)?;
                self.set_len(&file, *len)
            }
            Op::HandleStat { slot } => {
                let file = self.slot(*slot, |_| true)?;
                Ok(Value::Stat(stat(&self.client.getattr(&file).map_err(class)?)))
            }
            Op::HandleTimes { slot, mtime } => {
                let file = self.slot(*slot, |_| true)?;
                self.set_mtime(&file, *mtime)
            }
            Op::ReadPath { path } => {
                let file = self.open_file(path, false)?;
                Ok(Value::Bytes(self.client.read_all(&file).map_err(class)?))
            }
            Op::WritePath { path, at, data } => {
                let file = self.open_file(path, true)?;
                self.write(&file, *at, &data.bytes())
            }
            Op::AppendPath { path, data } => {
                let file = self.open_file(path, true)?;
                self.append(&file, &data.bytes())
            }
            Op::SetLenPath { path, len } => {
                let file = self.open_file(path, true)?;
                self.set_len(&file, *len)
            }
            _ => self.run_names(op),
        }
    }

    fn run_names(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Unlink { path } => {
                let p = self.resolve(path, Last::Name)?;
                let (_, attr) = p.at.ok_or(Class::NotFound)?;
                match kind(&attr) {
                    Kind::Dir => Err(Class::IsDirectory),
                    _ if p.slash => Err(Class::NotDirectory),
                    _ => done(self.client.remove(&p.dir, &p.name)),
                }
            }
            Op::Mkdir { path } => {
                let p = self.free(path)?;
                done(self.client.mkdir(&p.dir, &p.name, sattr3::default()).map(drop))
            }
            Op::Rmdir { path } => {
                let p = self.resolve(path, Last::Name)?;
                let (_, attr) = p.at.ok_or(Class::NotFound)?;
                match p.name.is_empty() {
                    _ if kind(&attr) != Kind::Dir => Err(Class::NotDirectory),
                    true => Err(Class::Invalid),
                    false => done(self.client.rmdir(&p.dir, &p.name)),
                }
            }
            Op::Rename { from, to } => self.rename(from, to),
            Op::Link { from, to } => {
                let old = self.resolve(from, Last::Keep)?;
                let p = self.resolve(to, Last::Name)?;
                let (file, attr) = old.at.ok_or(Class::NotFound)?;
                match p.at {
                    Some(_) => Err(Class::Exists),
                    None if kind(&attr) != Kind::Dir && p.slash => Err(Class::NotFound),
                    None => done(self.client.link(&file, &p.dir, &p.name)),
                }
            }
            Op::Symlink { target, path } => {
                if target.starts_with(b"/") {
                    return Err(Class::NotPermitted);
                }
                let p = self.free(path)?;
                if p.slash {
                    return Err(Class::NotFound);
                }
                done(self.client.symlink(&p.dir, &p.name, target).map(drop))
            }
            Op::ReadLink { path } => {
                let (link, _) = self.found(path, Last::Keep)?;
                Ok(Value::Bytes(self.client.readlink(&link).map_err(class)?))
            }
            Op::Stat { path, follow } => {
                let last = if *follow { Last::Follow } else { Last::Keep };
                Ok(Value::Stat(stat(&self.found(path, last)?.1)))
            }
            Op::List { path } => {
                let (dir, _) = self.found(path, Last::Follow)?;
                let all = self.client.list(&dir).map_err(class)?.into_iter();
                let each = |e: entryplus3<'_>| {
                    (e.name.as_ref().to_vec(), kind(&e.name_attributes.unwrap()))
                };
                let mut names: Vec<_> = all.map(each).collect();
                names.sort();
                Ok(Value::Names(names))
            }
            Op::SetTimes { path, mtime } => {
                let (file, _) = self.found(path, Last::Follow)?;
                self.set_mtime(&file, *mtime)
            }
            _ => unreachable!("no operation of names"),
        }
    }

    fn scan(&mut self, dir: &Fh, at: &mut Vec<u8>, out: &mut Tree) {
        for e in self.client.list(dir).unwrap() {
            let len = at.len();
            if len > 0 {
                at.push(b'/');
            }
            at.extend_from_slice(e.name.as_ref());
            let (file, attr) = (e.name_handle.unwrap(), e.name_attributes.unwrap());
            let again = self.client.getattr(&file).unwrap_or_else(|e| panic!("{}: {e}", show(at)));
            assert_eq!((attr.fileid, again.fileid), (e.fileid, e.fileid), "{}", show(at));
            let content = match kind(&attr) {
                Kind::File => self.client.read_all(&file).unwrap(),
                Kind::Symlink => self.client.readlink(&file).unwrap(),
                Kind::Dir => Vec::new(),
            };
            out.insert(at.clone(), Entry { stat: stat(&attr), content });
            if kind(&attr) == Kind::Dir {
                self.scan(&file, at, out);
            }
            at.truncate(len);
        }
    }
}

fn tidy(place: Place) -> Result<Place, Class> {
    match &place.at {
        Some((_, attr)) if place.slash && kind(attr) != Kind::Dir => Err(Class::NotDirectory),
        _ => Ok(place),
    }
}

impl Subject for Kernel {
    fn apply(&mut self, op: &Op) -> Outcome {
        self.run(op)
    }

    fn tree(&mut self) -> Tree {
        let (root, mut out) = (self.root.clone(), Tree::new());
        self.scan(&root, &mut Vec::new(), &mut out);
        out
    }

    fn close_all(&mut self) {
        self.slots = Default::default();
    }
}
