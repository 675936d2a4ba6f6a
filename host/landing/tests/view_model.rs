//! Random sequences on a session's view, against the two models of `brio-session`'s view, while
//! other sessions land in the same base (T17); and then the session lands itself (T1).
//!
//! The long run: `BRIO_MODEL_SEQUENCES=100000 cargo test --release -p brio-landing --test
//! view_model`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "../../session/tests/model/mod.rs"]
mod model;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use brio_landing::{BeginOptions, Domain, Session, SessionId, Writer};
use brio_session::{
    Change, ChangeKind, FsError, Handle, OpenOptions, RelPath, SetTime, Time, View, ViewOptions,
};
use common::{begin, commit, open, writer};
use model::memory::Memory;
use model::plain::Plain;
use model::run::{Plan, same_tree, sequence};
use model::subject::{Turn, ViewSubject, scan};
use model::{Entry, Kind, Rng, Stat, Subject, Tree, apply, base, show};

/// What a base holds, without its state and without times of directories and links.
fn on_disk(base: &Path) -> Tree {
    let mut out = Tree::new();
    walk(base, base, &mut out);
    plain_terms(&mut out);
    out
}

fn walk(base: &Path, dir: &Path, out: &mut Tree) {
    for e in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if e.file_name() == ".brio" {
            continue;
        }
        let (path, m) = (e.path(), e.metadata().unwrap());
        let (kind, content) = if m.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            (Kind::Symlink, target.as_os_str().as_bytes().to_vec())
        } else if m.is_dir() {
            (Kind::Dir, Vec::new())
        } else {
            (Kind::File, std::fs::read(&path).unwrap())
        };
        let mtime = Some(Time { secs: m.mtime(), nanos: m.mtime_nsec() as u32 });
        let stat = Stat { kind, size: m.len(), nlink: 0, mtime };
        let rel = path.strip_prefix(base).unwrap().as_os_str().as_bytes().to_vec();
        out.insert(rel, Entry { stat, content });
        if kind == Kind::Dir {
            walk(base, &path, out);
        }
    }
}

/// Leaves what two trees of different file systems have in common.
fn plain_terms(tree: &mut Tree) {
    for e in tree.values_mut() {
        e.stat.nlink = 0;
        e.stat.size = e.content.len() as u64;
        if e.stat.kind != Kind::File {
            e.stat.mtime = None;
        }
    }
}

fn at(sub: &RelPath, path: &[u8]) -> Vec<u8> {
    sub.join_path(&RelPath::new(path).unwrap()).as_bytes().to_vec()
}

fn is_below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn differ(a: Option<&Entry>, b: Option<&Entry>) -> bool {
    let of = |e: Option<&Entry>| e.map(|e| (e.stat.kind, e.content.clone()));
    of(a) != of(b)
}

/// Paths that were changed, and the last kind of change.
type Changed = BTreeMap<Vec<u8>, ChangeKind>;

fn changed(changes: &[Change], sub: &RelPath) -> Changed {
    changes.iter().map(|c| (at(sub, c.path.as_bytes()), c.kind)).collect()
}

/// The session under test, and everybody else.
struct World {
    domain: Domain,
    base: PathBuf,
    sub: RelPath,
    session: SessionId,
    writer: Option<Writer>,
    /// A session that began with it, and does nothing.
    witness: Session,
    /// What either must go on to see.
    frozen: Tree,
    rng: Rng,
    /// Others keep away from what the session changed.
    polite: bool,
    theirs: Changed,
    serial: usize,
}

