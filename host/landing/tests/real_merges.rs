//! The merge commits of a real repository, replayed as two concurrent sessions: what `git`
//! merges cleanly lands byte-identical, and where `git` reports a conflict nothing is silent.
//!
//! ```text
//! BRIO_MERGES_REPO=/path/to/repo.git cargo test --release -p brio-landing --test real_merges -- --nocapture
//! ```
//!
//! `BRIO_MERGES_MAX` limits how many merges are replayed, newest first. The only difference that
//! is allowed is that of renames, which git follows and we do not: there a path that git merges
//! is a conflict here, and both are counted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use brio_landing::{CommitError, CommitOptions, Conflict, Policy, Session, Unmerged};
use brio_session::{Handle, OpenOptions as Open, View};
use common::{begin, open, skipped, writer};

/// Mode and object of a file in a tree.
type File = (u32, String);
type Files = BTreeMap<Vec<u8>, File>;

struct Repo {
    dir: PathBuf,
    objects: Objects,
}

struct Objects {
    _child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Repo {
    fn open(dir: PathBuf) -> Self {
        let mut child = Command::new("git")
            .arg("-C")
            .arg(&dir)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git");
        let (ask, answer) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { dir, objects: Objects { _child: child, ask, answer: BufReader::new(answer) } }
    }

    /// Standard output and exit status.
    fn git(&self, args: &[&str]) -> (Vec<u8>, i32) {
        let out = Command::new("git").arg("-C").arg(&self.dir).args(args).output().expect("git");
        (out.stdout, out.status.code().unwrap_or(-1))
    }

    fn blob(&mut self, id: &str) -> Vec<u8> {
        writeln!(self.objects.ask, "{id}").unwrap();
        let mut head = String::new();
        self.objects.answer.read_line(&mut head).unwrap();
        let size: usize = head.trim().rsplit(' ').next().unwrap().parse().expect(&head);
        let mut bytes = vec![0; size + 1];
        self.objects.answer.read_exact(&mut bytes).unwrap();
        bytes.pop();
        bytes
    }

    /// What differs between two trees: path -> before and after.
    fn diff(&self, a: &str, b: &str) -> BTreeMap<Vec<u8>, (Option<File>, Option<File>)> {
        let (out, _) = self.git(&["diff-tree", "-r", "-z", "--no-renames", a, b]);
        let mut fields = out.split(|b| *b == 0);
        let mut all = BTreeMap::new();
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            let head = String::from_utf8(head.to_vec()).unwrap();
            let f: Vec<_> = head.trim_start_matches(':').split(' ').collect();
            let file = |mode: &str, id: &str| {
                let mode = u32::from_str_radix(mode, 8).unwrap();
                (mode != 0).then(|| (mode, id.to_owned()))
            };
            all.insert(path.to_vec(), (file(f[0], f[2]), file(f[1], f[3])));
        }
        all
    }

    /// What git makes of a merge: the tree, if it is clean; and whether all that it has to say
    /// is about renames.
    fn merge(&self, renames: bool, base: &str, a: &str, b: &str) -> (Option<String>, bool) {
        // Its strategy knows no "none at all".
        let renames = if renames { "-Xfind-renames=50%" } else { "-Xfind-renames=100%" };
        let base = format!("--merge-base={base}");
        let args = ["merge-tree", "--write-tree", renames, &base, a, b];
        let (out, status) = self.git(&args);
        let out = String::from_utf8_lossy(&out);
        let tree = out.lines().next().unwrap_or("").to_owned();
        assert!(status == 0 || status == 1, "git merge-tree answered {status}");
        let all = out.lines().filter(|l| l.starts_with("CONFLICT ")).all(|l| l.contains("rename"));
        ((status == 0).then_some(tree), all)
    }
}

/// What became of one merge, here.
#[derive(Debug, PartialEq, Eq)]
enum Ours {
    Clean,
    /// Where, and whether one side removed what the other changed: that git merges only by
    /// following a rename.
    Conflict(BTreeSet<Vec<u8>>, bool),
}

#[derive(Debug, Default)]
struct Count {
    merges: usize,
    skipped: usize,
    overlapping: usize,
    rejected: usize,
    both_clean: usize,
    both_conflict: usize,
    /// Git follows a rename and merges; here it is a conflict.
    renames_reported: usize,
    /// Git follows a rename and reports; without renames it merges as we did, or would: each
    /// side's new name is there.
    renames_unseen: usize,
    /// Clean there, a conflict here: no rename in it.
    cautious: Vec<String>,
    /// Must stay empty.
    silent: Vec<String>,
    differs: Vec<String>,
}

