//! Frozen sessions whose domain lies in the home, because their base can have no `.brio`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use brio_landing::{
    BeginError, BeginOptions, CommitError, CommitOptions, Domain, DomainError, FrozenInfo, Gone,
    Isolation, LowerInfo, LowerOptions, Method, OpenOptions, Policy, ResolveOptions, Session,
    Short, Take, UndoOptions, WantedLower,
};
use brio_session::{Door, Hook, Op, RelPath, Verdict, ViewOptions};
use brio_tests::mounted::{Mounted, ReadOnly};
use brio_tests::skip::skip;
use common::{begin, commit, edit, names, read, tree, write, writer};

/// A file system that cannot exchange two names; stops at the N-th operation, if told to.
struct NoExchange {
    stop_at: u32,
    seen: AtomicU32,
}

impl Hook for NoExchange {
    fn verdict(&self, op: Op) -> Verdict {
        match self.seen.fetch_add(1, Ordering::SeqCst) {
            n if n == self.stop_at => Verdict::Stop,
            _ if op == Op::Exchange => Verdict::Fail(libc::EINVAL),
            _ => Verdict::Go,
        }
    }
}

fn no_exchange(stop_at: u32) -> Door {
    Door::with_hook(Arc::new(NoExchange { stop_at, seen: AtomicU32::new(0) }))
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let made = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir_all(made.base().join("dir")).unwrap();
        fs::write(made.base().join("a.txt"), "one\n").unwrap();
        fs::write(made.base().join("dir/b.txt"), "two\n").unwrap();
        made
    }

    fn base(&self) -> PathBuf {
        self.dir.path().join("base")
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// As a base without an exchange is opened for frozen sessions.
    fn options(&self) -> OpenOptions {
        let door = no_exchange(u32::MAX);
        OpenOptions { door, frozen: true, ..common::options(Some(&self.home())) }
    }

    fn domain(&self) -> Domain {
        Domain::open(&self.base(), self.options()).unwrap().0
    }

    fn by_claim(&self, claim: &str) -> Domain {
        Domain::open_in_home(claim, self.options()).unwrap().unwrap()
    }

    fn shelf(&self) -> Vec<String> {
        list(&self.home().join("frozen"))
    }

    /// Names in the state of a domain.
    fn state(&self, d: &Domain, sub: &str) -> Vec<String> {
        list(&self.home().join("frozen").join(d.claim_id()).join(sub))
    }
}