impl World {
    fn turn(&mut self, turn: Turn) -> View {
        let ours = changed(&self.writer().view().changes().unwrap().changes, &self.sub);
        match turn {
            Turn::Reopen => {
                // With and without the session's being clean.
                let w = self.writer.take().unwrap();
                if self.rng.one_in(2) {
                    drop(w)
                } else {
                    w.finish().unwrap()
                }
                self.others_land(&ours);
                if self.rng.one_in(2) {
                    self.domain = open(&self.base);
                }
                self.writer = Some(writer(&self.domain.session(&self.session).unwrap()));
            }
            Turn::Restack => {
                // A child's begin is what seals a live view's layer.
                self.others_land(&ours);
                let child = self.writer().begin_child(BeginOptions::default()).unwrap();
                self.domain.rollback(child.id(), false).unwrap();
            }
        }
        self.witness();
        self.writer().view().clone()
    }

    fn writer(&self) -> &Writer {
        self.writer.as_ref().unwrap()
    }

    /// T17: it sees what was there when it began.
    fn witness(&self) {
        let mut got = scan(&self.witness.view(ViewOptions::default()).unwrap());
        plain_terms(&mut got);
        same_tree("the witness", &self.frozen, got).unwrap();
    }

    fn others_land(&mut self, ours: &Changed) {
        for n in 0..self.rng.below(3) {
            let s = begin(&self.domain, "other");
            let w = writer(&s);
            let before = on_disk(&self.base);
            for _ in 0..1 + self.rng.below(3) {
                self.other(w.view(), ours);
            }
            let mut want = scan(w.view());
            plain_terms(&mut want);
            w.finish().unwrap();
            let landed = commit(&self.domain, s.id()).unwrap();
            // A file that was moved has no time of its own.
            for (path, e) in &mut want {
                if before.get(path) != Some(e) {
                    e.stat.mtime = None;
                }
            }
            same_tree(&format!("landing {n} of another"), &want, on_disk(&self.base)).unwrap();
            self.theirs.extend(changed(&landed.changes.changes, &RelPath::default()));
        }
    }

    /// One thing that another session does. What cannot be done is left out.
    fn other(&mut self, view: &View, ours: &Changed) {
        let polite = self.polite;
        let free =
            |p: &[u8]| !polite || !ours.keys().any(|o| o == p || is_below(o, p) || is_below(p, o));
        let tree = scan(view);
        let of = |kinds: &[Kind]| -> Vec<Vec<u8>> {
            let fit = tree.iter().filter(|(p, e)| kinds.contains(&e.stat.kind) && free(p));
            fit.map(|(p, _)| p.clone()).collect()
        };
        let (dirs, files) = (of(&[Kind::Dir]), of(&[Kind::File]));
        let rng = &mut self.rng;
        self.serial += 1;
        let mut parents: Vec<Vec<u8>> =
            tree.iter().filter(|(_, e)| e.stat.kind == Kind::Dir).map(|(p, _)| p.clone()).collect();
        parents.push(Vec::new());
        let names: [&[u8]; 6] = [b"a", b"b", b"f", b"new", b"ln", b"g"];
        let name = match rng.below(3) {
            0 => rng.pick(&names).to_vec(),
            _ => format!("t{}", self.serial).into_bytes(),
        };
        let fresh = RelPath::new(rng.pick(&parents).clone()).unwrap().join(&name);
        let fresh = fresh.as_bytes().to_vec();
        let text = format!("other {}", self.serial).into_bytes();
        let text = text.repeat([1, 40, 800][rng.below(3)]);
        let entries = || tree.keys().filter(|p| free(p)).cloned().collect::<Vec<_>>();
        let kind = rng.below(14);
        let target = match kind {
            0..=3 => vec![fresh.clone()],
            4 | 5 | 12 => files,
            6 | 13 => entries(),
            7 => of(&[Kind::File, Kind::Symlink]),
            _ => dirs,
        };
        if target.is_empty() || !free(&fresh) {
            return;
        }
        let path = rng.pick(&target).clone();
        let root = view.root();
        match kind {
            0 | 1 => write(view, &path, &text),
            2 => {
                let _ = view.mkdir_at(&root, &path);
            }
            3 => {
                let _ = view.symlink_at(b"a", &root, &path);
            }
            4 | 5 => write(view, &path, &text),
            6 => remove(view, &tree, &path),
            7 => {
                remove(view, &tree, &path);
                let _ = view.mkdir_at(&root, &path);
                write(view, &[&path[..], b"/f"].concat(), &text);
            }
            8 => {
                remove(view, &tree, &path);
                write(view, &path, &text);
            }
            9 => {
                remove(view, &tree, &path);
                let _ = view.symlink_at(b"b", &root, &path);
            }
            10 => {
                let _ = view.rename_at(&root, &path, &root, &fresh);
            }
            11 => {
                if view.rename_at(&root, &path, &root, &fresh).is_ok() {
                    let _ = view.mkdir_at(&root, &path);
                    write(view, &[&path[..], b"/g"].concat(), &text);
                }
            }
            12 => {
                let _ = view.link_at(&root, &path, false, &root, &fresh);
            }
            _ => {
                let t = Time { secs: 1_200_000_000 + self.serial as i64, nanos: 7 };
                let _ = view.set_times_at(&root, &path, false, SetTime::Keep, SetTime::At(t));
            }
        }
    }
}

