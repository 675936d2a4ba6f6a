//! A plain directory through cap-std: what the host does.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use brio_session::Time;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use super::ops::{How, Op, SLOTS};
use super::{Class, Entry, Kind, Outcome, Stat, Subject, Tree, Value};

pub struct Plain {
    dir: Dir,
    root: PathBuf,
    slots: [Option<(File, How)>; SLOTS],
}

impl Plain {
    pub fn new(root: &Path) -> Self {
        let dir = Dir::open_ambient_dir(root, ambient_authority()).unwrap();
        Self { dir, root: root.to_path_buf(), slots: Default::default() }
    }

    fn open(&self, path: &[u8], how: How) -> std::io::Result<Option<File>> {
        let mut o = OpenOptions::new();
        o.read(how.read).write(how.write).truncate(how.truncate);
        match (how.create, how.exclusive) {
            (true, true) => o.create_new(true),
            (true, false) => o.create(true),
            _ => &mut o,
        };
        if !how.follow {
            o.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        }
        let f = self.dir.open_with(os(path), &o)?.into_std();
        Ok(if f.metadata()?.is_dir() { None } else { Some(f) })
    }

    fn open_file(&self, path: &[u8], write: bool) -> Result<File, Class> {
        let how = How { read: !write, write, follow: true, ..How::default() };
        self.open(path, how).map_err(class)?.ok_or(Class::IsDirectory)
    }

    fn slot(&self, slot: usize) -> Result<&File, Class> {
        self.slots[slot].as_ref().map(|s| &s.0).ok_or(Class::BadDescriptor)
    }

    /// Whether the name without its slashes is a directory, no link followed.
    fn is_dir(&self, path: &[u8]) -> Option<bool> {
        let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
        self.dir.symlink_metadata(os(&path[..end])).ok().map(|m| m.is_dir())
    }

    fn is_file_with_slash(&self, path: &[u8]) -> bool {
        path.ends_with(b"/") && self.is_dir(path) == Some(false)
    }