fn list(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn frozen(excludes: &[&str]) -> BeginOptions {
    let excludes = excludes.iter().map(|p| (*p).to_owned()).collect();
    let lower = LowerOptions { wanted: WantedLower::Frozen, excludes, ..LowerOptions::default() };
    BeginOptions { lower, ..BeginOptions::default() }
}

fn freeze(d: &Domain) -> Session {
    d.begin(frozen(&[])).unwrap()
}

fn info(s: &Session) -> FrozenInfo {
    match s.info().unwrap().lower {
        LowerInfo::Frozen(f) => f,
        other => panic!("it is not frozen: {other:?}"),
    }
}

fn sees(s: &Session, path: &str) -> Option<Vec<u8>> {
    read(&s.view(ViewOptions::default()).unwrap(), path)
}

fn changed(s: &Session) -> Vec<String> {
    let set = s.view(ViewOptions::default()).unwrap().changes().unwrap();
    set.changes.iter().map(|c| c.path.to_string()).collect()
}

#[test]
fn a_base_that_refuses_live_sessions_gets_frozen_ones_in_the_home() {
    let w = World::new();
    let before = tree(&w.base());
    // Live, it is refused, and the text says what can be had.
    let live = OpenOptions { frozen: false, ..w.options() };
    let e = Domain::open(&w.base(), live).err().unwrap();
    assert_eq!(e.code(), "BASE_UNSUPPORTED");
    assert!(e.to_string().contains("--lower frozen"), "{e}");
    assert!(!w.home().join("frozen").exists());

    let d = w.domain();
    assert!(d.frozen_only().unwrap().contains("exchange"), "{:?}", d.frozen_only());
    assert_eq!(w.shelf(), [d.claim_id()]);
    assert_eq!(d.root_path(), w.base().canonicalize().unwrap());
    let e = d.begin(BeginOptions::default()).err().unwrap();
    assert!(matches!(&e, BeginError::Domain(DomainError::FrozenOnly { .. })), "{e}");

    let s = freeze(&d);
    assert!(s.info().unwrap().frozen_only.is_some() && s.info().unwrap().base_gone.is_none());
    edit(&s, &[("a.txt", b"changed\n"), ("new", b"new\n")]);
    fs::write(w.base().join("dir/b.txt"), "later\n").unwrap();
    assert_eq!(sees(&s, "dir/b.txt").unwrap(), b"two\n");
    assert_eq!(changed(&s), ["a.txt", "new"]);
    let now = s.changes_against_base().unwrap();
    assert_eq!(now.changes.len(), 2);
    // It looks for conflicts as any other does.
    assert!(s.conflicts().unwrap().is_empty());
    fs::write(w.base().join("a.txt"), "drift\n").unwrap();
    assert_eq!(s.conflicts().unwrap().len(), 1);
    fs::write(w.base().join("a.txt"), "one\n").unwrap();
    fs::write(w.base().join("dir/b.txt"), "two\n").unwrap();

    // A checkpoint, a child and the way back.
    s.checkpoint("first").unwrap();
    edit(&s, &[("a.txt", b"again\n")]);
    let child = BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() };
    let child = d.begin(child).unwrap();
    edit(&child, &[("of-child", b"c\n")]);

    // Nothing lands, and nothing is touched, whatever is asked for.
    let is_refused = |r: Result<_, CommitError>, what: &str| {
        let e = match r {
            Ok::<brio_landing::Landed, _>(_) => panic!("{what} landed"),
            Err(e) => e,
        };
        assert_eq!(e.code(), "FROZEN_ONLY", "{what}: {e}");
        let text = e.to_string();
        let help = [
            format!("brio session diff {}", s.id()),
            format!("brio session export {} DIR", s.id()),
        ];
        assert!(help.iter().all(|h| text.contains(h)), "{what}: {text}");
    };
    let cascade = CommitOptions { cascade: true, ..CommitOptions::default() };
    is_refused(d.commit(s.id(), cascade), "a cascade");
    assert_eq!(d.session(child.id()).unwrap().info().unwrap().id, *child.id(), "it is kept");
    let landed = commit(&d, child.id()).unwrap();
    assert_eq!(landed.parent.as_ref(), Some(s.id()));
    for policy in ["reject", "merge", "last-write-wins"] {
        let policy = policy.parse().unwrap();
        is_refused(
            d.commit(s.id(), CommitOptions { policy, ..CommitOptions::default() }),
            "a policy",
        );
    }
    let e = d.resolve(s.id(), ResolveOptions::default()).unwrap_err();
    assert_eq!(e.code(), "FROZEN_ONLY", "{e}");
    let e = d.undo(1, &UndoOptions::default()).unwrap_err();
    assert_eq!(e.code(), "FROZEN_ONLY", "{e}");
    assert_eq!(tree(&w.base()), before);
    for sub in ["landings", "staging", "trash"] {
        assert!(w.state(&d, sub).is_empty(), "{sub}");
    }
    assert_eq!(sees(&s, "of-child").unwrap(), b"c\n");
    s.restore("first").unwrap();
    assert_eq!(sees(&s, "a.txt").unwrap(), b"changed\n");
    assert_eq!(sees(&s, "of-child"), None);

    // What changed nothing ends as it does elsewhere.
    let idle = freeze(&d);
    let ended = commit(&d, idle.id()).unwrap();
    assert_eq!((ended.landing, ended.changes.changes.len()), (None, 0));
    d.gc().unwrap();
    d.rollback(s.id(), false).unwrap();
    assert!(w.state(&d, "sessions").is_empty() && w.state(&d, "trash").is_empty());
    let ends: Vec<_> = d.journal_entries().unwrap().into_iter().map(|e| e.what).collect();
    assert!(ends.contains(&"rolled-back".to_owned()) && ends.contains(&"unchanged".to_owned()));
    assert_eq!(tree(&w.base()), before);
    assert_eq!(list(&w.base()), ["a.txt", "dir"], "no state, and nothing of a try");
}