#[test]
fn the_merges_of_a_repository_land_as_git_merges_them() {
    // B-082, T2
    let Some(dir) = std::env::var_os("BRIO_MERGES_REPO") else {
        return skipped("real_merges: BRIO_MERGES_REPO names no repository");
    };
    let max = std::env::var("BRIO_MERGES_MAX").ok().and_then(|n| n.parse().ok());
    let mut repo = Repo::open(dir.into());
    let (list, _) = repo.git(&["rev-list", "--merges", "--parents", "--all"]);
    let list = String::from_utf8(list).unwrap();
    let mut count = Count::default();
    for line in list.lines().take(max.unwrap_or(usize::MAX)) {
        let ids: Vec<&str> = line.split(' ').collect();
        one(&mut repo, &ids, &mut count);
    }
    println!("{count:#?}");
    assert!(count.silent.is_empty(), "silent where git conflicts: {:?}", count.silent);
    assert!(count.differs.is_empty(), "not what git makes: {:?}", count.differs);
    assert!(count.cautious.is_empty(), "a conflict where git has none: {:?}", count.cautious);
    assert!(count.both_clean > 0, "the repository has no merges");
}

fn one(repo: &mut Repo, ids: &[&str], count: &mut Count) {
    let [merge, a, b] = ids else {
        count.skipped += 1;
        return;
    };
    let (bases, _) = repo.git(&["merge-base", "--all", a, b]);
    let bases = String::from_utf8(bases).unwrap();
    let Some(base) = bases.lines().next().filter(|_| bases.lines().count() == 1) else {
        count.skipped += 1;
        return;
    };
    let (ours, theirs) = (repo.diff(base, a), repo.diff(base, b));
    let modules = |d: &BTreeMap<_, (Option<File>, Option<File>)>| {
        d.values().any(|(x, y)| [x, y].into_iter().flatten().any(|f| f.0 == 0o160_000))
    };
    if modules(&ours) || modules(&theirs) {
        count.skipped += 1;
        return;
    }
    count.merges += 1;
    let (with, only_renames) = repo.merge(true, base, a, b);
    let (without, _) = repo.merge(false, base, a, b);
    // Also what git alone changes: where a rename leads.
    let mut paths: BTreeSet<Vec<u8>> = ours.keys().chain(theirs.keys()).cloned().collect();
    let mut before: Files = BTreeMap::new();
    let clean: Vec<_> = [&with, &without].into_iter().flatten().collect();
    let results: Vec<_> = clean.iter().map(|tree| repo.diff(base, tree)).collect();
    for d in results.iter().chain([&ours, &theirs]) {
        for (path, (was, _)) in d {
            paths.insert(path.clone());
            if let Some(was) = was {
                before.insert(path.clone(), was.clone());
            }
        }
    }
    let overlap = ours.keys().any(|p| theirs.contains_key(p));
    count.overlapping += usize::from(overlap);
    let tmp = tempfile::Builder::new().prefix("brio-merge").tempdir_in(scratch()).unwrap();
    let root = tmp.path();
    for (path, file) in &before {
        put(repo, root, path, file);
    }
    let d = open(root);
    let (one, two) = (begin(&d, a), begin(&d, b));
    edit(repo, &one, &ours);
    edit(repo, &two, &theirs);
    d.commit(one.id(), CommitOptions::default()).expect("the first lands");
    let policy = Policy::Merge;
    let mut done = d.commit(two.id(), CommitOptions::default());
    if let Err(CommitError::Conflict { .. }) = &done {
        count.rejected += 1;
        done = d.commit(two.id(), CommitOptions { policy, ..CommitOptions::default() });
    }
    let made = match done {
        Ok(_) => Ours::Clean,
        Err(CommitError::Conflict { conflicts, .. }) => {
            let removed = |c: &Conflict| {
                matches!(c.unmerged, Some(Unmerged::RemovedByUs | Unmerged::RemovedByThem))
            };
            let at = conflicts.iter().map(|c| c.path.as_bytes().to_vec()).collect();
            Ours::Conflict(at, conflicts.iter().any(removed))
        }
        Err(e) => panic!("{merge}: {e}"),
    };
    let is = |repo: &mut Repo, tree: &Option<String>| {
        tree.as_ref().is_some_and(|tree| {
            let after = repo.diff(base, tree);
            paths.iter().all(|p| {
                let want = match after.get(p) {
                    Some((_, after)) => after.clone(),
                    None => before.get(p).cloned(),
                };
                same(repo, root, p, want.as_ref())
            })
        })
    };
    match (&made, &with) {
        (Ours::Clean, Some(_)) if is(repo, &with) => count.both_clean += 1,
        (Ours::Conflict(..), None) => count.both_conflict += 1,
        (Ours::Conflict(_, true), Some(_)) => count.renames_reported += 1,
        (Ours::Clean, _) if with != without && is(repo, &without) => count.renames_unseen += 1,
        (Ours::Clean, None) if only_renames => count.renames_unseen += 1,
        (Ours::Clean, None) => count.silent.push((*merge).to_owned()),
        (Ours::Clean, Some(_)) => count.differs.push((*merge).to_owned()),
        (Ours::Conflict(at, false), Some(_)) => {
            let at: Vec<_> = at.iter().map(|p| String::from_utf8_lossy(p)).collect();
            count.cautious.push(format!("{merge} {}", at.join(" ")));
        }
    }
}