fn write(view: &View, path: &[u8], content: &[u8]) {
    let how = OpenOptions { write: true, create: true, truncate: true, ..OpenOptions::default() };
    if let Ok(Handle::File(f)) = view.open_at(&view.root(), path, &how) {
        assert_eq!(f.write_at(content, 0).unwrap(), content.len());
    }
}

fn remove(view: &View, tree: &Tree, path: &[u8]) {
    for (p, e) in tree.iter().rev().filter(|(p, _)| *p == path || is_below(p, path)) {
        match e.stat.kind {
            Kind::Dir => view.rmdir_at(&view.root(), p).unwrap(),
            _ => view.unlink_at(&view.root(), p).unwrap(),
        }
    }
}

/// What the base should be after both: every path as whoever changed it left it. `None` where
/// that is no tree, or both changed a path and not to the same.
fn merged(old: &Tree, ours: &Tree, theirs: &Tree) -> Option<Tree> {
    let mut out = Tree::new();
    for path in old.keys().chain(ours.keys()).chain(theirs.keys()) {
        let (o, a, b) = (old.get(path), ours.get(path), theirs.get(path));
        let (we, they) = (differ(o, a), differ(o, b));
        if we && they && differ(a, b) {
            return None;
        }
        if let Some(e) = if we { a } else { b } {
            out.insert(path.clone(), e.clone());
        }
    }
    let whole = out.keys().all(|p| match p.iter().rposition(|b| *b == b'/') {
        Some(i) => out.get(&p[..i]).is_some_and(|up| up.stat.kind == Kind::Dir),
        None => true,
    });
    whole.then_some(out)
}

/// Whether nothing that either changed has to do with what the other did.
fn disjoint(ours: &Changed, theirs: &Changed) -> bool {
    !ours.iter().any(|(p, pk)| {
        theirs.iter().any(|(q, qk)| {
            p == q
                || (is_below(p, q) && *qk != ChangeKind::MetaOnly)
                || (is_below(q, p) && *pk != ChangeKind::MetaOnly)
        })
    })
}

/// How a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Alone,
    Disjoint,
    Near,
    Conflict,
}

