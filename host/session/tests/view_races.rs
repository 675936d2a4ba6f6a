//! Somebody outside exchanges a directory of the base and a link that leads out, while a view
//! looks and changes below it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use brio_session::{Door, View};
use common::{Fixture, Short, open_dir};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// T18: an ancestor that becomes a link in between leads nowhere.
#[test]
fn an_ancestor_that_becomes_a_link_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("f"), "outside").unwrap();
    std::fs::create_dir(outside.path().join("theirs")).unwrap();
    let fixture = Fixture::new(|base| {
        std::fs::create_dir_all(base.join("a/b/c")).unwrap();
        for dir in ["a/b", "a/b/c"] {
            std::fs::write(base.join(dir).join("f"), "inside").unwrap();
        }
        symlink(outside.path(), base.join("a/link")).unwrap();
    });
    let (over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let base = fixture.base();
    let swap = |a: &str, b: &str| {
        let (a, b) = (base.join(a), base.join(b));
        if renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_ok() {
            swaps.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (mut read, mut refused, mut fooled) = (0_u64, 0_u64, 0_u64);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                swap("a/b", "a/link");
            }
        });
        let until = Instant::now() + Duration::from_secs(3);
        for n in 0_u64.. {
            if Instant::now() > until && read > 100 && refused > 100 && fooled > 0 {
                break;
            }
            assert!(Instant::now() < until + Duration::from_secs(60), "{read} read, {refused} not");
            // Whoever asks the kernel for the path is led out.
            fooled += u64::from(std::fs::read(base.join("a/b/f")).is_ok_and(|b| b == b"outside"));
            // A view is used for a while, so that what it remembers is tried too.
            let view = fixture.view();
            for path in ["a/b/f", "a/b/c/f", "a/link/f"] {
                match view.get(path) {
                    Ok(content) => {
                        assert_eq!(content, b"inside", "{path}");
                        read += 1;
                    }
                    Err(_) => refused += 1,
                }
                let _ = view.stat(path);
                if let Ok(names) = view.ls(path.trim_end_matches("/f")) {
                    assert!(!names.contains(&"theirs".to_owned()), "{path}: {names:?}");
                }
            }
            match n % 4 {
                0 => drop(view.put("a/b/f", b"changed")),
                1 => drop(view.put(&format!("a/b/new-{n}"), b"new")),
                2 => drop(view.mkdir("a/b/c/made")),
                _ => drop(view.unlink("a/b/c/f")),
            }
            if let Ok(content) = view.get("a/b/f") {
                assert!([&b"inside"[..], b"changed"].contains(&&content[..]), "{content:?}");
            }
            drop(view);
            fresh(&fixture);
        }
        over.store(true, Ordering::Relaxed);
    });
    eprintln!("{} exchanges, {read} reads, {refused} refused", swaps.load(Ordering::Relaxed));
    assert!(swaps.load(Ordering::Relaxed) > 100 && fooled > 0);
    assert_eq!(names(outside.path()), ["f", "theirs"]);
    assert_eq!(std::fs::read(outside.path().join("f")).unwrap(), b"outside");
}

/// An empty layer for the next view.
fn fresh(fixture: &Fixture) {
    let layer = &fixture.layers[0];
    std::fs::remove_dir_all(layer).unwrap();
    std::fs::create_dir(layer).unwrap();
    View::create_layer(&open_dir(layer), &Door::default()).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let name =
        |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}
