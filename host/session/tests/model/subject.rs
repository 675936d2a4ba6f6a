//! The view as a subject.

use brio_session::{DirHandle, FileHandle, FsResult, Handle, OpenOptions, SetTime, View};

use super::ops::{How, Op, SLOTS};
use super::{Class, Entry, Kind, Outcome, Stat, Subject, Tree, Value};

/// What happens to a view between operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Its handles are closed and it is opened again from disk.
    Reopen,
    /// Its layer is sealed and a new one pushed; handles stay open.
    Restack,
}

/// Makes the turn, and returns the view to go on with.
pub type Turner = Box<dyn FnMut(View, Turn) -> View>;

pub struct ViewSubject {
    view: Option<View>,
    turner: Turner,
    slots: [Option<FileHandle>; SLOTS],
}

impl ViewSubject {
    pub fn new(view: View, turner: Turner) -> Self {
        Self { view: Some(view), turner, slots: Default::default() }
    }

    pub fn view(&self) -> &View {
        self.view.as_ref().expect("a view")
    }

    pub fn turn(&mut self, turn: Turn) {
        if turn == Turn::Reopen {
            self.close_all();
        }
        let view = self.view.take().expect("a view");
        self.view = Some((self.turner)(view, turn));
    }

    fn open(&self, path: &[u8], how: How) -> FsResult<Option<FileHandle>> {
        let how = OpenOptions {
            read: how.read,
            write: how.write,
            create: how.create,
            exclusive: how.exclusive,
            truncate: how.truncate,
            directory: false,
            follow: how.follow,
            owner: false,
            mode: None,
        };
        Ok(match self.view().open_at(&self.view().root(), path, &how)? {
            Handle::File(f) => Some(f),
            Handle::Dir(_) => None,
        })
    }

    fn open_file(&self, path: &[u8], write: bool) -> Result<FileHandle, Class> {
        let how = How { read: !write, write, follow: true, ..How::default() };
        self.open(path, how)?.ok_or(Class::IsDirectory)
    }

    fn slot(&self, slot: usize) -> Result<&FileHandle, Class> {
        self.slots[slot].as_ref().ok_or(Class::BadDescriptor)
    }