fn run(seed: u64) -> Result<End, String> {
    let tmp = scratch();
    let root = tmp.path().to_path_buf();
    let sub = RelPath::new(if seed % 4 == 3 { &b"sub/in"[..] } else { b"" }).unwrap();
    let base = root.join("base");
    std::fs::create_dir(&base).unwrap();
    for d in [base.join(sub.to_path()), root.join("plain"), root.join("copy")] {
        std::fs::create_dir_all(&d).unwrap();
        base::populate(&d);
    }
    if !sub.is_root() {
        std::fs::write(base.join("sub/beside"), "beside").unwrap();
    }
    let old = on_disk(&base);
    let domain = open(&base);
    let options = || BeginOptions { subdir: sub.clone(), ..BeginOptions::default() };
    let session = domain.begin(options()).unwrap();
    let witness = domain.begin(options()).unwrap();
    let mut memory = Memory::load(&root.join("plain"));
    let mut frozen = memory.tree();
    plain_terms(&mut frozen);
    let first = writer(&session);
    let view = first.view().clone();
    let world = Rc::new(RefCell::new(World {
        base: base.clone(),
        sub: sub.clone(),
        session: session.id().clone(),
        writer: Some(first),
        witness,
        frozen,
        rng: Rng::new(seed ^ 0x0b10_0000),
        polite: seed.is_multiple_of(2),
        theirs: Changed::new(),
        serial: 0,
        domain,
    }));
    let w = world.clone();
    let turner = Box::new(move |view: View, turn: Turn| {
        drop(view);
        w.borrow_mut().turn(turn)
    });
    let mut view = ViewSubject::new(view, turner);
    let mut plain = Plain::new(&root.join("plain"));
    sequence(&mut Rng::new(seed), &plan(seed), &mut view, &mut memory, &mut plain)?;
    memory.close_all();
    view.turn(Turn::Reopen);
    same_tree("the reopened view", &memory.tree(), view.tree())?;
    apply::check(view.view(), &mut memory, &root.join("copy"))?;
    let changes = view.view().changes().unwrap().changes;
    drop(view);
    let mut world = Rc::into_inner(world).unwrap().into_inner();
    let writer = world.writer.take().unwrap();
    if seed.is_multiple_of(3) {
        drop(writer)
    } else {
        writer.finish().unwrap()
    }
    let end = land(&world, &old, &mut memory, &changes)?;
    world.witness();
    Ok(end)
}

/// T1: what is disjoint lands, and nothing that landed is lost.
fn land(w: &World, old: &Tree, memory: &mut Memory, changes: &[Change]) -> Result<End, String> {
    let landed = on_disk(&w.base);
    let told = memory.told();
    let mut ours = old.clone();
    ours.retain(|p, _| !is_below(p, w.sub.as_bytes()) && !w.sub.is_root());
    for (path, mut e) in memory.tree() {
        (e.stat.nlink, e.stat.size) = (0, e.content.len() as u64);
        // A time that nobody set is no part of a change.
        if e.stat.kind != Kind::File || !told.contains(&path) {
            e.stat.mtime = None;
        }
        ours.insert(at(&w.sub, &path), e);
    }
    let want = merged(old, &ours, &landed);
    let set = changed(changes, &w.sub);
    let apart = disjoint(&set, &w.theirs);
    let what = || {
        let of = |c: &Changed| c.iter().map(|(p, k)| format!("{} {k:?}", show(p))).collect();
        let (a, b): (Vec<String>, Vec<String>) = (of(&set), of(&w.theirs));
        format!("\nours:\n  {}\ntheirs:\n  {}", a.join("\n  "), b.join("\n  "))
    };
    match commit(&w.domain, &w.session) {
        Ok(_) => {
            let Some(mut want) = want else {
                return Err(format!("it landed over what others changed{}", what()));
            };
            for (path, e) in &mut want {
                // Written again with what was there before: it has its own time.
                if set.contains_key(path) {
                    e.stat.mtime = ours.get(path).and_then(|e| e.stat.mtime);
                }
            }
            same_tree("the base after the landing", &want, on_disk(&w.base))
                .map_err(|e| e + &what())?;
            Ok(match (w.theirs.is_empty(), apart) {
                (true, _) => End::Alone,
                (_, true) => End::Disjoint,
                _ => End::Near,
            })
        }
        Err(e) if apart => Err(format!("it was disjoint, and did not land: {e}{}", what())),
        Err(e) if e.code() != "CONFLICT" => Err(format!("no conflict, but {e}{}", what())),
        Err(_) => {
            same_tree("the base after the conflict", &landed, on_disk(&w.base))?;
            // The session goes on to be what it was.
            let view = w.domain.session(&w.session).unwrap().view(ViewOptions::default()).unwrap();
            same_tree("the view after the conflict", &memory.tree(), scan(&view))?;
            Ok(End::Conflict)
        }
    }
}

