//! A domain that is told of heads commits what stands on one as it commits anything else.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, Isolation, OpenOptions, Policy, Session,
    StoreBinding, Synced, Warning,
};
use brio_session::{RelPath, ViewOptions};
use brio_share::LandOptions;
use common::{Machine, URL, edit, id, machine, project, read};

/// The machine's domain, opened by who knows its stores.
fn told(m: &Machine) -> Domain {
    let options = OpenOptions {
        boot_id: "boot-1".into(),
        trees: Some(m.places.clone()),
        heads: Some(m.places.clone()),
        ..OpenOptions::default()
    };
    Domain::open(&m.dir.path().join("base"), options).unwrap().0
}

fn begin(m: &Machine, domain: &Domain, isolation: Isolation) -> Session {
    m.place.begin(domain, BeginOptions { isolation, ..BeginOptions::default() }).unwrap()
}

fn land(m: &Machine, files: &[(&str, Option<&[u8]>)]) {
    let s = m.begin("a change");
    edit(&s, files);
    m.place.land(&s, &LandOptions::default()).unwrap();
}

/// How often the journal says that a session conflicts.
fn noted(domain: &Domain, s: &Session) -> usize {
    let lines = domain.journal_entries().unwrap();
    lines.iter().filter(|e| e.what == "conflict" && e.session.as_ref() == Some(s.id())).count()
}

fn refused(domain: &Domain, s: &Session, policy: Policy) -> Vec<String> {
    let options = CommitOptions { policy, ..CommitOptions::default() };
    match domain.commit(s.id(), options).unwrap_err() {
        CommitError::Conflict { conflicts, .. } => {
            conflicts.iter().map(|c| c.path.to_string()).collect()
        }
        e => panic!("{e}"),
    }
}

/// Paths are those of the project, wherever in it the session is; what tools run is warned of once.
#[test]
fn a_session_below_the_root_lands_under_the_projects_paths() {
    let line = project();
    let a = machine(&line);
    land(&a, &[("d/f", Some(b"0"))]);
    let domain = told(&a);
    let subdir = RelPath::new(b"d").unwrap();
    let s = a.place.begin(&domain, BeginOptions { subdir, ..BeginOptions::default() }).unwrap();
    edit(&s, &[("f", Some(b"1")), (".envrc", Some(b"1"))]);
    let landed = domain.commit(s.id(), CommitOptions::default()).unwrap();
    let paths: Vec<String> = landed.changes.changes.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(paths, ["d/.envrc", "d/f"]);
    let envrc = RelPath::new(b"d/.envrc").unwrap();
    assert_eq!(landed.warnings, [Warning::Executes { path: envrc }]);
    let look = a.begin("look");
    let v = look.view(ViewOptions::default()).unwrap();
    assert_eq!((read(&v, "d/f"), read(&v, "d/.envrc")), (b"1".into(), b"1".into()));
}

/// Whoever finds a conflict, the journal has it once.
#[test]
fn a_conflict_is_noted_once() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    land(&a, &[("f", Some(b"0")), ("h", Some(b"0")), ("read", Some(b"0"))]);
    let domain = told(&a);
    let s = begin(&a, &domain, Isolation::Snapshot);
    edit(&s, &[("f", Some(b"ours"))]);
    let reads = begin(&a, &domain, Isolation::Serializable);
    let w = reads.writer("test", ViewOptions::default()).unwrap();
    read(w.view(), "read");
    common::write(w.view(), "mine", b"1");
    w.finish().unwrap();
    // One that landed and does not know it yet, and went on with what was changed before that.
    let late = begin(&a, &domain, Isolation::Snapshot);
    edit(&late, &[("g", Some(b"ours"))]);
    land(&b, &[("h", Some(b"theirs"))]);
    line.hold("/head");
    domain.commit(late.id(), CommitOptions::default()).unwrap_err();
    line.mend();
    line.deliver();
    edit(&late, &[("h", Some(b"ours"))]);
    land(&b, &[("f", Some(b"theirs")), ("read", Some(b"theirs"))]);

    let tries = [Policy::Reject, Policy::Merge, Policy::Reject];
    for (n, policy) in (1..).zip(tries) {
        assert_eq!(refused(&domain, &s, policy), ["f"]);
        assert_eq!(noted(&domain, &s), n, "{policy:?}");
        assert_eq!(refused(&domain, &reads, policy), ["read"]);
        assert_eq!(noted(&domain, &reads), n, "reads, {policy:?}");
        assert_eq!(refused(&domain, &late, policy), ["h"]);
        assert_eq!(noted(&domain, &late), n, "late, {policy:?}");
    }
}

/// The directory is brought to where its landing left the head, which nobody is asked for again;
/// and never back to where an older one did.
#[test]
fn a_directory_follows_its_own_landing() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    let domain = told(&a);
    let position = || domain.store_binding().unwrap().unwrap().synced.unwrap().position;
    let text = |path: &str| std::fs::read_to_string(a.dir.path().join("base").join(path)).ok();
    let commit = |files: &[(&str, Option<&[u8]>)]| {
        let s = begin(&a, &domain, Isolation::Snapshot);
        edit(&s, files);
        let before = line.heads_asked();
        let landed = domain.commit(s.id(), CommitOptions::default()).unwrap();
        (landed, line.heads_asked() - before)
    };
    let (_, unbound) = commit(&[("f", Some(b"1"))]);
    let head = a.place.head().unwrap().0;
    let synced = Some(Synced { tree: head.tree().to_string(), position: head.position() });
    let binding = StoreBinding { synced, ..StoreBinding::new(URL, id().as_str()) };
    domain.set_store_binding(Some(&binding)).unwrap();
    std::fs::write(a.dir.path().join("base/f"), "1").unwrap();
    land(&b, &[("g", Some(b"2"))]);
    let (landed, asked) = commit(&[("f", Some(b"3"))]);
    assert_eq!(asked, unbound);
    assert_eq!(landed.head.unwrap().followed, Some(1));
    assert_eq!((position(), text("f"), text("g")), (3, Some("3".into()), Some("2".into())));

    // It landed at 4, and that is found out when the directory is at 5.
    let late = begin(&a, &domain, Isolation::Snapshot);
    edit(&late, &[("f", Some(b"4"))]);
    line.hold("/head");
    domain.commit(late.id(), CommitOptions::default()).unwrap_err();
    line.mend();
    line.deliver();
    land(&b, &[("f", Some(b"5"))]);
    a.place.update(&domain).unwrap();
    assert_eq!((position(), text("f")), (5, Some("5".into())));
    let landed = domain.commit(late.id(), CommitOptions::default()).unwrap();
    assert_eq!((landed.landing, landed.head.unwrap().followed), (Some(4), None));
    assert_eq!((position(), text("f")), (5, Some("5".into())));
    assert!(landed.warnings.is_empty(), "{:?}", landed.warnings);
}
