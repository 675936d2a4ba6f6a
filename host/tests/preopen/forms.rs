//! A session of either form, over a base of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use brio_host::{
    AgentSource, Brio, ChangeKind, CommitError, CommitOptions, Handle, Metadata, OpenOptions,
    Place, RunRequest, SessionHandle, Time, ViewOptions,
};

use super::model::subject::scan;
use super::model::{Kind, Tree, base, show};
use super::permitted::Form;
use super::script::{Script, argument};

pub(crate) struct Subject {
    pub(crate) form: Form,
    pub(crate) base: PathBuf,
    brio: Brio,
    session: SessionHandle,
}

impl Subject {
    /// Populates a base and begins a session.
    pub(crate) fn new(brio: &Brio, form: Form, at: &Path) -> Self {
        let base = at.join(format!("{form:?}"));
        fs::create_dir(&base).unwrap();
        base::populate(&base);
        for (path, mode) in [("a/f", 0o755), ("d/f", 0o640), ("b", 0o600), ("d/a", 0o700)] {
            fs::set_permissions(base.join(path), PermissionsExt::from_mode(mode)).unwrap();
        }
        let session = brio.begin(&base, Metadata::default()).unwrap();
        Self { form, base, brio: brio.clone(), session }
    }

    /// Runs the guest, and gives its lines.
    pub(crate) fn run(&self, wasm: &[u8], script: &Script) -> Result<Vec<String>, String> {
        let agent = AgentSource::Bytes { name: "fs-script".into(), wasm: wasm.to_vec() };
        let mut request = RunRequest::new(agent, Place::Session(self.session.clone()));
        request.args = script.steps.iter().map(argument).collect();
        request.plain = self.form == Form::Plain;
        let ran = self.brio.run(request).map_err(|e| format!("{:?}: {e}", self.form))?;
        if let Some(e) = ran.plain {
            return Err(format!("not taken back: {e}"));
        }
        let report = &ran.report;
        if !report.succeeded() || report.stdout.truncated {
            let (error, text) = (&report.error, report.stderr.text());
            return Err(format!("{:?}: {:?} {error:?} {text}", self.form, report.outcome));
        }
        Ok(report.stdout.text().lines().map(str::to_owned).collect())
    }

    /// What the session shows.
    pub(crate) fn tree(&self) -> Tree {
        scan(&self.session.view().unwrap())
    }

    /// What the session changed.
    pub(crate) fn changes(&self) -> BTreeMap<Vec<u8>, ChangeKind> {
        let set = self.session.changes().unwrap().changes.into_iter();
        set.map(|c| (c.path.as_bytes().to_vec(), c.kind)).collect()
    }

    /// Whether the session changed this path, or something above or below it.
    pub(crate) fn touches(&self, path: &[u8]) -> bool {
        let below = |p: &[u8], dir: &[u8]| {
            p.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        self.changes().keys().any(|p| below(p, path) || below(path, p))
    }

    /// Somebody else writes a file, and lands.
    pub(crate) fn other_lands(&self, path: &[u8], text: &str) {
        let other = self.brio.begin(&self.base, Metadata::default()).unwrap();
        let writer = other.writer("other", ViewOptions::default()).unwrap();
        let how = OpenOptions { write: true, create: true, truncate: true, ..Default::default() };
        match writer.view().open_at(&writer.view().root(), path, &how).unwrap() {
            Handle::File(f) => assert_eq!(f.write_at(text.as_bytes(), 0).unwrap(), text.len()),
            Handle::Dir(_) => panic!("{} is a directory", show(path)),
        }
        writer.finish().unwrap();
        other.commit(CommitOptions::default()).unwrap();
    }

    /// Lands the session; the paths of the conflict when it does not.
    pub(crate) fn land(&self) -> Result<BTreeSet<Vec<u8>>, String> {
        match self.session.commit(CommitOptions::default()) {
            Ok(_) => Ok(BTreeSet::new()),
            Err(CommitError::Conflict { conflicts, .. }) => {
                Ok(conflicts.iter().map(|c| c.path.as_bytes().to_vec()).collect())
            }
            Err(e) => Err(format!("{:?} does not land: {e}", self.form)),
        }
    }
}

/// One entry of a base after the landing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
    /// Its first name.
    pub(crate) first: Vec<u8>,
    pub(crate) mtime: Time,
}