#[test]
fn children_settle_their_conflicts_on_the_copy() {
    let w = World::new();
    let d = w.domain();
    let s = freeze(&d);
    let child = || {
        let options = BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() };
        d.begin(options).unwrap()
    };
    let (one, two, three) = (child(), child(), child());
    edit(&one, &[("a.txt", b"of one\n")]);
    edit(&two, &[("a.txt", b"of two\n"), ("two", b"2\n")]);
    edit(&three, &[("a.txt", b"of three\n"), ("three", b"3\n")]);
    commit(&d, one.id()).unwrap();
    assert_eq!(commit(&d, two.id()).unwrap_err().code(), "CONFLICT");
    // Whatever becomes of the base.
    fs::write(w.base().join("dir/b.txt"), "later\n").unwrap();
    fs::write(w.base().join("a.txt"), "later\n").unwrap();
    let takes = vec![(RelPath::new("a.txt").unwrap(), Take::Ours)];
    d.resolve(two.id(), ResolveOptions { takes, stop: false }).unwrap();
    assert_eq!(sees(&two, "dir/b.txt").unwrap(), b"two\n");
    assert!(two.info().unwrap().lower == s.info().unwrap().lower);
    fs::remove_dir_all(w.base()).unwrap();
    let d = w.by_claim(d.claim_id());
    commit(&d, two.id()).unwrap();
    let policy = Policy::LastWriteWins;
    d.commit(three.id(), CommitOptions { policy, ..CommitOptions::default() }).unwrap();
    let s = d.session(s.id()).unwrap();
    assert_eq!(changed(&s), ["a.txt", "three", "two"]);
    assert_eq!(sees(&s, "a.txt").unwrap(), b"of three\n");
    assert_eq!(sees(&s, "dir/b.txt").unwrap(), b"two\n");
}

#[test]
fn a_base_is_known_by_what_it_is_and_not_by_its_path() {
    let w = World::new();
    let d = w.domain();
    let claim = d.claim_id().to_owned();
    let s = freeze(&d);
    assert_eq!(w.domain().claim_id(), claim, "the same base twice");
    // Found by who only looks, too.
    let look = OpenOptions { create: false, frozen: false, ..w.options() };
    assert_eq!(Domain::open(&w.base(), look.clone()).unwrap().0.claim_id(), claim);
    assert_eq!(Domain::claim_in_home(&w.base(), &look).unwrap().unwrap(), claim);

    // Elsewhere it is the same, and is found there from then on.
    let moved = w.dir.path().join("moved");
    fs::rename(w.base(), &moved).unwrap();
    assert_eq!(w.by_claim(&claim).base_gone(), Some(Gone::Missing));
    assert_eq!(Domain::open(&moved, look.clone()).unwrap().0.claim_id(), claim);
    assert_eq!(w.by_claim(&claim).base_gone(), None);
    let known = Domain::all_in_home(&look);
    assert_eq!(known, [(claim.clone(), moved.canonicalize().unwrap())]);

    // Another directory at its path is another base.
    fs::create_dir(w.base()).unwrap();
    let e = Domain::open(&w.base(), look.clone()).err().unwrap();
    assert_eq!(e.code(), "NO_DOMAIN");
    let other = w.domain();
    assert_ne!(other.claim_id(), claim);
    assert_eq!(w.shelf().len(), 2);
    fs::remove_dir_all(&moved).unwrap();
    fs::rename(w.base(), &moved).unwrap();
    let d = w.by_claim(&claim);
    assert_eq!(d.base_gone(), Some(Gone::Replaced));
    let s = d.session(s.id()).unwrap();
    assert_eq!(s.info().unwrap().base_gone, Some(Gone::Replaced));
    assert_eq!(sees(&s, "a.txt").unwrap(), b"one\n");
    assert_eq!(s.base_is_there().unwrap_err().code(), "BASE_GONE");
    // A directory in it is a base of its own.
    fs::create_dir(moved.join("sub")).unwrap();
    let (sub, below) = Domain::open(&moved.join("sub"), w.options()).unwrap();
    assert!(below.is_root() && sub.claim_id() != other.claim_id());
}

