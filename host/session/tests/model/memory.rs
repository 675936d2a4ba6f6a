//! A tree in memory: what a view should be, in the plainest terms.

use std::collections::BTreeMap;

use brio_session::Time;

use super::ops::{How, Op, SLOTS};
use super::{Class, Entry, Kind, Outcome, Stat, Subject, Tree, Value};

type Id = usize;
const ROOT: Id = 0;

#[derive(Clone)]
enum Body {
    File(Vec<u8>),
    Dir(BTreeMap<Vec<u8>, Id>),
    Symlink(Vec<u8>),
}

#[derive(Clone)]
struct Node {
    body: Body,
    nlink: u64,
    /// Set by name, and not moved by a change since.
    mtime: Option<Time>,
    /// It is not the base's.
    told: bool,
    parent: Id,
}

#[derive(Clone, Copy)]
struct Slot {
    id: Id,
    how: How,
}

#[derive(Clone)]
pub struct Memory {
    nodes: Vec<Node>,
    /// The directory that paths begin in.
    cwd: Id,
    slots: [Option<Slot>; SLOTS],
}

struct Place {
    dir: Id,
    /// Empty: the path ended in `.` or `..`, or is the root.
    name: Vec<u8>,
    at: Option<Id>,
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

impl Memory {
    /// A tree as it is on a disk.
    pub fn load(root: &std::path::Path) -> Self {
        let mut m = Self { nodes: Vec::new(), cwd: ROOT, slots: [None; SLOTS] };
        m.add(Body::Dir(BTreeMap::new()), ROOT);
        m.load_dir(root, ROOT);
        m
    }

    fn load_dir(&mut self, path: &std::path::Path, dir: Id) {
        use std::os::unix::ffi::OsStrExt;
        for e in std::fs::read_dir(path).unwrap() {
            let e = e.unwrap();
            let t = e.file_type().unwrap();
            let body = if t.is_dir() {
                Body::Dir(BTreeMap::new())
            } else if t.is_symlink() {
                Body::Symlink(std::fs::read_link(e.path()).unwrap().as_os_str().as_bytes().to_vec())
            } else {
                Body::File(std::fs::read(e.path()).unwrap())
            };
            let id = self.add(body, dir);
            if t.is_file() {
                use std::os::unix::fs::MetadataExt;
                let m = e.metadata().unwrap();
                self.nodes[id].mtime = Some(Time { secs: m.mtime(), nanos: m.mtime_nsec() as u32 });
            }
            self.entries(dir).unwrap().insert(e.file_name().as_bytes().to_vec(), id);
            if t.is_dir() {
                self.load_dir(&e.path(), id);
            }
        }
    }

    fn add(&mut self, body: Body, parent: Id) -> Id {
        self.nodes.push(Node { body, nlink: 1, mtime: None, told: false, parent });
        self.nodes.len() - 1
    }

    fn kind(&self, id: Id) -> Kind {
        match self.nodes[id].body {
            Body::File(_) => Kind::File,
            Body::Dir(_) => Kind::Dir,
            Body::Symlink(_) => Kind::Symlink,
        }
    }

    fn entries(&mut self, id: Id) -> Result<&mut BTreeMap<Vec<u8>, Id>, Class> {
        match &mut self.nodes[id].body {
            Body::Dir(e) => Ok(e),
            _ => Err(Class::NotDirectory),
        }
    }

    /// Paths that exist, for the generator.
    pub fn known(&self) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        self.walk(self.cwd, &mut Vec::new(), &mut |p, _| out.push(p.to_vec()));
        out
    }