impl fmt::Debug for Landed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, start) = (self.content.len(), &self.content[..self.content.len().min(16)]);
        let (first, mtime) = (show(&self.first), self.mtime);
        write!(f, "{:?} {:o} {len} {:?}", self.kind, self.mode, show(start))?;
        write!(f, " is {first} {}.{:09}", mtime.secs, mtime.nanos)
    }
}

/// What a base holds, without its state. Names in `apart` are taken for files of their own.
pub(crate) fn on_disk(base: &Path, apart: &BTreeSet<Vec<u8>>) -> BTreeMap<Vec<u8>, Landed> {
    let mut out = BTreeMap::new();
    walk(base, base, &mut out);
    let mut first = BTreeMap::new();
    for (path, (ino, landed)) in &mut out {
        landed.first = match apart.contains(path) {
            true => path.clone(),
            false => first.entry(*ino).or_insert_with(|| path.clone()).clone(),
        };
    }
    out.into_iter().map(|(path, (_, landed))| (path, landed)).collect()
}

fn walk(base: &Path, dir: &Path, out: &mut BTreeMap<Vec<u8>, (u64, Landed)>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, m) = (entry.path(), entry.metadata().unwrap());
        if entry.file_name() == brio_host::STATE_DIR {
            continue;
        }
        let (kind, content) = if m.is_symlink() {
            (Kind::Symlink, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
        } else if m.is_dir() {
            (Kind::Dir, Vec::new())
        } else {
            (Kind::File, fs::read(&path).unwrap())
        };
        let mtime = Time { secs: m.mtime(), nanos: m.mtime_nsec() as u32 };
        let name = path.strip_prefix(base).unwrap().as_os_str().as_bytes().to_vec();
        let landed = Landed { kind, mode: m.mode(), content, first: Vec::new(), mtime };
        out.insert(name, (m.ino(), landed));
        if kind == Kind::Dir {
            walk(base, &path, out);
        }
    }
}

/// What two bases differ in; `None` when nothing. Times are compared of files that were told one.
pub(crate) fn difference(
    view: &BTreeMap<Vec<u8>, Landed>,
    plain: &BTreeMap<Vec<u8>, Landed>,
    told: &BTreeSet<Vec<u8>>,
) -> Option<String> {
    let mut wrong = Vec::new();
    let all: BTreeSet<_> = view.keys().chain(plain.keys()).collect();
    for path in all {
        let (v, mut p) = (view.get(path), plain.get(path).cloned());
        if let (Some(v), Some(p)) = (v, &mut p)
            && (v.kind != Kind::File || !told.contains(path))
        {
            p.mtime = v.mtime;
        }
        if v != p.as_ref() {
            wrong.push(format!("{}: view {v:?}, plain {p:?}", show(path)));
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// What the base should be when nobody else landed and what it is; `None` when that is one.
pub(crate) fn unlike(want: &Tree, base: &BTreeMap<Vec<u8>, Landed>) -> Option<String> {
    let want: BTreeMap<_, _> =
        want.iter().map(|(path, e)| (path, (e.stat.kind, &e.content))).collect();
    let got: BTreeMap<_, _> = base.iter().map(|(path, l)| (path, (l.kind, &l.content))).collect();
    let all: BTreeSet<_> = want.keys().chain(got.keys()).collect();
    let wrong: Vec<_> =
        all.into_iter().filter(|p| want.get(*p) != got.get(*p)).map(|p| show(p)).collect();
    (!wrong.is_empty()).then(|| wrong.join(", "))
}