#[test]
fn a_base_that_is_gone_leaves_what_its_sessions_saw_and_did() {
    let w = World::new();
    let d = w.domain();
    let (claim, s) = (d.claim_id().to_owned(), freeze(&d));
    edit(&s, &[("a.txt", b"changed\n")]);
    let isolation = Isolation::Serializable;
    let reader = d.begin(BeginOptions { isolation, ..frozen(&[]) }).unwrap();
    assert!(read(writer(&reader).view(), "a.txt").is_some());
    drop(d);
    fs::remove_dir_all(w.base()).unwrap();
    assert_eq!(Domain::open(&w.base(), w.options()).err().unwrap().code(), "BASE_MISSING");

    let d = w.by_claim(&claim);
    let s = d.session(s.id()).unwrap();
    assert_eq!(s.info().unwrap().base_gone, Some(Gone::Missing));
    assert_eq!(changed(&s), ["a.txt"]);
    assert_eq!(sees(&s, "dir/b.txt").unwrap(), b"two\n");
    assert_eq!(names(&s.view(ViewOptions::default()).unwrap(), "."), ["a.txt", "dir"]);
    for code in [
        s.conflicts().unwrap_err().code(),
        s.base_is_there().unwrap_err().code(),
        d.begin(frozen(&[])).err().unwrap().code(),
    ] {
        assert_eq!(code, "BASE_GONE");
    }
    assert!(s.changes_against_base().is_err(), "never a base that seems empty");
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "FROZEN_ONLY");
    assert_eq!(commit(&d, reader.id()).unwrap().landing, None, "it had nothing to land");
    // Work goes on.
    edit(&s, &[("dir/b.txt", b"more\n")]);
    s.checkpoint("c").unwrap();
    let child = BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() };
    let child = d.begin(child).unwrap();
    edit(&child, &[("c", b"c\n")]);
    commit(&d, child.id()).unwrap();
    assert_eq!(changed(&s), ["a.txt", "c", "dir/b.txt"]);

    // It is forgotten when nothing is open in it, and not before.
    assert!(!Domain::forget(&claim, &w.options()).unwrap());
    d.gc().unwrap();
    d.rollback(s.id(), false).unwrap();
    assert!(Domain::forget(&claim, &w.options()).unwrap());
    assert!(w.shelf().is_empty());
    assert!(Domain::open_in_home(&claim, w.options()).unwrap().is_none());
    // Who had it open is told.
    assert_eq!(d.gc().unwrap_err().code(), "NO_DOMAIN");
}

#[test]
fn a_base_that_can_be_written_later_gets_a_domain_beside() {
    let w = World::new();
    let d = w.domain();
    let s = freeze(&d);
    edit(&s, &[("a.txt", b"frozen\n")]);
    let able = OpenOptions { door: Door::default(), ..w.options() };
    // Frozen as well: the home is for what can be had in no other way.
    let (own, _) = Domain::open(&w.base(), able.clone()).unwrap();
    assert!(own.frozen_only().is_none() && own.claim_id() != d.claim_id());
    assert!(w.base().join(".brio/claim").is_file());
    let live = begin(&own, "live");
    edit(&live, &[("a.txt", b"landed\n")]);
    assert_eq!(commit(&own, live.id()).unwrap().landing, Some(1));
    assert_eq!(sees(&s, "a.txt").unwrap(), b"frozen\n");
    assert_eq!(s.conflicts().unwrap().len(), 1);
    // Neither takes the other's for its own, or for lost.
    let again = Domain::open(&w.base(), OpenOptions { frozen: false, ..able }).unwrap().0;
    assert_eq!(again.claim_id(), own.claim_id());
    let beside = Domain::claim_in_home(&w.base(), &w.options()).unwrap().unwrap();
    assert_eq!(beside, d.claim_id());
    let s = w.by_claim(&beside).session(s.id()).unwrap();
    assert_eq!(changed(&s), ["a.txt"]);
    // The state in the base is not the copy's.
    let late = freeze(&w.by_claim(&beside));
    assert_eq!(names(&late.view(ViewOptions::default()).unwrap(), "."), ["a.txt", "dir"]);
    assert_eq!(sees(&late, "a.txt").unwrap(), b"landed\n");
}

#[test]
fn many_at_once_make_one_domain() {
    let w = World::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| freeze(&w.domain()));
        }
    });
    assert_eq!(w.shelf().len(), 1);
    assert_eq!(w.domain().sessions().unwrap().len(), 8);
}

