//! Binds and mounts as a program that embeds Brio has them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use brio_host::{BindAccess, BindError, BindSource, Brio, CommitOptions, Metadata, SessionHandle};

struct Place {
    tmp: tempfile::TempDir,
    brio: Brio,
    base: PathBuf,
}

fn place() -> Place {
    let tmp = tempfile::tempdir().unwrap();
    let base = tmp.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::create_dir(tmp.path().join("data")).unwrap();
    let brio = Brio::open(tmp.path().join("home")).unwrap();
    Place { tmp, brio, base }
}

fn told(session: &SessionHandle, p: &Place) -> Vec<(String, String, String)> {
    let mut reader = p.brio.journal(&p.base).unwrap();
    let lines = reader.more().unwrap().into_iter().map(|line| line.entry);
    let own = lines.filter(|e| e.session.as_ref() == Some(session.id()));
    let word = |e: &brio_host::JournalEntry, key: &str| {
        e.detail.as_ref()?.get(key)?.as_str().map(str::to_owned)
    };
    own.filter_map(|e| Some((e.what.clone(), word(&e, "source")?, word(&e, "target")?))).collect()
}

// F-081: `session.notify_mount_success(source, target)`, `notify_bind_success(source, target)`.
#[test]
fn a_program_binds_mounts_and_announces() {
    let p = place();
    let [session, other] = [(); 2].map(|()| p.brio.begin(&p.base, Metadata::default()).unwrap());
    let data = p.tmp.path().canonicalize().unwrap().join("data");
    let bound = session.bind(&data, "/data", BindAccess::default()).unwrap();
    assert_eq!(bound.source, BindSource::Directory(data.clone()));
    assert_eq!(bound.access, BindAccess::ReadOnly);
    session.mount(&other, "/other").unwrap();
    session.mount_landing(0, "/before").unwrap();
    let targets: Vec<_> = session.binds().unwrap().into_iter().map(|b| b.target).collect();
    assert_eq!(targets, ["/before", "/data", "/other"]);
    session.unbind("/data").unwrap();
    session.unmount_at("/other").unwrap();
    // Shown by means of its own.
    session.notify_bind_success("/srv/more", "/more").unwrap();
    session.notify_mount_success(other.id(), "/again").unwrap();
    let line = |what: &str, source: &str, target: &str| {
        (what.to_owned(), source.to_owned(), target.to_owned())
    };
    let (data, other) = (data.display().to_string(), other.id().as_str());
    let want = [
        line("bound", &data, "/data"),
        line("mounted", other, "/other"),
        line("mounted", "landing:0", "/before"),
        line("unbound", &data, "/data"),
        line("unmounted", other, "/other"),
        line("bound", "/srv/more", "/more"),
        line("mounted", other, "/again"),
    ];
    assert_eq!(told(&session, &p), want);
    session.commit(CommitOptions::default()).unwrap();
    assert!(session.notify_bind_success("/a", "/b").is_err(), "it has ended");
    assert!(matches!(session.binds(), Err(BindError::Session(_))));
}

// A session of another base can be mounted; one that shows this one cannot.
#[test]
fn sessions_of_other_bases_can_be_mounted() {
    let p = place();
    let second = p.tmp.path().join("second");
    fs::create_dir(&second).unwrap();
    let here = p.brio.begin(&p.base, Metadata::default()).unwrap();
    let there = p.brio.begin(&second, Metadata::default()).unwrap();
    here.mount(&there, "/there").unwrap();
    let error = there.mount(&here, "/here").unwrap_err();
    assert_eq!(error.code(), "MOUNT_CYCLE");
    assert!(error.to_string().starts_with("MOUNT_CYCLE: "), "{error}");
    there.rollback(false).unwrap();
    // Nothing is left of the refused one.
    assert_eq!(here.binds().unwrap().len(), 1);
}