/// In memory where the system has such a place: a sequence is nothing but small files.
fn scratch() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir()
        && let Ok(d) = tempfile::tempdir_in(shm)
    {
        return d;
    }
    tempfile::tempdir().unwrap()
}

/// Short ones, after which much is left for others to change; and longer ones.
fn plan(seed: u64) -> Plan {
    match seed % 16 {
        0 => Plan { ops: 250, compare_every: 40, turn_every: 12 },
        n if n % 3 == 0 => Plan { ops: 60, compare_every: 12, turn_every: 12 },
        _ => Plan { ops: 12, compare_every: 6, turn_every: 4 },
    }
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// T17: a session is frozen as of its begin, whatever lands. T1: and then it lands itself.
#[test]
fn a_session_is_frozen_and_lands() {
    let (first, count) = match env("BRIO_MODEL_SEED") {
        Some(seed) => (seed, env("BRIO_MODEL_SEQUENCES").unwrap_or(1)),
        None => (1, env("BRIO_MODEL_SEQUENCES").unwrap_or(100)),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let (failed, ends) = (Mutex::new(None), Mutex::new(BTreeMap::<End, u64>::new()));
    let next = AtomicU64::new(first);
    std::thread::scope(|s| {
        // A new layer waits for the clock to tick: most of the time nobody is running.
        for _ in 0..threads * 4 {
            s.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().unwrap().is_some() {
                        return;
                    }
                    let result = std::panic::catch_unwind(|| run(seed))
                        .unwrap_or_else(|_| Err("panicked, see above".into()));
                    match result {
                        Ok(end) => *ends.lock().unwrap().entry(end).or_default() += 1,
                        Err(e) => drop(failed.lock().unwrap().get_or_insert((seed, e))),
                    }
                }
            });
        }
    });
    if let Some((seed, e)) = failed.into_inner().unwrap() {
        panic!("BRIO_MODEL_SEED={seed}: {e}");
    }
    let ends = ends.into_inner().unwrap();
    println!("{count} sequences: {ends:?}");
    if count >= 100 {
        assert!(ends.contains_key(&End::Disjoint) && ends.contains_key(&End::Conflict), "{ends:?}");
    }
}

/// T17: what is not there is missing for the reason that it was missing for at the begin.
#[test]
fn errors_are_frozen_too() {
    let tmp = scratch();
    for d in ["meta", "gone"] {
        std::fs::create_dir(tmp.path().join(d)).unwrap();
        std::fs::write(tmp.path().join(d).join("f"), "f").unwrap();
    }
    let d = open(tmp.path());
    let s = begin(&d, "");
    let land = |f: &dyn Fn(&View)| {
        let other = begin(&d, "other");
        let w = writer(&other);
        f(w.view());
        w.finish().unwrap();
        commit(&d, other.id()).unwrap();
    };
    // A directory whose metadata changed first, and which became a file then.
    let t = SetTime::At(Time { secs: 1, nanos: 2 });
    land(&|v| v.set_times_at(&v.root(), b"meta", true, SetTime::Keep, t).unwrap());
    land(&|v| {
        remove(v, &scan(v), b"meta");
        write(v, b"meta", b"a file");
        remove(v, &scan(v), b"gone");
    });
    let v = s.view(ViewOptions::default()).unwrap();
    let error = |path: &[u8]| v.stat_at(&v.root(), path, true).unwrap_err();
    assert_eq!(error(b"meta/none"), FsError::NotFound);
    assert_eq!(error(b"gone/none"), FsError::NotFound);
    assert_eq!(error(b"gone/f/x"), FsError::NotDirectory);
    assert_eq!(error(b"gone/f/x/y"), FsError::NotDirectory);
}