#[test]
fn what_is_left_out_is_not_in_the_copy() {
    let w = World::new();
    fs::write(w.base().join(".brioignore"), "dir/\n").unwrap();
    fs::write(w.base().join("x.log"), "log").unwrap();
    let d = w.domain();
    let s = d.begin(frozen(&["*.log"])).unwrap();
    assert_eq!(names(&s.view(ViewOptions::default()).unwrap(), "."), [".brioignore", "a.txt"]);
    assert_eq!(s.info().unwrap().excludes, ["dir/", "*.log"]);
    let w2 = writer(&s);
    write(w2.view(), "y.log", b"mine");
    w2.finish().unwrap();
    assert!(changed(&s).is_empty());
}

#[test]
fn a_home_in_the_base_is_not_copied_into_itself() {
    let w = World::new();
    let home = w.base().join("home");
    let options = OpenOptions { home: Some(home.clone()), ..w.options() };
    fs::create_dir(&home).unwrap();
    fs::write(home.join("secret"), "s").unwrap();
    let (d, _) = Domain::open(&w.base(), options).unwrap();
    let s = freeze(&d);
    assert_eq!(names(&s.view(ViewOptions::default()).unwrap(), "."), ["a.txt", "dir"]);
}

#[test]
fn a_begin_that_dies_anywhere_leaves_nothing_that_is_not_swept() {
    // T19
    let w = World::new();
    let mut points = 0;
    for at in 0.. {
        let door = no_exchange(at);
        let options = OpenOptions { door: door.clone(), ..w.options() };
        let begun = Domain::open(&w.base(), options)
            .map_err(BeginError::from)
            .and_then(|(d, _)| d.begin(frozen(&[])));
        if !door.stopped() {
            begun.unwrap();
            break;
        }
        points += 1;
        Domain::sweep(&w.base(), &w.options()).unwrap();
        let names = w.shelf();
        assert!(names.len() < 2 && names.iter().all(|n| !n.starts_with('.')), "{at}: {names:?}");
        for claim in names {
            let d = w.by_claim(&claim);
            d.gc().unwrap();
            // What another test forks meanwhile holds our locks until it is another program.
            for _ in 0..500 {
                if w.state(&d, "staging").is_empty() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
                d.gc().unwrap();
            }
            for s in d.sessions().unwrap() {
                // It was there before the end was told: a session like any other.
                assert_eq!(sees(&d.session(&s.id).unwrap(), "a.txt").unwrap(), b"one\n", "{at}");
                d.rollback(&s.id, false).unwrap();
            }
            for sub in ["sessions", "staging", "trash", "landings"] {
                assert!(w.state(&d, sub).is_empty(), "{at}: {sub}");
            }
            // The next one makes it anew.
            if at % 2 == 0 {
                fs::remove_dir_all(w.home().join("frozen").join(claim)).unwrap();
            }
        }
    }
    assert!(points > 20, "{points}");
    // What was tried in the base goes when it is a minute old.
    let tried = |name: &String| name.starts_with(".brio-new-");
    let left: Vec<_> = list(&w.base()).into_iter().filter(|n| !tried(n)).collect();
    assert_eq!(left, ["a.txt", "dir"]);
}

#[test]
fn a_read_only_mount_is_frozen_also_where_it_has_a_brio() {
    // T17
    let name = "a_read_only_mount_is_frozen_also_where_it_has_a_brio";
    let w = World::new();
    let point = w.dir.path().join("ro");
    fs::create_dir(&point).unwrap();
    let _mount = match ReadOnly::bind(&w.base(), &point) {
        Ok(m) => m,
        Err(why) => return skip(name, &why),
    };
    let options = || OpenOptions { frozen: true, ..common::options(Some(&w.home())) };
    let live = Domain::open(&point, OpenOptions { frozen: false, ..options() }).err().unwrap();
    assert_eq!(live.code(), "BASE_READ_ONLY");
    assert!(live.to_string().contains("--lower frozen"), "{live}");
    let (d, _) = Domain::open(&point, options()).unwrap();
    assert_eq!(d.frozen_only(), Some("its file system is mounted read-only"));
    let s = freeze(&d);
    edit(&s, &[("a.txt", b"changed\n")]);
    assert_eq!(commit(&d, s.id()).unwrap_err().code(), "FROZEN_ONLY");
    // The base gets a domain of its own where it can be written: seen from here it cannot be used.
    let (own, _) = Domain::open(&w.base(), options()).unwrap();
    assert!(own.frozen_only().is_none());
    let (again, _) = Domain::open(&point, options()).unwrap();
    assert_eq!(again.claim_id(), d.claim_id());
    let look = OpenOptions { create: false, frozen: false, ..options() };
    assert_eq!(Domain::open(&point, look).unwrap().0.claim_id(), d.claim_id());
    // Its landings go on, and reach no frozen session.
    let live = begin(&own, "live");
    edit(&live, &[("dir/b.txt", b"landed\n")]);
    commit(&own, live.id()).unwrap();
    assert_eq!(sees(&s, "dir/b.txt").unwrap(), b"two\n");
    assert_eq!(sees(&freeze(&again), "dir/b.txt").unwrap(), b"landed\n");
}

