//! Conflicts by kind, by who the other side was, and by policy. B-080, B-081, B-082, T2, T3.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, Landed, Policy, SessionId, Unmerged,
};
use brio_session::{Door, Hook, Op, SetTime, Time, Verdict, View};
use common::{begin, commit, open, rich, scratch, tree, writer};
use sha2::Digest;

/// One edit, of a session's view or of a directory.
#[derive(Clone, Copy)]
enum Edit {
    Write(&'static [u8], &'static [u8]),
    Remove(&'static [u8]),
    Mkdir(&'static [u8]),
    Rmdir(&'static [u8]),
    Mode(&'static [u8], u32),
    Link(&'static [u8], &'static [u8]),
    Hard(&'static [u8], &'static [u8]),
    Rename(&'static [u8], &'static [u8]),
    /// Moves the times only.
    Touch(&'static [u8]),
}
use Edit::{Hard, Link, Mkdir, Mode, Remove, Rename, Rmdir, Touch, Write};

fn in_view(v: &View, edits: &[Edit]) {
    let r = v.root();
    for e in edits {
        match *e {
            Write(p, c) => {
                let how = brio_session::OpenOptions {
                    write: true,
                    create: true,
                    truncate: true,
                    ..Default::default()
                };
                let brio_session::Handle::File(f) = v.open_at(&r, p, &how).unwrap() else {
                    panic!()
                };
                f.write_at(c, 0).unwrap();
            }
            Remove(p) => v.unlink_at(&r, p).unwrap(),
            Mkdir(p) => v.mkdir_at(&r, p).unwrap(),
            Rmdir(p) => v.rmdir_at(&r, p).unwrap(),
            Mode(p, m) => v.set_mode_at(&r, p, false, m).unwrap(),
            Link(to, p) => v.symlink_at(to, &r, p).unwrap(),
            Hard(a, b) => v.link_at(&r, a, false, &r, b).unwrap(),
            Rename(a, b) => v.rename_at(&r, a, &r, b).unwrap(),
            Touch(p) => {
                let at = SetTime::At(Time { secs: 1_000_000_000, nanos: 0 });
                v.set_times_at(&r, p, false, at, at).unwrap();
            }
        }
    }
}

fn on_disk(base: &Path, edits: &[Edit]) {
    let at = |p: &[u8]| base.join(OsStr::from_bytes(p));
    for e in edits {
        match *e {
            Write(p, c) => std::fs::write(at(p), c).unwrap(),
            Remove(p) => std::fs::remove_file(at(p)).unwrap(),
            Mkdir(p) => std::fs::create_dir(at(p)).unwrap(),
            Rmdir(p) => std::fs::remove_dir(at(p)).unwrap(),
            Mode(p, m) => std::fs::set_permissions(at(p), PermissionsExt::from_mode(m)).unwrap(),
            Link(to, p) => symlink(OsStr::from_bytes(to), at(p)).unwrap(),
            Hard(a, b) => std::fs::hard_link(at(a), at(b)).unwrap(),
            Rename(a, b) => std::fs::rename(at(a), at(b)).unwrap(),
            Touch(p) => {
                let f = std::fs::File::options().append(true).open(at(p)).unwrap();
                f.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            }
        }
    }
}

/// Who the other side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Landing,
    Drift,
    Parent,
}

/// Both sides begin on `base`; theirs is there first; ours is committed with a policy.
struct Made {
    dir: tempfile::TempDir,
    domain: Domain,
    done: Result<Landed, CommitError>,
    id: SessionId,
    /// With theirs, without ours.
    before: BTreeMap<Vec<u8>, String>,
}

fn make(base: &[Edit], ours: &[Edit], theirs: &[Edit], other: Other, policy: Policy) -> Made {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    on_disk(dir.path(), base);
    // Files that are older than T0.
    std::thread::sleep(std::time::Duration::from_millis(2));
    let domain = open(dir.path());
    let options = CommitOptions { policy, ..CommitOptions::default() };
    let parent = (other == Other::Parent).then(|| begin(&domain, "parent"));
    let begun = BeginOptions {
        parent: parent.as_ref().map(|p| p.id().clone()),
        metadata: brio_landing::Metadata { goal: Some("ours".into()), ..Default::default() },
        ..BeginOptions::default()
    };
    let session = domain.begin(begun).unwrap();
    let w = writer(&session);
    in_view(w.view(), ours);
    w.finish().unwrap();
    match other {
        Other::Drift => on_disk(dir.path(), theirs),
        Other::Landing => {
            let s = begin(&domain, "theirs");
            let w = writer(&s);
            in_view(w.view(), theirs);
            w.finish().unwrap();
            commit(&domain, s.id()).unwrap();
        }
        Other::Parent => {
            let w = writer(parent.as_ref().unwrap());
            in_view(w.view(), theirs);
            w.finish().unwrap();
        }
    }
    let before = tree(dir.path());
    let id = session.id().clone();
    let mut done = domain.commit(&id, options);
    if let (Some(parent), Ok(landed)) = (&parent, &done) {
        assert_eq!(landed.parent.as_ref(), Some(parent.id()));
        done = commit(&domain, parent.id());
    }
    Made { dir, domain, done, id, before }
}

struct Row {
    what: &'static str,
    base: &'static [Edit],
    ours: &'static [Edit],
    theirs: &'static [Edit],
    /// The whole tree after `merge`, or why not.
    merge: Result<&'static [(&'static str, &'static str)], Unmerged>,
    /// The whole tree after `last-write-wins`.
    force: &'static [(&'static str, &'static str)],
    /// Not the same with drift, of which less is known.
    drift: Option<Unmerged>,
}

const TEXT: &[u8] = b"1\n2\n3\n4\n5\n";
const TOP: &[u8] = b"one\n2\n3\n4\n5\n";
const END: &[u8] = b"1\n2\n3\n4\nfive\n";

fn rows() -> Vec<Row> {
    const BOTH: &str = r#"file 644 "one\n2\n3\n4\nfive\n""#;
    let row = |what, base, ours, theirs, merge, force| Row {
        what,
        base,
        ours,
        theirs,
        merge,
        force,
        drift: None,
    };
    vec![
        row(
            "texts apart",
            &[Write(b"f", TEXT)],
            &[Write(b"f", TOP), Write(b"g", b"g")],
            &[Write(b"f", END)],
            Ok(&[("f", BOTH), ("g", r#"file 644 "g""#)]),
            &[("f", r#"file 644 "one\n2\n3\n4\n5\n""#), ("g", r#"file 644 "g""#)],
        ),
        row(
            "the same lines",
            &[Write(b"f", TEXT)],
            &[Write(b"f", TOP)],
            &[Write(b"f", b"uno\n2\n3\n4\n5\n")],
            Err(Unmerged::Overlap),
            &[("f", r#"file 644 "one\n2\n3\n4\n5\n""#)],
        ),
        row(
            "no last newline, CRLF",
            &[Write(b"f", b"1\r\n2\r\n3\r\n4\r\n5")],
            &[Write(b"f", b"one\r\n2\r\n3\r\n4\r\n5")],
            &[Write(b"f", b"1\r\n2\r\n3\r\n4\r\nfive")],
            Ok(&[("f", r#"file 644 "one\r\n2\r\n3\r\n4\r\nfive""#)]),
            &[("f", r#"file 644 "one\r\n2\r\n3\r\n4\r\n5""#)],
        ),
        row(
            "the same change",
            &[Write(b"f", TEXT), Write(b"g", b"g")],
            &[Write(b"f", TOP), Write(b"g", b"ours")],
            &[Write(b"f", TOP)],
            Ok(&[("f", r#"file 644 "one\n2\n3\n4\n5\n""#), ("g", r#"file 644 "ours""#)]),
            &[("f", r#"file 644 "one\n2\n3\n4\n5\n""#), ("g", r#"file 644 "ours""#)],
        ),
        row(
            "our mode, their content",
            &[Write(b"f", TEXT)],
            &[Mode(b"f", 0o755)],
            &[Write(b"f", END)],
            Ok(&[("f", r#"file 755 "1\n2\n3\n4\nfive\n""#)]),
            &[("f", r#"file 755 "1\n2\n3\n4\nfive\n""#)],
        ),
        row(
            "our content, their mode",
            &[Write(b"f", TEXT)],
            &[Write(b"f", TOP)],
            &[Mode(b"f", 0o600)],
            Ok(&[("f", r#"file 600 "one\n2\n3\n4\n5\n""#)]),
            &[("f", r#"file 644 "one\n2\n3\n4\n5\n""#)],
        ),
        row(
            "their times only",
            &[Write(b"f", b"a\0b")],
            &[Write(b"f", b"c\0d")],
            &[Touch(b"f")],
            Ok(&[("f", r#"file 644 "c\0d""#)]),
            &[("f", r#"file 644 "c\0d""#)],
        ),
        row(
            "two modes",
            &[Write(b"f", TEXT)],
            &[Mode(b"f", 0o755)],
            &[Mode(b"f", 0o600)],
            Err(Unmerged::Mode),
            &[("f", r#"file 755 "1\n2\n3\n4\n5\n""#)],
        ),
        Row {
            drift: Some(Unmerged::Binary),
            ..row(
                "bytes",
                &[Write(b"f", b"a\0b")],
                &[Write(b"f", b"c\0d")],
                &[Write(b"f", b"e\0f")],
                Err(Unmerged::Binary),
                &[("f", r#"file 644 "c\0d""#)],
            )
        },
        row(
            "an emptied file",
            &[Write(b"f", TEXT)],
            &[Write(b"f", b"")],
            &[Write(b"f", END)],
            Err(Unmerged::Overlap),
            &[("f", r#"file 644 """#)],
        ),
        row(
            "both made it",
            &[],
            &[Write(b"f", b"ours\n")],
            &[Write(b"f", b"theirs\n")],
            Err(Unmerged::BothAdded),
            &[("f", r#"file 644 "ours\n""#)],
        ),
        row(
            "both made the same",
            &[],
            &[Write(b"f", b"same\n"), Write(b"g", b"g")],
            &[Write(b"f", b"same\n")],
            Ok(&[("f", r#"file 644 "same\n""#), ("g", r#"file 644 "g""#)]),
            &[("f", r#"file 644 "same\n""#), ("g", r#"file 644 "g""#)],
        ),
        row(
            "both made a directory, with other files in it",
            &[],
            &[Mkdir(b"d"), Write(b"d/a", b"a")],
            &[Mkdir(b"d"), Write(b"d/b", b"b")],
            Ok(&[("d", "dir 755"), ("d/a", r#"file 644 "a""#), ("d/b", r#"file 644 "b""#)]),
            &[("d", "dir 755"), ("d/a", r#"file 644 "a""#), ("d/b", r#"file 644 "b""#)],
        ),
        row(
            "changed here, removed there",
            &[Write(b"f", TEXT)],
            &[Write(b"f", TOP)],
            &[Remove(b"f")],
            Err(Unmerged::RemovedByThem),
            &[("f", r#"file 644 "one\n2\n3\n4\n5\n""#)],
        ),
        row(
            "removed here, changed there",
            &[Write(b"f", TEXT)],
            &[Remove(b"f")],
            &[Write(b"f", END)],
            Err(Unmerged::RemovedByUs),
            &[],
        ),
        row(
            "removed by both",
            &[Write(b"f", TEXT), Write(b"g", b"g")],
            &[Remove(b"f"), Write(b"g", b"ours")],
            &[Remove(b"f")],
            Ok(&[("g", r#"file 644 "ours""#)]),
            &[("g", r#"file 644 "ours""#)],
        ),
        row(
            "a link and a file",
            &[Write(b"f", TEXT)],
            &[Remove(b"f"), Link(b"x", b"f")],
            &[Write(b"f", END)],
            Err(Unmerged::Kind),
            &[("f", r#"link "x""#)],
        ),
        row(
            "the same link",
            &[],
            &[Link(b"x", b"l"), Write(b"g", b"g")],
            &[Link(b"x", b"l")],
            Ok(&[("g", r#"file 644 "g""#), ("l", r#"link "x""#)]),
            &[("g", r#"file 644 "g""#), ("l", r#"link "x""#)],
        ),
        Row {
            drift: Some(Unmerged::BothAdded),
            ..row(
                "two links",
                &[Link(b"x", b"l")],
                &[Remove(b"l"), Link(b"y", b"l")],
                &[Remove(b"l"), Link(b"z", b"l")],
                Err(Unmerged::Link),
                &[("l", r#"link "y""#)],
            )
        },
        row(
            "hard links of ours, text of theirs",
            &[Write(b"f", TEXT)],
            &[Write(b"f", TOP), Hard(b"f", b"h")],
            &[Write(b"f", END)],
            Ok(&[("f", BOTH), ("h", r#"file 644 "one\n2\n3\n4\n5\n""#)]),
            &[
                ("f", r#"file 644 "one\n2\n3\n4\n5\n""#),
                ("h", r#"file 644 "one\n2\n3\n4\n5\n" = f"#),
            ],
        ),
        row(
            "a name that is no UTF-8",
            &[Write(b"\xff\xfe", TEXT)],
            &[Write(b"\xff\xfe", TOP)],
            &[Write(b"\xff\xfe", END)],
            Ok(&[("\u{fffd}\u{fffd}", BOTH)]),
            &[("\u{fffd}\u{fffd}", r#"file 644 "one\n2\n3\n4\n5\n""#)],
        ),
        row(
            "its directory was removed",
            &[Mkdir(b"d"), Mode(b"d", 0o750), Write(b"d/f", TEXT)],
            &[Write(b"d/f", TOP), Write(b"d/new", b"new")],
            &[Remove(b"d/f"), Rmdir(b"d")],
            Err(Unmerged::RemovedByThem),
            &[
                ("d", "dir 750"),
                ("d/f", r#"file 644 "one\n2\n3\n4\n5\n""#),
                ("d/new", r#"file 644 "new""#),
            ],
        ),
        Row {
            drift: Some(Unmerged::Kind),
            ..row(
                "its directory became a file",
                &[Mkdir(b"d")],
                &[Write(b"d/new", b"new")],
                &[Rmdir(b"d"), Write(b"d", b"a file")],
                Err(Unmerged::Directory),
                &[("d", "dir 755"), ("d/new", r#"file 644 "new""#)],
            )
        },
        Row {
            drift: Some(Unmerged::RemovedByUs),
            ..row(
                "a file in a directory that goes",
                &[Mkdir(b"d"), Write(b"d/f", b"f")],
                &[Remove(b"d/f"), Rmdir(b"d")],
                &[Write(b"d/new", b"new")],
                Err(Unmerged::Directory),
                &[],
            )
        },
        Row {
            drift: Some(Unmerged::RemovedByUs),
            ..row(
                "a tree in a directory that becomes a file",
                &[Mkdir(b"d")],
                &[Rmdir(b"d"), Write(b"d", b"ours")],
                &[Mkdir(b"d/e"), Write(b"d/e/new", b"new")],
                Err(Unmerged::Directory),
                &[("d", r#"file 644 "ours""#)],
            )
        },
        row(
            "a read-only directory",
            &[Mkdir(b"d"), Write(b"d/f", TEXT), Mode(b"d", 0o755)],
            &[Write(b"d/f", TOP), Write(b"d/g", b"g"), Mode(b"d", 0o555)],
            &[Write(b"d/f", END)],
            Ok(&[("d", "dir 555"), ("d/f", BOTH), ("d/g", r#"file 644 "g""#)]),
            &[
                ("d", "dir 555"),
                ("d/f", r#"file 644 "one\n2\n3\n4\n5\n""#),
                ("d/g", r#"file 644 "g""#),
            ],
        ),
        row(
            "a directory renamed, a file in it changed",
            &[Mkdir(b"d"), Write(b"d/f", TEXT), Write(b"d/g", b"g")],
            &[Rename(b"d", b"e")],
            &[Write(b"d/f", END)],
            Err(Unmerged::RemovedByUs),
            &[
                ("e", "dir 755"),
                ("e/f", r#"file 644 "1\n2\n3\n4\n5\n""#),
                ("e/g", r#"file 644 "g""#),
            ],
        ),
    ]
}

fn expected(tree: &[(&str, &str)]) -> Vec<(String, String)> {
    tree.iter().map(|(p, w)| ((*p).to_owned(), (*w).to_owned())).collect()
}

fn found(dir: &Path) -> Vec<(String, String)> {
    tree(dir).into_iter().map(|(p, w)| (String::from_utf8_lossy(&p).into_owned(), w)).collect()
}

#[test]
fn each_kind_of_conflict_by_each_policy_and_other_side() {
    // B-080, B-081, B-082
    for row in rows() {
        for other in [Other::Landing, Other::Drift, Other::Parent] {
            let what = format!("{}, {other:?}", row.what);
            let rejected = make(row.base, row.ours, row.theirs, other, Policy::Reject);
            match &rejected.done {
                // A directory that both made is none.
                Ok(_) => {
                    assert_eq!(Ok(expected(row.force)), row.merge.map(expected), "{what}");
                    assert_eq!(found(rejected.dir.path()), expected(row.force), "{what}");
                }
                Err(e) => {
                    assert_eq!(e.code(), "CONFLICT", "{what}: {e}");
                    assert_eq!(tree(rejected.dir.path()), rejected.before, "{what}");
                }
            }
            let merged = make(row.base, row.ours, row.theirs, other, Policy::Merge);
            match (&merged.done, row.merge) {
                (Ok(_), Ok(want)) => {
                    assert_eq!(found(merged.dir.path()), expected(want), "{what}, merge");
                }
                (Err(CommitError::Conflict { conflicts, .. }), Err(why)) => {
                    let why = row.drift.filter(|_| other == Other::Drift).unwrap_or(why);
                    let all: Vec<_> = conflicts.iter().filter_map(|c| c.unmerged).collect();
                    assert!(all.contains(&why), "{what}: {all:?}, {why:?}");
                    assert_eq!(tree(merged.dir.path()), merged.before, "{what}");
                    assert!(
                        merged.domain.session(&merged.id).is_ok(),
                        "{what}: the session is kept"
                    );
                }
                (done, want) => panic!("{what}, merge: {done:?}, not {want:?}"),
            }
            let forced = make(row.base, row.ours, row.theirs, other, Policy::LastWriteWins);
            // Renamed content is the base's as of the session's landing: of drift that is what
            // is there now.
            if !(other == Other::Drift && row.what.contains("renamed")) {
                forced.done.as_ref().unwrap_or_else(|e| panic!("{what}, last-write-wins: {e}"));
                assert_eq!(found(forced.dir.path()), expected(row.force), "{what}, forced");
            }
        }
    }
}

/// A hook that does something once, at the N-th operation that is one of `op`.
struct Once {
    op: Op,
    at: AtomicUsize,
    act: Box<dyn Fn() + Send + Sync>,
}

impl Hook for Once {
    fn verdict(&self, op: Op) -> Verdict {
        if op == self.op && self.at.fetch_sub(1, Ordering::SeqCst) == 1 {
            (self.act)();
        }
        Verdict::Go
    }
}

#[test]
fn what_gets_in_between_is_merged_as_well() {
    // T2, T22: an edit, or another landing, while the rebased session is staged.
    for by_landing in [false, true] {
        let dir = tempfile::tempdir_in(scratch()).unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "1\n2\n3\n4\n5\n6\n7\n").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let d = open(dir.path());
        let s = begin(&d, "ours");
        common::edit(&s, &[("f", b"one\n2\n3\n4\n5\n6\n7\n")]);
        std::fs::write(&path, "1\n2\n3\nfour\n5\n6\n7\n").unwrap();
        let at = dir.path().to_owned();
        let act = move || {
            let third = b"1\n2\n3\nfour\n5\n6\nseven\n";
            if by_landing {
                let d = open(&at);
                let s = begin(&d, "in between");
                common::edit(&s, &[("f", third)]);
                commit(&d, s.id()).unwrap();
            } else {
                std::fs::write(at.join("f"), third).unwrap();
            }
        };
        let hook = Once { op: Op::SyncFs, at: AtomicUsize::new(1), act: Box::new(act) };
        let d = common::open_door(dir.path(), Door::with_hook(Arc::new(hook)));
        let options = CommitOptions { policy: Policy::Merge, ..CommitOptions::default() };
        d.commit(s.id(), options).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n2\n3\nfour\n5\n6\nseven\n");
    }
}

#[test]
fn a_rebased_session_lands_as_it_would_have() {
    // Every way to change something, with one path in conflict that merges.
    let direct = tempfile::tempdir_in(scratch()).unwrap();
    rich::base(direct.path());
    let d = open(direct.path());
    let s = begin(&d, "");
    rich::change(&s);
    commit(&d, s.id()).unwrap();
    let want = tree(direct.path());
    for policy in [Policy::Merge, Policy::LastWriteWins] {
        let dir = tempfile::tempdir_in(scratch()).unwrap();
        rich::base(dir.path());
        symlink("/etc/hostname", dir.path().join("absolute")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let d = open(dir.path());
        let s = begin(&d, "");
        rich::change(&s);
        let w = writer(&s);
        let root = w.view().root();
        w.view().rename_at(&root, b"absolute", &root, b"absolute-2").unwrap();
        let at = SetTime::At(Time { secs: 1_000_000_000, nanos: 5 });
        w.view().set_times_at(&root, b"new/many-3", false, at, at).unwrap();
        w.view().set_times_at(&root, b"new/er", false, at, at).unwrap();
        w.finish().unwrap();
        on_disk(dir.path(), &[Touch(b"replace")]);
        assert_eq!(commit(&d, s.id()).unwrap_err().code(), "CONFLICT");
        d.commit(s.id(), CommitOptions { policy, ..CommitOptions::default() }).unwrap();
        let mut want = want.clone();
        want.insert(b"absolute-2".to_vec(), "link \"/etc/hostname\"".into());
        assert_eq!(tree(dir.path()), want, "{policy:?}");
        for path in ["new/many-3", "new/er"] {
            let m = std::fs::metadata(dir.path().join(path)).unwrap();
            assert_eq!((m.mtime(), m.mtime_nsec()), (1_000_000_000, 5), "{path}");
        }
        assert_eq!(common::state(dir.path(), "sessions"), Vec::<String>::new());
        assert_eq!(common::state(dir.path(), "trash"), Vec::<String>::new());
    }
}

#[test]
fn the_report_has_three_sides_and_the_journal_what_was_overridden() {
    // B-080: base, ours, theirs, and who.
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    for name in ["a", "b"] {
        std::fs::write(dir.path().join(name), "base").unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(2));
    let d = open(dir.path());
    let (one, two) = (begin(&d, "rename things"), begin(&d, "ours"));
    common::edit(&one, &[("a", b"theirs")]);
    common::edit(&two, &[("a", b"ours!"), ("b", b"ours!")]);
    commit(&d, one.id()).unwrap();
    std::fs::remove_file(dir.path().join("b")).unwrap();
    let hash = |s: &str| Some(<[u8; 32]>::from(sha2::Sha256::digest(s)));
    for policy in [Policy::Reject, Policy::Merge] {
        let e = d.commit(two.id(), CommitOptions { policy, ..Default::default() }).unwrap_err();
        let [a, b] = e.conflicts() else { panic!("{e}") };
        let sides = |c: &brio_landing::Conflict| {
            let of = |s: Option<brio_landing::Side>| s.map(|s| (s.size, s.sha256));
            [of(c.sides.base), of(c.sides.ours), of(c.sides.theirs)]
        };
        assert_eq!(
            sides(a),
            [Some((4, hash("base"))), Some((5, hash("ours!"))), Some((6, hash("theirs")))]
        );
        assert_eq!(sides(b), [Some((4, hash("base"))), Some((5, hash("ours!"))), None]);
        assert_eq!((a.theirs.by(), b.theirs.by()), ("landing", "drift"));
        let want = (policy == Policy::Merge).then_some(Unmerged::Overlap);
        assert_eq!(a.unmerged, want);
        assert!(e.to_string().contains("rename things"), "{e}");
    }
    let policy = Policy::LastWriteWins;
    d.commit(two.id(), CommitOptions { policy, ..Default::default() }).unwrap();
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"ours!");
    assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"ours!");
    let all = d.journal_entries().unwrap();
    let landed = all.iter().rfind(|e| e.what == "landed").unwrap();
    assert_eq!(
        landed.detail.as_ref().unwrap()["settled"],
        serde_json::json!({
            "policy": "last-write-wins",
            "overridden": [
                { "path": "a", "by": "landing", "landing": 1, "session": one.id() },
                { "path": "b", "by": "drift" },
            ],
        })
    );
}

#[test]
fn what_no_policy_settles_stays_a_conflict() {
    // T21: a file that is being written; and a branched directory that is another one.
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("sub/f"), "base\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2));
    let d = open(dir.path());
    let subdir = brio_session::RelPath::new("sub").unwrap();
    let branch = || {
        let s = d.begin(BeginOptions { subdir: subdir.clone(), ..Default::default() }).unwrap();
        common::edit(&s, &[("f", b"ours\n")]);
        s
    };
    for policy in [Policy::Merge, Policy::LastWriteWins] {
        let s = branch();
        std::fs::write(dir.path().join("sub/f"), "base\n").unwrap();
        let editor = std::fs::File::options().write(true).open(dir.path().join("sub/f")).unwrap();
        let options = CommitOptions { policy, ..CommitOptions::default() };
        let e = d.commit(s.id(), options.clone()).unwrap_err();
        assert_eq!(e.conflicts()[0].unmerged, Some(Unmerged::Busy), "{policy:?}: {e}");
        drop(editor);
        std::fs::rename(dir.path().join("sub"), dir.path().join("was")).unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::rename(dir.path().join("was/f"), dir.path().join("sub/f")).unwrap();
        std::fs::remove_dir(dir.path().join("was")).unwrap();
        let before = tree(dir.path());
        let e = d.commit(s.id(), options).unwrap_err();
        let all: Vec<_> = e.conflicts().iter().filter_map(|c| c.unmerged).collect();
        assert!(all.contains(&Unmerged::Branch), "{policy:?}: {e}");
        assert_eq!(tree(dir.path()), before);
        d.rollback(s.id(), false).unwrap();
    }
}

#[test]
fn a_session_of_a_directory_and_a_child_of_a_child_are_rebased_where_they_are() {
    // B-042, B-082
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    std::fs::create_dir_all(dir.path().join("sub/d")).unwrap();
    std::fs::write(dir.path().join("sub/d/f"), TEXT).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2));
    let d = open(dir.path());
    let subdir = brio_session::RelPath::new("sub").unwrap();
    let begin_on = |parent: Option<&SessionId>| {
        let parent = parent.cloned();
        d.begin(BeginOptions { subdir: subdir.clone(), parent, ..Default::default() }).unwrap()
    };
    let top = begin_on(None);
    let mid = begin_on(Some(top.id()));
    let low = begin_on(Some(mid.id()));
    common::edit(&low, &[("d/f", TOP)]);
    common::edit(&mid, &[("d/f", END)]);
    common::edit(&top, &[("other", b"x")]);
    let options = CommitOptions { policy: Policy::Merge, ..CommitOptions::default() };
    assert_eq!(commit(&d, low.id()).unwrap_err().code(), "CONFLICT");
    d.commit(low.id(), options.clone()).unwrap();
    d.commit(mid.id(), options.clone()).unwrap();
    std::fs::write(dir.path().join("sub/d/f"), "1\n2\nthree\n4\n5\n").unwrap();
    d.commit(top.id(), options).unwrap();
    let got = std::fs::read_to_string(dir.path().join("sub/d/f")).unwrap_or_default();
    assert_eq!(got, "one\n2\nthree\n4\nfive\n");
    assert!(dir.path().join("sub/other").exists());
    assert_eq!(common::state(dir.path(), "sessions"), Vec::<String>::new());
}
