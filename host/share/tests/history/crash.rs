//! An undo that dies before any of its requests: the head is wholly before or after it, no
//! session is left, and it can be done again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use brio_landing::{BeginOptions, Domain, OpenOptions, UndoError, UndoOptions};
use brio_share::{LandOptions, Place, Places, ShareError};
use brio_store::StoreOptions;
use brio_store::backend::Directory;

use crate::common::{edit, id};
use crate::tapped::Tapped;

const WORK: &str = "BRIO_TEST_WORK";
const FATAL: &str = "BRIO_TEST_FATAL";

/// A machine over a directory store.
fn open(work: &Path, fatal: Option<u64>) -> (Place, Domain) {
    let tapped = Tapped::new(Arc::new(Directory::open(&work.join("store")).unwrap()), fatal);
    let places = Arc::new(Places::new(move |_| Ok(tapped.store(StoreOptions::default()))));
    let place = places.get("test://store", &id()).unwrap();
    let options =
        OpenOptions { boot_id: "boot-1".into(), trees: Some(places), ..OpenOptions::default() };
    (place, Domain::open(&work.join("base"), options).unwrap().0)
}

#[test]
#[ignore = "run, and killed, by an_undo_that_dies_is_nothing_or_all"]
fn child_that_undoes() {
    let Some(work) = std::env::var_os(WORK).map(PathBuf::from) else { return };
    let fatal = std::env::var(FATAL).unwrap().parse().unwrap();
    let (place, domain) = open(&work, Some(fatal));
    place.undo(&domain, 2, &UndoOptions::default()).unwrap();
}

#[test]
fn an_undo_that_dies_is_nothing_or_all() {
    let (mut before, mut after) = (0, 0);
    for fatal in 0.. {
        let work = tempfile::tempdir().unwrap();
        std::fs::create_dir(work.path().join("base")).unwrap();
        let (place, domain) = open(work.path(), None);
        let store =
            Tapped::new(Arc::new(Directory::open(&work.path().join("store")).unwrap()), None)
                .store(StoreOptions::default());
        place.run(move |_| async move { store.create(&id()).await.map(drop) }).unwrap();
        for content in [&b"1"[..], b"2"] {
            let s = place.begin(&domain, BeginOptions::default()).unwrap();
            edit(&s, &[("f", Some(content)), ("g", Some(content))]);
            place.land(&s, &LandOptions::default()).unwrap();
        }
        let trees: Vec<_> = [1, 2]
            .map(|n| {
                let head = place.head().unwrap().0;
                place.run(move |p| async move { Ok(p.past(n, &head).await?.base.tree) }).unwrap()
            })
            .into();
        drop((place, domain));

        let died = !Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_undoes", "--ignored", "--quiet"])
            .env(WORK, work.path())
            .env(FATAL, fatal.to_string())
            .output()
            .unwrap()
            .status
            .success();
        let (place, domain) = open(work.path(), None);
        let head = place.head().unwrap().0;
        match head.position() {
            2 => {
                assert_eq!(head.tree(), trees[1]);
                before += 1;
            }
            3 => {
                assert_eq!(head.tree(), trees[0]);
                after += 1;
            }
            n => panic!("died before request {fatal}: the head is at {n}"),
        }
        assert_eq!(domain.sessions().unwrap().len(), 0);
        domain.gc().unwrap();
        let left: Vec<_> =
            std::fs::read_dir(work.path().join("base/.brio/sessions")).unwrap().collect();
        assert_eq!(left.len(), 0, "died before request {fatal}: {left:?}");
        match place.undo(&domain, 2, &UndoOptions::default()) {
            Ok(_) => assert_eq!(head.position(), 2),
            Err(ShareError::Undo(UndoError::AlreadyUndone { by: 3, .. })) => {
                assert_eq!(head.position(), 3);
            }
            Err(e) => panic!("died before request {fatal}: {e}"),
        }
        assert_eq!(place.head().unwrap().0.tree(), trees[0]);
        if !died {
            break;
        }
    }
    println!("before: {before} times, after: {after} times");
    assert!(before > 5 && after > 1, "{before}, {after}");
}