#[test]
fn how_the_copy_was_made_is_that_of_the_home() {
    // B-030, B-034, B-112
    let name = "how_the_copy_was_made_is_that_of_the_home";
    let made = Mounted::new("xfs", 400, "").and_then(|a| Ok((a, Mounted::new("xfs", 400, "")?)));
    let (one, two) = match made {
        Ok(made) => made,
        Err(why) => return skip(name, &why),
    };
    let small = match Mounted::new("tmpfs", 8, "") {
        Ok(m) => m,
        Err(why) => return skip(name, &why),
    };
    let (base, point) = (one.dir("base"), one.dir("ro"));
    fs::create_dir(base.join("empty")).unwrap();
    fs::write(base.join("file"), vec![7; 6_000_000]).unwrap();
    let _mount = match ReadOnly::bind(&base, &point) {
        Ok(m) => m,
        Err(why) => return skip(name, &why),
    };
    let at = |home: PathBuf| {
        let options = OpenOptions { frozen: true, ..common::options(Some(&home)) };
        let (d, _) = Domain::open(&point, options).unwrap();
        d.begin(frozen(&[]))
    };
    // The same file system, through another mount of it: blocks are shared.
    let s = at(one.dir("home")).unwrap();
    assert_eq!((info(&s).method, info(&s).bytes_copied), (Method::Reflink, 0));
    // Another that could share blocks too, but not with the base.
    let s = at(two.dir("home")).unwrap();
    let f = info(&s);
    assert_eq!((f.method, f.bytes_copied), (Method::Copy, 6_000_000));
    let why = f.not_used.iter().find(|n| n.method == Method::Reflink).unwrap();
    assert!(why.why.contains("another file system than the home"), "{}", why.why);
    assert_eq!(sees(&s, "file").unwrap(), vec![7; 6_000_000]);
    // The guards are about the room in the home.
    match at(small.dir("home")) {
        Err(BeginError::Space(Short::Room { .. } | Short::Share { .. })) => {}
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("it fits nowhere"),
    }
    assert!(list(&small.path().join("home/frozen")).len() == 1);
}

#[test]
fn a_snapshot_of_a_read_only_mount_lies_in_the_home() {
    // B-030
    let name = "a_snapshot_of_a_read_only_mount_lies_in_the_home";
    let fs = match Mounted::new("btrfs", 256, "") {
        Ok(m) => m,
        Err(why) => return skip(name, &why),
    };
    let (base, point) = (fs.path().join("base"), fs.dir("ro"));
    let made =
        std::process::Command::new("btrfs").args(["subvolume", "create"]).arg(&base).output();
    assert!(made.unwrap().status.success());
    std::fs::write(base.join("file"), "content").unwrap();
    let _mount = match ReadOnly::bind(&base, &point) {
        Ok(m) => m,
        Err(why) => return skip(name, &why),
    };
    let home = fs.dir("home");
    let options = OpenOptions { frozen: true, ..common::options(Some(&home)) };
    let (d, _) = Domain::open(&point, options.clone()).unwrap();
    let s = freeze(&d);
    assert_eq!(info(&s).method, Method::Snapshot, "{:?}", info(&s));
    std::fs::write(base.join("file"), "later").unwrap();
    assert_eq!(sees(&s, "file").unwrap(), b"content");
    let found = brio_landing::inspect(&point, options).unwrap();
    assert!(found.frozen_only.is_some() && found.broken.is_none());
    assert_eq!(found.snapshot, brio_landing::Probe::Yes);
    assert_eq!(found.sessions.len(), 1);
    d.rollback(s.id(), false).unwrap();
    let state = home.join("frozen").join(d.claim_id());
    for sub in ["sessions", "staging", "trash"] {
        assert!(list(&state.join(sub)).is_empty(), "{sub}");
    }
}
