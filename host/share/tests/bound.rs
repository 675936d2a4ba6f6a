//! A directory that belongs to a project follows its head, and what somebody did there himself
//! stays.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use brio_landing::{StoreBinding, Synced};
use brio_share::{LandOptions, ShareError};
use brio_store::tree::{Entry, Key};
use brio_store::{Landing, Project, Why};
use common::{Machine, URL, edit, id, machine, project};

fn base(m: &Machine) -> PathBuf {
    m.dir.path().join("base")
}

/// Lands what a session on the head changes.
fn land(m: &Machine, files: &[(&str, Option<&[u8]>)]) {
    let s = m.begin("a change");
    edit(&s, files);
    m.place.land(&s, &LandOptions::default()).unwrap();
}

/// The empty directory belongs to the project, at position 0.
fn bind(m: &Machine) {
    let head = m.place.head().unwrap().0;
    let empty = StoreBinding::new(URL, id().as_str());
    let synced = Some(Synced { tree: head.tree().to_string(), position: head.position() });
    m.domain.set_store_binding(Some(&StoreBinding { synced, ..empty })).unwrap();
}

fn text(m: &Machine, path: &str) -> Option<String> {
    std::fs::read_to_string(base(m).join(path)).ok()
}

/// The directory has what the head has, with modes and links; an update again does nothing; each
/// is one landing, which can be undone.
#[test]
fn a_directory_follows_the_head() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    bind(&a);
    land(
        &b,
        &[("f", Some(b"1")), ("d/g", Some(b"2")), ("gone", Some(b"x")), ("turns", Some(b"x"))],
    );
    let done = a.place.update(&a.domain).unwrap();
    assert_eq!((done.position, done.landing, done.kept.len()), (1, Some(1), 0));
    assert_eq!(text(&a, "d/g").as_deref(), Some("2"));

    let s = b.begin("more");
    let w = s.writer("test", Default::default()).unwrap();
    let (v, root) = (w.view(), w.view().root());
    v.unlink_at(&root, b"gone").unwrap();
    v.unlink_at(&root, b"turns").unwrap();
    v.mkdir_at(&root, b"turns").unwrap();
    v.symlink_at(b"../f", &root, b"turns/link").unwrap();
    v.set_mode_at(&root, b"f", false, 0o755).unwrap();
    v.rename_at(&root, b"d", &root, b"moved").unwrap();
    w.finish().unwrap();
    b.place.land(&s, &LandOptions::default()).unwrap();
    let done = a.place.update(&a.domain).unwrap();
    assert_eq!((done.position, done.landing, done.kept.len()), (2, Some(2), 0));
    assert_eq!(text(&a, "moved/g").as_deref(), Some("2"));
    assert!(!base(&a).join("gone").exists() && !base(&a).join("d").exists());
    assert_eq!(std::fs::read_link(base(&a).join("turns/link")).unwrap().to_str(), Some("../f"));
    assert_eq!(base(&a).join("f").metadata().unwrap().permissions().mode() & 0o777, 0o755);

    let written = || base(&a).join(".brio/store.json").metadata().unwrap().ino();
    let before = written();
    let again = a.place.update(&a.domain).unwrap();
    assert_eq!(written(), before, "what is so is not written again");
    assert_eq!((again.position, again.landing, again.kept), (2, None, Vec::new()));
    assert_eq!(a.domain.store_binding().unwrap().unwrap().synced.unwrap().position, 2);
}