/// A directory in memory, if there is one.
fn scratch() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.into() } else { std::env::temp_dir() }
}

fn put(repo: &mut Repo, root: &Path, path: &[u8], (mode, id): &File) {
    let at = root.join(OsStr::from_bytes(path));
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    let bytes = repo.blob(id);
    if *mode == 0o120_000 {
        std::os::unix::fs::symlink(OsStr::from_bytes(&bytes), at).unwrap();
    } else {
        std::fs::write(&at, bytes).unwrap();
        std::fs::set_permissions(&at, PermissionsExt::from_mode(mode & 0o777)).unwrap();
    }
}

/// Makes one side's changes in a session. Directories stay, as git has none.
fn edit(
    repo: &mut Repo,
    session: &Session,
    changes: &BTreeMap<Vec<u8>, (Option<File>, Option<File>)>,
) {
    let w = writer(session);
    let (v, dir) = (w.view(), w.view().root());
    for (path, (was, _)) in changes.iter().filter(|(_, (_, now))| now.is_none()) {
        assert!(was.is_some());
        v.unlink_at(&dir, path).unwrap();
    }
    for (path, (was, now)) in changes {
        let Some((mode, id)) = now else { continue };
        let bytes = repo.blob(id);
        if was.is_none() {
            make_room(v, path);
        } else if *mode == 0o120_000 || was.as_ref().is_some_and(|w| w.0 == 0o120_000) {
            v.unlink_at(&dir, path).unwrap();
        }
        if *mode == 0o120_000 {
            v.symlink_at(&bytes, &dir, path).unwrap();
            continue;
        }
        // What did not change is not written: the change of a mode is one of the mode alone.
        if was.as_ref().is_none_or(|w| w.1 != *id || w.0 == 0o120_000) {
            let how = Open { write: true, create: true, truncate: true, ..Open::default() };
            let Handle::File(f) = v.open_at(&dir, path, &how).unwrap() else { panic!() };
            f.write_at(&bytes, 0).unwrap();
        }
        v.set_mode_at(&dir, path, false, mode & 0o777).unwrap();
    }
    w.finish().unwrap();
}

/// The directories above a path; what was a directory and is empty gives way.
fn make_room(v: &View, path: &[u8]) {
    let dir = v.root();
    for (i, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
        let _ = v.mkdir_at(&dir, &path[..i]);
    }
    let how = Open { read: true, directory: true, ..Open::default() };
    if let Ok(Handle::Dir(d)) = v.open_at(&dir, path, &how) {
        for e in d.list().unwrap() {
            make_room(v, &[path, b"/", &e.name].concat());
        }
        v.rmdir_at(&dir, path).unwrap();
    }
}

/// Whether a path is what git made of it.
fn same(repo: &mut Repo, root: &Path, path: &[u8], want: Option<&File>) -> bool {
    let at = root.join(OsStr::from_bytes(path));
    let found = at.symlink_metadata().ok().filter(|m| !m.is_dir());
    match (want, found) {
        (None, None) => true,
        (Some((0o120_000, id)), Some(m)) => {
            let to = m.is_symlink().then(|| std::fs::read_link(&at).unwrap());
            to.is_some_and(|to| to.as_os_str().as_bytes() == repo.blob(id))
        }
        (Some((mode, id)), Some(m)) => {
            m.is_file()
                && (m.permissions().mode() & 0o100) == (mode & 0o100)
                && std::fs::read(&at).unwrap() == repo.blob(id)
        }
        _ => false,
    }
}