    /// Lets paths begin in a directory, as long as that is there.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn enter(&mut self, path: &[u8]) -> Result<(), Class> {
        let id = self.found(path, Last::Follow)?;
        self.entries(id)?;
        self.cwd = id;
        Ok(())
    }

    /// Lets paths begin at the root again.
    pub fn leave(&mut self) {
        self.cwd = ROOT;
    }

    /// Whether the directory that paths begin in was removed.
    pub fn is_lost(&self) -> bool {
        self.cwd != ROOT && self.nodes[self.cwd].nlink == 0
    }

    /// Paths whose time was set by an operation, and has not moved since.
    pub fn told(&self) -> std::collections::BTreeSet<Vec<u8>> {
        let mut out = std::collections::BTreeSet::new();
        self.walk(ROOT, &mut Vec::new(), &mut |p, id| {
            if self.nodes[id].told && self.nodes[id].mtime.is_some() {
                out.insert(p.to_vec());
            }
        });
        out
    }

    /// Groups of paths that are one file.
    pub fn groups(&self) -> BTreeMap<Id, Vec<Vec<u8>>> {
        let mut out: BTreeMap<Id, Vec<Vec<u8>>> = BTreeMap::new();
        self.walk(ROOT, &mut Vec::new(), &mut |p, id| out.entry(id).or_default().push(p.to_vec()));
        out
    }

    /// Whether two names, no link at their ends followed, are one file.
    ///
    /// # Errors
    /// As `lstat(2)` of the first that fails.
    pub fn same(&self, a: &[u8], b: &[u8]) -> Result<bool, Class> {
        Ok(self.found(a, Last::Keep)? == self.found(b, Last::Keep)?)
    }

    fn walk(&self, dir: Id, at: &mut Vec<u8>, f: &mut impl FnMut(&[u8], Id)) {
        let Body::Dir(entries) = &self.nodes[dir].body else { return };
        for (name, id) in entries {
            let len = at.len();
            if len > 0 {
                at.push(b'/');
            }
            at.extend_from_slice(name);
            f(at, *id);
            self.walk(*id, at, f);
            at.truncate(len);
        }
    }

    fn resolve(&self, path: &[u8], last: Last) -> Result<Place, Class> {
        let mut links = 0;
        self.resolve_in(self.cwd, path, last, &mut links)
    }

    fn resolve_in(
        &self,
        start: Id,
        path: &[u8],
        last: Last,
        links: &mut u32,
    ) -> Result<Place, Class> {
        if path.is_empty() {
            return Err(Class::NotFound);
        }
        if path[0] == b'/' {
            return Err(Class::NotPermitted);
        }
        let slash = path.ends_with(b"/");
        let names: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|n| !n.is_empty()).collect();
        let mut dir = start;
        for (i, name) in names.iter().enumerate() {
            let Body::Dir(entries) = &self.nodes[dir].body else { return Err(Class::NotDirectory) };
            let is_last = i + 1 == names.len();
            if *name == b"." || *name == b".." {
                if *name == b".." {
                    if dir == self.cwd {
                        return Err(Class::NotPermitted);
                    }
                    dir = self.nodes[dir].parent;
                }
                if is_last {
                    return Ok(Place { dir, name: Vec::new(), at: Some(dir), slash });
                }
                continue;
            }
            let Some(&id) = entries.get(*name) else {
                if is_last {
                    return Ok(Place { dir, name: name.to_vec(), at: None, slash });
                }
                return Err(Class::NotFound);
            };
            if let Body::Symlink(target) = &self.nodes[id].body {
                let follow = !is_last || last == Last::Follow || (slash && last == Last::Keep);
                if follow {
                    *links += 1;
                    if *links > 40 {
                        return Err(Class::Loop);
                    }
                    let inner = if is_last { last } else { Last::Follow };
                    let inner = if inner == Last::Keep { Last::Follow } else { inner };
                    let mut place = self.resolve_in(dir, target, inner, links)?;
                    if is_last {
                        place.slash |= slash;
                        return Self::tidy(self, place);
                    }
                    let at = place.at.ok_or(Class::NotFound)?;
                    if self.kind(at) != Kind::Dir {
                        return Err(Class::NotDirectory);
                    }
                    dir = at;
                    continue;
                }
            }
            if is_last {
                let place = Place { dir, name: name.to_vec(), at: Some(id), slash };
                return if last == Last::Name { Ok(place) } else { self.tidy(place) };
            }
            if self.kind(id) != Kind::Dir {
                return Err(Class::NotDirectory);
            }
            dir = id;
        }
        Ok(Place { dir, name: Vec::new(), at: Some(dir), slash })
    }

    /// A slash at the end means a directory.
    fn tidy(&self, place: Place) -> Result<Place, Class> {
        match place.at {
            Some(id) if place.slash && self.kind(id) != Kind::Dir => Err(Class::NotDirectory),
            _ => Ok(place),
        }
    }

    fn found(&self, path: &[u8], last: Last) -> Result<Id, Class> {
        self.resolve(path, last)?.at.ok_or(Class::NotFound)
    }

    fn stat(&self, id: Id) -> Stat {
        let n = &self.nodes[id];
        let (kind, size, nlink) = match &n.body {
            Body::File(b) => (Kind::File, b.len() as u64, n.nlink),
            Body::Dir(_) => (Kind::Dir, 0, 0),
            Body::Symlink(t) => (Kind::Symlink, t.len() as u64, n.nlink),
        };
        Stat { kind, size, nlink, mtime: n.mtime }
    }

    fn set(&mut self, dir: Id, name: &[u8], id: Option<Id>) {
        self.nodes[dir].mtime = None;
        let entries = self.entries(dir).expect("a directory");
        let old = match id {
            Some(id) => entries.insert(name.to_vec(), id),
            None => entries.remove(name),
        };
        if let Some(old) = old {
            self.nodes[old].nlink -= 1;
        }
        if let Some(id) = id {
            self.nodes[id].nlink += 1;
            if let Body::Dir(_) = self.nodes[id].body {
                self.nodes[id].parent = dir;
            }
        }
    }

    /// A new node under a free name.
    fn make(&mut self, place: &Place, body: Body) -> Id {
        let id = self.add(body, place.dir);
        self.nodes[id].nlink = 0;
        self.set(place.dir, &place.name, Some(id));
        id
    }

    fn open(&mut self, path: &[u8], how: How) -> Result<Option<Id>, Class> {
        let last = if how.follow && !how.exclusive { Last::Follow } else { Last::Keep };
        let place = self.resolve(path, last)?;
        let id = match place.at {
            Some(_) if how.exclusive => return Err(Class::Exists),
            Some(id) => id,
            None if !how.create => return Err(Class::NotFound),
            None if place.slash => return Err(Class::IsDirectory),
            None => self.make(&place, Body::File(Vec::new())),
        };
        match &mut self.nodes[id].body {
            Body::Dir(_) if how.write || how.truncate || how.create => Err(Class::IsDirectory),
            Body::Dir(_) => Ok(None),
            Body::Symlink(_) => Err(Class::Loop),
            Body::File(bytes) => {
                if how.truncate {
                    bytes.clear();
                    self.nodes[id].mtime = None;
                }
                Ok(Some(id))
            }
        }
    }

    fn open_file(&mut self, path: &[u8], write: bool) -> Result<Id, Class> {
        let how = How { read: !write, write, follow: true, ..How::default() };
        self.open(path, how)?.ok_or(Class::IsDirectory)
    }

    fn slot(&self, slot: usize, write: bool) -> Result<Id, Class> {
        match self.slots[slot] {
            Some(s) if write && !s.how.write => Err(Class::BadDescriptor),
            Some(s) => Ok(s.id),
            None => Err(Class::BadDescriptor),
        }
    }

    fn bytes(&mut self, id: Id) -> &mut Vec<u8> {
        match &mut self.nodes[id].body {
            Body::File(b) => b,
            _ => unreachable!("only files are opened"),
        }
    }

    fn write(&mut self, id: Id, at: u64, data: &[u8]) -> Outcome {
        if !data.is_empty() {
            let b = self.bytes(id);
            let end = at as usize + data.len();
            if b.len() < end {
                b.resize(end, 0);
            }
            b[at as usize..end].copy_from_slice(data);
            self.nodes[id].mtime = None;
        }
        Ok(Value::Len(data.len()))
    }

    fn set_len(&mut self, id: Id, len: u64) -> Outcome {
        self.bytes(id).resize(len as usize, 0);
        self.nodes[id].mtime = None;
        Ok(Value::Done)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Outcome {
        let old = self.resolve(from, Last::Name)?;
        let new = self.resolve(to, Last::Name)?;
        let id = old.at.ok_or(Class::NotFound)?;
        if old.name.is_empty() || new.name.is_empty() {
            return Err(Class::Invalid);
        }
        let is_dir = self.kind(id) == Kind::Dir;
        if !is_dir && (old.slash || new.slash) {
            return Err(Class::NotDirectory);
        }
        let mut up = new.dir;
        loop {
            if up == id {
                return Err(Class::Invalid);
            }
            if up == ROOT {
                break;
            }
            up = self.nodes[up].parent;
        }
        if let Some(there) = new.at {
            if there == id {
                return Ok(Value::Done);
            }
            match (is_dir, self.kind(there) == Kind::Dir) {
                (true, false) => return Err(Class::NotDirectory),
                (false, true) => return Err(Class::IsDirectory),
                (true, true) if !self.entries(there)?.is_empty() => return Err(Class::NotEmpty),
                _ => {}
            }
        }
        self.set(new.dir, &new.name, Some(id));
        self.set(old.dir, &old.name, None);
        if is_dir {
            self.nodes[id].parent = new.dir;
        }
        Ok(Value::Done)
    }

    fn free(&self, path: &[u8]) -> Result<Place, Class> {
        let place = self.resolve(path, Last::Name)?;
        if place.at.is_some() { Err(Class::Exists) } else { Ok(place) }
    }

    fn run(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Open { slot, path, how } => {
                self.slots[*slot] = None;
                Ok(match self.open(path, *how)? {
                    Some(id) => {
                        self.slots[*slot] = Some(Slot { id, how: *how });
                        Value::Done
                    }
                    None => Value::Dir,
                })
            }
            Op::Close { slot } => {
                self.slots[*slot] = None;
                Ok(Value::Done)
            }
            Op::Read { slot, at, len } => {
                let id = self.slot(*slot, false)?;
                if !self.slots[*slot].is_some_and(|s| s.how.read) {
                    return Err(Class::BadDescriptor);
                }
                let b = self.bytes(id);
                let from = (*at as usize).min(b.len());
                Ok(Value::Bytes(b[from..(from + len).min(b.len())].to_vec()))
            }
            Op::Write { slot, at, data } => {
                let id = self.slot(*slot, true)?;
                self.write(id, *at, &data.bytes())
            }
            Op::Append { slot, data } => {
                let id = self.slot(*slot, true)?;
                let end = self.bytes(id).len() as u64;
                self.write(id, end, &data.bytes())
            }
            Op::SetLen { slot, len } => {
                let id = self.slot(*slot, true)?;
                self.set_len(id, *len)
            }
            Op::HandleStat { slot } => Ok(Value::Stat(self.stat(self.slot(*slot, false)?))),
            Op::HandleTimes { slot, mtime } => {
                let id = self.slot(*slot, false)?;
                self.nodes[id].mtime = Some(*mtime);
                self.nodes[id].told = true;
                Ok(Value::Done)
            }
            Op::ReadPath { path } => {
                let id = self.open_file(path, false)?;
                Ok(Value::Bytes(self.bytes(id).clone()))
            }
            Op::WritePath { path, at, data } => {
                let id = self.open_file(path, true)?;
                self.write(id, *at, &data.bytes())
            }
            Op::AppendPath { path, data } => {
                let id = self.open_file(path, true)?;
                let end = self.bytes(id).len() as u64;
                self.write(id, end, &data.bytes())
            }
            Op::SetLenPath { path, len } => {
                let id = self.open_file(path, true)?;
                self.set_len(id, *len)
            }
            Op::Unlink { path } => {
                let p = self.resolve(path, Last::Name)?;
                let id = p.at.ok_or(Class::NotFound)?;
                match self.kind(id) {
                    Kind::Dir => Err(Class::IsDirectory),
                    _ if p.slash => Err(Class::NotDirectory),
                    _ => {
                        self.set(p.dir, &p.name, None);
                        Ok(Value::Done)
                    }
                }
            }
            Op::Mkdir { path } => {
                let p = self.free(path)?;
                self.make(&p, Body::Dir(BTreeMap::new()));
                Ok(Value::Done)
            }
            Op::Rmdir { path } => {
                let p = self.resolve(path, Last::Name)?;
                let id = p.at.ok_or(Class::NotFound)?;
                if self.kind(id) != Kind::Dir {
                    return Err(Class::NotDirectory);
                }
                if p.name.is_empty() {
                    return Err(Class::Invalid);
                }
                if !self.entries(id)?.is_empty() {
                    return Err(Class::NotEmpty);
                }
                self.set(p.dir, &p.name, None);
                Ok(Value::Done)
            }
            Op::Rename { from, to } => self.rename(from, to),
            Op::Link { from, to } => {
                let old = self.resolve(from, Last::Keep)?;
                let p = self.resolve(to, Last::Name)?;
                let id = old.at.ok_or(Class::NotFound)?;
                if p.at.is_some() {
                    return Err(Class::Exists);
                }
                if self.kind(id) == Kind::Dir {
                    return Err(Class::NotPermitted);
                }
                if p.slash {
                    return Err(Class::NotFound);
                }
                self.set(p.dir, &p.name, Some(id));
                Ok(Value::Done)
            }
            Op::Symlink { target, path } => {
                if target[0] == b'/' {
                    return Err(Class::NotPermitted);
                }
                let p = self.free(path)?;
                if p.slash {
                    return Err(Class::NotFound);
                }
                self.make(&p, Body::Symlink(target.clone()));
                Ok(Value::Done)
            }
            Op::ReadLink { path } => match &self.nodes[self.found(path, Last::Keep)?].body {
                Body::Symlink(t) => Ok(Value::Bytes(t.clone())),
                _ => Err(Class::Invalid),
            },
            Op::Stat { path, follow } => {
                let last = if *follow { Last::Follow } else { Last::Keep };
                Ok(Value::Stat(self.stat(self.found(path, last)?)))
            }
            Op::List { path } => {
                let id = self.found(path, Last::Follow)?;
                let entries = self.entries(id)?.clone();
                Ok(Value::Names(entries.into_iter().map(|(n, id)| (n, self.kind(id))).collect()))
            }
            Op::SetTimes { path, mtime } => {
                let id = self.found(path, Last::Follow)?;
                self.nodes[id].mtime = Some(*mtime);
                self.nodes[id].told = true;
                Ok(Value::Done)
            }
        }
    }
}

impl Subject for Memory {
    fn apply(&mut self, op: &Op) -> Outcome {
        self.run(op)
    }

    fn tree(&mut self) -> Tree {
        let mut out = Tree::new();
        self.walk(ROOT, &mut Vec::new(), &mut |p, id| {
            let content = match &self.nodes[id].body {
                Body::File(b) | Body::Symlink(b) => b.clone(),
                Body::Dir(_) => Vec::new(),
            };
            out.insert(p.to_vec(), Entry { stat: self.stat(id), content });
        });
        out
    }

    fn close_all(&mut self) {
        self.slots = [None; SLOTS];
    }
}