/// Edits, removals, other kinds and additions of somebody here stay, and are told.
#[test]
fn what_somebody_did_here_stays() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    bind(&a);
    land(
        &b,
        &[
            ("edited", Some(b"1")),
            ("removed", Some(b"1")),
            ("replaced", Some(b"1")),
            ("dir/a", Some(b"1")),
            ("fine", Some(b"1")),
            ("same", Some(b"1")),
            ("parent/x", Some(b"1")),
        ],
    );
    a.place.update(&a.domain).unwrap();
    std::fs::write(base(&a).join("edited"), "mine").unwrap();
    std::fs::remove_file(base(&a).join("removed")).unwrap();
    std::fs::remove_file(base(&a).join("replaced")).unwrap();
    symlink("elsewhere", base(&a).join("replaced")).unwrap();
    std::fs::write(base(&a).join("dir/mine"), "mine").unwrap();
    std::fs::write(base(&a).join("added"), "mine").unwrap();
    std::fs::write(base(&a).join("same"), "2").unwrap();
    std::fs::remove_dir_all(base(&a).join("parent")).unwrap();

    let s = b.begin("changes all of it");
    edit(
        &s,
        &[
            ("edited", Some(b"2")),
            ("removed", Some(b"2")),
            ("replaced", Some(b"2")),
            ("added", Some(b"2")),
            ("fine", Some(b"2")),
            ("same", Some(b"2")),
            ("parent/y", Some(b"2")),
            ("dir/a", None),
        ],
    );
    let w = s.writer("test", Default::default()).unwrap();
    w.view().rmdir_at(&w.view().root(), b"dir").unwrap();
    w.finish().unwrap();
    b.place.land(&s, &LandOptions::default()).unwrap();

    let done = a.place.update(&a.domain).unwrap();
    let kept: Vec<String> = done.kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["added", "dir", "edited", "parent/y", "removed", "replaced"]);
    assert_eq!(text(&a, "edited").as_deref(), Some("mine"));
    assert_eq!(text(&a, "added").as_deref(), Some("mine"));
    assert_eq!(text(&a, "dir/mine").as_deref(), Some("mine"));
    assert!(!base(&a).join("removed").exists() && !base(&a).join("dir/a").exists());
    assert!(base(&a).join("replaced").is_symlink());
    assert_eq!(text(&a, "fine").as_deref(), Some("2"), "the rest follows");
    assert_eq!(text(&a, "same").as_deref(), Some("2"));
}

/// Lands another mode of a file.
fn set_mode(m: &Machine, path: &'static str, mode: u16) {
    let landed = m.place.run(move |p: Project| async move {
        let (on, key) = (p.head().await?.base(), Key::new(path.as_bytes())?);
        let Some(Entry::File { content, .. }) = p.tree(on.tree).get(&key).await? else {
            panic!("{path} is no file")
        };
        let edits = [(key, Some(Entry::File { mode, content }))].into();
        p.land(on, &edits, &Why::default(), p.upload()).await
    });
    assert!(matches!(landed.unwrap(), Landing::Landed(_)));
}

/// A change of which the directory takes nothing is no landing there, and nothing to tell.
#[test]
fn set_id_bits_alone_are_nothing_to_do() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    bind(&a);
    land(&b, &[("tool", Some(b"1"))]);
    set_mode(&b, "tool", 0o4755);
    let update = || {
        let done = a.place.update(&a.domain).unwrap();
        (done.position, done.landing, done.kept.len())
    };
    let mode = || base(&a).join("tool").metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((update(), mode()), ((2, Some(1), 0), 0o755));
    set_mode(&b, "tool", 0o6755);
    assert_eq!((update(), mode()), ((3, None, 0), 0o755));
    std::fs::write(base(&a).join("tool"), "mine").unwrap();
    set_mode(&b, "tool", 0o755);
    assert_eq!(update(), (4, None, 0));
    assert_eq!(text(&a, "tool").as_deref(), Some("mine"));
}

/// Without a binding, or a state that it held, nothing is guessed.
#[test]
fn nothing_is_guessed() {
    let line = project();
    let a = machine(&line);
    let e = a.place.update(&a.domain).unwrap_err();
    assert!(matches!(e, ShareError::NotBound { .. }) && e.to_string().starts_with("NOT_BOUND"));
    a.domain.set_store_binding(Some(&StoreBinding::new(URL, id().as_str()))).unwrap();
    let e = a.place.update(&a.domain).unwrap_err();
    assert!(matches!(e, ShareError::NotSynced { .. }) && e.to_string().starts_with("NOT_SYNCED"));
    bind(&a);
    land(&a, &[("f", Some(b"1"))]);
    line.cut();
    let e = a.place.update(&a.domain).unwrap_err();
    assert!(e.to_string().starts_with("STORE_UNREACHABLE"), "{e}");
    assert!(!base(&a).join("f").exists());
    line.mend();
    assert_eq!(a.place.update(&a.domain).unwrap().landing, Some(1));
}