    fn run(&mut self, op: &Op) -> Outcome {
        let done = |r: FsResult<()>| Ok(r.map(|()| Value::Done)?);
        let len = |r: FsResult<usize>| Ok(r.map(Value::Len)?);
        let v = self.view().clone();
        let root = v.root();
        match op {
            Op::Open { slot, path, how } => {
                self.slots[*slot] = None;
                Ok(match self.open(path, *how)? {
                    Some(f) => {
                        self.slots[*slot] = Some(f);
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
                let mut buf = vec![0; *len];
                let n = self.slot(*slot)?.read_at(&mut buf, *at)?;
                buf.truncate(n);
                Ok(Value::Bytes(buf))
            }
            Op::Write { slot, at, data } => len(self.slot(*slot)?.write_at(&data.bytes(), *at)),
            Op::Append { slot, data } => len(self.slot(*slot)?.append(&data.bytes())),
            Op::SetLen { slot, len } => done(self.slot(*slot)?.set_len(*len)),
            Op::HandleStat { slot } => Ok(Value::Stat(stat(&self.slot(*slot)?.meta()?))),
            Op::HandleTimes { slot, mtime } => {
                done(self.slot(*slot)?.set_times(SetTime::Keep, SetTime::At(*mtime)))
            }
            Op::ReadPath { path } => Ok(Value::Bytes(read_all(&self.open_file(path, false)?))),
            Op::WritePath { path, at, data } => {
                len(self.open_file(path, true)?.write_at(&data.bytes(), *at))
            }
            Op::AppendPath { path, data } => len(self.open_file(path, true)?.append(&data.bytes())),
            Op::SetLenPath { path, len } => done(self.open_file(path, true)?.set_len(*len)),
            Op::Unlink { path } => done(v.unlink_at(&root, path)),
            Op::Mkdir { path } => done(v.mkdir_at(&root, path)),
            Op::Rmdir { path } => done(v.rmdir_at(&root, path)),
            Op::Rename { from, to } => done(v.rename_at(&root, from, &root, to)),
            Op::Link { from, to } => done(v.link_at(&root, from, false, &root, to)),
            Op::Symlink { target, path } => done(v.symlink_at(target, &root, path)),
            Op::ReadLink { path } => Ok(Value::Bytes(v.read_link_at(&root, path)?)),
            Op::Stat { path, follow } => Ok(Value::Stat(stat(&v.stat_at(&root, path, *follow)?))),
            Op::List { path } => {
                let how = OpenOptions { directory: true, follow: true, ..OpenOptions::default() };
                let Handle::Dir(d) = v.open_at(&root, path, &how)? else {
                    return Err(Class::NotDirectory);
                };
                let mut names: Vec<_> =
                    d.list()?.into_iter().map(|e| (e.name, kind(e.kind))).collect();
                names.sort();
                Ok(Value::Names(names))
            }
            Op::SetTimes { path, mtime } => {
                done(v.set_times_at(&root, path, true, SetTime::Keep, SetTime::At(*mtime)))
            }
        }
    }
}

impl Subject for ViewSubject {
    fn apply(&mut self, op: &Op) -> Outcome {
        self.run(op)
    }

    fn tree(&mut self) -> Tree {
        scan(self.view())
    }

    fn close_all(&mut self) {
        self.slots = Default::default();
    }
}

/// The whole tree of a view.
pub fn scan(view: &View) -> Tree {
    let mut out = Tree::new();
    scan_dir(view, &view.root(), &mut Vec::new(), &mut out);
    out
}

fn scan_dir(view: &View, dir: &DirHandle, at: &mut Vec<u8>, out: &mut Tree) {
    for e in dir.list().expect("list") {
        let len = at.len();
        if len > 0 {
            at.push(b'/');
        }
        at.extend_from_slice(&e.name);
        let m = view
            .stat_at(dir, &e.name, false)
            .unwrap_or_else(|err| panic!("listed, but stat of {} says {err:?}", super::show(at)));
        assert_eq!((m.kind, m.ino), (e.kind, e.ino), "list and stat of {}", super::show(at));
        let how = OpenOptions { read: true, ..OpenOptions::default() };
        let mut content = Vec::new();
        let mut sub = None;
        match m.kind {
            brio_session::Kind::Symlink => content = view.read_link_at(dir, &e.name).expect("link"),
            _ => match view.open_at(dir, &e.name, &how).expect("open") {
                Handle::File(f) => content = read_all(&f),
                Handle::Dir(d) => sub = Some(d),
            },
        }
        out.insert(at.clone(), Entry { stat: stat(&m), content });
        if let Some(sub) = sub {
            scan_dir(view, &sub, at, out);
        }
        at.truncate(len);
    }
}

pub fn read_all(f: &FileHandle) -> Vec<u8> {
    let mut out = Vec::new();
    let mut buf = vec![0; 64 << 10];
    loop {
        let n = f.read_at(&mut buf, out.len() as u64).expect("read");
        if n == 0 {
            return out;
        }
        out.extend_from_slice(&buf[..n]);
    }
}

fn kind(k: brio_session::Kind) -> Kind {
    match k {
        brio_session::Kind::Dir => Kind::Dir,
        brio_session::Kind::Symlink => Kind::Symlink,
        _ => Kind::File,
    }
}

fn stat(m: &brio_session::Meta) -> Stat {
    let (size, nlink) = if m.kind == brio_session::Kind::Dir { (0, 0) } else { (m.size, m.nlink) };
    Stat { kind: kind(m.kind), size, nlink, mtime: Some(m.mtime) }
}