    fn run(&mut self, op: &Op) -> Outcome {
        let done = |r: std::io::Result<()>| r.map(|()| Value::Done).map_err(class);
        // cap-std drops a slash at the end where the kernel would refuse a name that is no
        // directory (ENOTDIR) or cannot become one (ENOENT).
        match op {
            Op::Unlink { path } | Op::Rename { from: path, .. } | Op::Link { from: path, .. }
                if self.is_file_with_slash(path) =>
            {
                return Err(Class::NotDirectory);
            }
            Op::Rename { from, to } if to.ends_with(b"/") && self.is_dir(from) == Some(false) => {
                return Err(Class::NotDirectory);
            }
            Op::Link { to: path, .. } | Op::Symlink { path, .. }
                if path.ends_with(b"/") && self.is_dir(path).is_none() =>
            {
                return Err(Class::NotFound);
            }
            Op::Rmdir { path } if self.is_file_with_slash(path) => return Err(Class::NotDirectory),
            _ => {}
        }
        match op {
            Op::Open { slot, path, how } => {
                self.slots[*slot] = None;
                Ok(match self.open(path, *how).map_err(class)? {
                    Some(f) => {
                        self.slots[*slot] = Some((f, *how));
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
                let f = self.slot(*slot)?;
                let n = match f.read_at(&mut buf, *at) {
                    Ok(n) => n,
                    Err(e) => return Err(class(e)),
                };
                // An empty read of a write-only descriptor is none of the host's business.
                if *len == 0 && !self.slots[*slot].as_ref().is_some_and(|s| s.1.read) {
                    return Err(Class::BadDescriptor);
                }
                buf.truncate(n);
                Ok(Value::Bytes(buf))
            }
            Op::Write { slot, at, data } => write(self.slot(*slot)?, *at, &data.bytes()),
            Op::Append { slot, data } => {
                let f = self.slot(*slot)?;
                let end = f.metadata().map_err(class)?.len();
                write(f, end, &data.bytes())
            }
            Op::SetLen { slot, len } => match self.slot(*slot)?.set_len(*len) {
                // ftruncate says EINVAL of a descriptor that is not open for writing.
                Err(e) if e.raw_os_error() == Some(22) => Err(Class::BadDescriptor),
                r => done(r),
            },
            Op::HandleStat { slot } => {
                Ok(Value::Stat(stat(&self.slot(*slot)?.metadata().map_err(class)?)))
            }
            Op::HandleTimes { slot, mtime } => done(set_times(self.slot(*slot)?, *mtime)),
            Op::ReadPath { path } => {
                use std::io::Read;
                let mut bytes = Vec::new();
                self.open_file(path, false)?.read_to_end(&mut bytes).map_err(class)?;
                Ok(Value::Bytes(bytes))
            }
            Op::WritePath { path, at, data } => {
                write(&self.open_file(path, true)?, *at, &data.bytes())
            }
            Op::AppendPath { path, data } => {
                let f = self.open_file(path, true)?;
                let end = f.metadata().map_err(class)?.len();
                write(&f, end, &data.bytes())
            }
            Op::SetLenPath { path, len } => done(self.open_file(path, true)?.set_len(*len)),
            Op::Unlink { path } => done(self.dir.remove_file(os(path))),
            Op::Mkdir { path } => done(self.dir.create_dir(os(path))),
            // cap-std says EINVAL of a directory with a slash after it.
            Op::Rmdir { path } => done(self.dir.remove_dir(os(bare(path)))),
            Op::Rename { from, to } => {
                // Of a directory that is not empty POSIX allows both; xfs says the other.
                match done(self.dir.rename(os(from), &self.dir, os(to))) {
                    Err(Class::Exists) => Err(Class::NotEmpty),
                    r => r,
                }
            }
            Op::Link { from, to } => done(self.dir.hard_link(os(from), &self.dir, os(to))),
            Op::Symlink { target, path } => done(self.dir.symlink(os(target), os(path))),
            Op::ReadLink { path } => {
                let t = self.dir.read_link_contents(os(path)).map_err(class)?;
                Ok(Value::Bytes(t.as_os_str().as_bytes().to_vec()))
            }
            Op::Stat { path, follow } => {
                use cap_std::fs::MetadataExt;
                // cap-std drops a slash at the end here; the kernel lets it follow a link.
                let m = if *follow || path.ends_with(b"/") || path.ends_with(b"/.") {
                    self.dir.metadata(os(path))
                } else {
                    self.dir.symlink_metadata(os(path))
                };
                let m = m.map_err(class)?;
                let t = Time { secs: m.mtime(), nanos: m.mtime_nsec() as u32 };
                Ok(Value::Stat(shape(m.is_dir(), m.is_symlink(), m.len(), m.nlink(), t)))
            }
            Op::List { path } => {
                let mut names = Vec::new();
                for e in self.dir.read_dir(os(path)).map_err(class)? {
                    let e = e.map_err(class)?;
                    let t = e.file_type().map_err(class)?;
                    let kind = kind(t.is_dir(), t.is_symlink());
                    names.push((e.file_name().as_bytes().to_vec(), kind));
                }
                names.sort();
                Ok(Value::Names(names))
            }
            Op::SetTimes { path, mtime } => {
                let f = self.dir.open(os(path)).map_err(class)?.into_std();
                done(set_times(&f, *mtime))
            }
        }
    }
}

impl Subject for Plain {
    fn apply(&mut self, op: &Op) -> Outcome {
        self.run(op)
    }

    fn tree(&mut self) -> Tree {
        scan(&self.root)
    }

    fn close_all(&mut self) {
        self.slots = Default::default();
    }
}

fn bare(path: &[u8]) -> &[u8] {
    &path[..path.iter().rposition(|b| *b != b'/').map_or(path.len(), |i| i + 1)]
}

/// The whole tree of a directory of the host.
pub fn scan(root: &Path) -> Tree {
    let mut out = Tree::new();
    scan_dir(root, &mut Vec::new(), &mut out);
    out
}

fn scan_dir(dir: &Path, at: &mut Vec<u8>, out: &mut Tree) {
    for e in std::fs::read_dir(dir).unwrap() {
        let e = e.unwrap();
        let len = at.len();
        if len > 0 {
            at.push(b'/');
        }
        at.extend_from_slice(e.file_name().as_bytes());
        let m = e.metadata().unwrap();
        let content = if m.is_symlink() {
            std::fs::read_link(e.path()).unwrap().as_os_str().as_bytes().to_vec()
        } else if m.is_file() {
            std::fs::read(e.path()).unwrap()
        } else {
            Vec::new()
        };
        out.insert(at.clone(), Entry { stat: stat(&m), content });
        if m.is_dir() {
            scan_dir(&e.path(), at, out);
        }
        at.truncate(len);
    }
}

fn os(path: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path))
}

fn write(f: &File, at: u64, data: &[u8]) -> Outcome {
    if data.is_empty() {
        // The host looks at the descriptor even then.
        f.write_at(data, at).map_err(class)?;
    }
    f.write_all_at(data, at).map_err(class)?;
    Ok(Value::Len(data.len()))
}

fn set_times(f: &File, t: Time) -> std::io::Result<()> {
    f.set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(t.secs as u64, t.nanos))
}

fn stat(m: &std::fs::Metadata) -> Stat {
    let t = Time { secs: m.mtime(), nanos: m.mtime_nsec() as u32 };
    shape(m.is_dir(), m.is_symlink(), m.len(), m.nlink(), t)
}

fn shape(dir: bool, link: bool, size: u64, nlink: u64, t: Time) -> Stat {
    let (size, nlink) = if dir { (0, 0) } else { (size, nlink) };
    Stat { kind: kind(dir, link), size, nlink, mtime: Some(t) }
}

fn kind(dir: bool, link: bool) -> Kind {
    match (dir, link) {
        (true, _) => Kind::Dir,
        (_, true) => Kind::Symlink,
        _ => Kind::File,
    }
}

fn class(e: std::io::Error) -> Class {
    match e.raw_os_error() {
        Some(16) => Class::Busy,
        // A path that leads out of the directory.
        None if e.kind() == std::io::ErrorKind::PermissionDenied => Class::NotPermitted,
        _ => brio_session::FsError::from(e).into(),
    }
}
