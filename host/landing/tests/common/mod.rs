//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "shared by files that are crates of their own")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod faults;
pub mod rich;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, Landed, Metadata, OpenOptions, Retention,
    Session, SessionId, Writer,
};
use brio_project::{DirNotes, DirOptions, Notes, Pattern};
use brio_session::{Door, Handle, OpenOptions as Open, View, ViewOptions};

/// Options with a boot id and, if given, a home. Nothing is kept but what sessions need.
pub fn options(home: Option<&Path>) -> OpenOptions {
    let retention = Retention { window: Duration::ZERO, ..Retention::default() };
    OpenOptions { retention, ..keeping(home) }
}

/// As [`options`]; undo history is kept.
pub fn keeping(home: Option<&Path>) -> OpenOptions {
    OpenOptions { home: home.map(Into::into), boot_id: "boot-1".into(), ..OpenOptions::default() }
}

/// As [`open`]; undo history is kept.
pub fn open_keeping(base: &Path) -> Domain {
    Domain::open(base, keeping(None)).unwrap().0
}

pub fn open(base: &Path) -> Domain {
    Domain::open(base, options(None)).unwrap().0
}

pub fn open_door(base: &Path, door: Door) -> Domain {
    Domain::open(base, OpenOptions { door, ..options(None) }).unwrap().0
}

pub fn begin(d: &Domain, goal: &str) -> Session {
    let metadata =
        Metadata { goal: Some(goal.into()), agent: Some("tester".into()), ..Metadata::default() };
    d.begin(BeginOptions { metadata, ..BeginOptions::default() }).unwrap()
}

pub fn writer(s: &Session) -> Writer {
    s.writer("test", ViewOptions::default()).unwrap()
}

pub fn commit(d: &Domain, id: &SessionId) -> Result<Landed, CommitError> {
    d.commit(id, CommitOptions::default())
}

pub fn write(v: &View, path: &str, content: &[u8]) {
    let how = Open { write: true, create: true, truncate: true, ..Open::default() };
    let Handle::File(f) = v.open_at(&v.root(), path.as_bytes(), &how).unwrap() else {
        panic!("{path} is a directory")
    };
    let mut done = 0;
    while done < content.len() {
        done += f.write_at(&content[done..], done as u64).unwrap();
    }
}

pub fn read(v: &View, path: &str) -> Option<Vec<u8>> {
    let how = Open { read: true, ..Open::default() };
    let Ok(Handle::File(f)) = v.open_at(&v.root(), path.as_bytes(), &how) else { return None };
    let mut out = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match f.read_at(&mut buf, out.len() as u64).unwrap() {
            0 => return Some(out),
            n => out.extend_from_slice(&buf[..n]),
        }
    }
}

pub fn names(v: &View, path: &str) -> Vec<String> {
    let how = Open { read: true, directory: true, ..Open::default() };
    let Ok(Handle::Dir(d)) = v.open_at(&v.root(), path.as_bytes(), &how) else {
        panic!("{path} is no directory")
    };
    d.list().unwrap().into_iter().map(|e| String::from_utf8_lossy(&e.name).into_owned()).collect()
}

/// One run: writes files in a session and releases it.
pub fn edit(s: &Session, files: &[(&str, &[u8])]) {
    let w = writer(s);
    for (path, content) in files {
        write(w.view(), path, content);
    }
    w.finish().unwrap();
}

/// A tree without `.brio`: kind, mode, content, and which other name is the same file.
/// The notes of a base.
pub fn project(d: &Domain) -> Arc<DirNotes> {
    let options = DirOptions::new(std::time::SystemTime::now);
    Arc::new(DirNotes::open(d.notes_dir().unwrap(), options).unwrap())
}

pub fn put(notes: &dyn Notes, path: &str, content: &str) -> u64 {
    notes.write(&path.parse().unwrap(), content, &Default::default()).unwrap().version
}

pub fn take(notes: &dyn Notes, path: &str) {
    notes.remove(&path.parse().unwrap(), &Default::default()).unwrap().unwrap();
}

pub fn get(notes: &dyn Notes, path: &str) -> Option<String> {
    notes.read(&path.parse().unwrap()).unwrap().map(|note| note.content)
}

/// What there is of notes, by path.
pub fn contents(notes: &dyn Notes) -> BTreeMap<String, String> {
    let all = notes.list(&Pattern::all()).unwrap().into_iter();
    all.map(|n| (n.path.to_string(), get(notes, n.path.as_str()).unwrap())).collect()
}

/// The files and the notes of a base.
pub fn everything(base: &Path) -> BTreeMap<Vec<u8>, String> {
    let dir = base.join(".brio/notes");
    let notes = match cap_std::fs::Dir::open_ambient_dir(&dir, cap_std::ambient_authority()) {
        Ok(dir) => {
            let options = DirOptions::new(std::time::SystemTime::now);
            contents(&DirNotes::open(dir, options).unwrap())
        }
        Err(_) => BTreeMap::new(),
    };
    let notes =
        notes.into_iter().map(|(path, content)| ([b"/note/", path.as_bytes()].concat(), content));
    tree(base).into_iter().chain(notes).collect()
}

pub fn tree(base: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut out = BTreeMap::new();
    walk(base, base, &mut out, &mut BTreeMap::new());
    out
}

fn walk(
    base: &Path,
    dir: &Path,
    out: &mut BTreeMap<Vec<u8>, String>,
    links: &mut BTreeMap<u64, Vec<u8>>,
) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.file_name().unwrap() == ".brio" {
            continue;
        }
        let m = path.symlink_metadata().unwrap();
        let rel = path.strip_prefix(base).unwrap().as_os_str().as_bytes().to_vec();
        let mode = m.permissions().mode() & 0o7777;
        let what = if m.is_symlink() {
            format!("link {:?}", std::fs::read_link(&path).unwrap())
        } else if m.is_dir() {
            walk(base, &path, out, links);
            format!("dir {mode:o}")
        } else {
            let first = links.entry(m.ino()).or_insert_with(|| rel.clone());
            let link = if *first == rel {
                String::new()
            } else {
                format!(" = {}", String::from_utf8_lossy(first))
            };
            format!(
                "file {mode:o} {:?}{link}",
                String::from_utf8_lossy(&std::fs::read(&path).unwrap())
            )
        };
        out.insert(rel, what);
    }
}

/// Names in a directory of `.brio`.
pub fn state(base: &Path, sub: &str) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(base.join(".brio").join(sub))
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Says that a test cannot run here, and counts it.
pub fn skipped(what: &str) {
    use std::io::Write;
    eprintln!("SKIPPED: {what}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let mut list = std::fs::File::options().create(true).append(true).open(list).unwrap();
        writeln!(list, "{what}").unwrap();
    }
}

/// A memory file system where there is one: thousands of syncs are not what is tested here.
pub fn scratch() -> &'static Path {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() && tempfile::tempdir_in(shm).is_ok() { shm } else { Path::new("/tmp") }
}
