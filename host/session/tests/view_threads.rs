//! Several threads on one view: nothing hangs, nothing is lost, and an end is an end.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use brio_session::{FsError, SetTime, View};
use common::{Fixture, Short, how, read_all};

fn fixture() -> Fixture {
    Fixture::new(|b| {
        std::fs::create_dir(b.join("d")).unwrap();
        for i in 0..8 {
            std::fs::write(b.join(format!("d/{i}")), vec![i; 50_000]).unwrap();
        }
    })
}

/// Ends the process when `f` has not come to an end: a deadlock must not hang the suite.
fn watched<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    let (done, wait) = mpsc::channel::<()>();
    let dog = std::thread::spawn(move || {
        if wait.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("deadlock: no end after 60 seconds");
            std::process::abort();
        }
    });
    let out = f();
    drop(done);
    dog.join().unwrap();
    out
}

/// Two writers, a renamer, an opener and a restacker: no deadlock, and every append arrives.
#[test]
fn hammered() {
    watched(|| {
        let mut f = fixture();
        let v = f.view();
        let stop = AtomicBool::new(false);
        let handles: Vec<_> =
            (0..8).map(|i| v.file(&format!("d/{i}"), how("rw")).unwrap()).collect();
        let (v, stop_ref, handles_ref) = (&v, &stop, &handles);
        std::thread::scope(|s| {
            let writers: Vec<_> = (0..2u8)
                .map(|t| {
                    s.spawn(move || {
                        for n in 0..200 {
                            handles_ref[n % 8].append(&[200 + t; 3]).unwrap();
                        }
                    })
                })
                .collect();
            s.spawn(move || {
                while !stop_ref.load(Ordering::SeqCst) {
                    v.mv("d", "e").unwrap();
                    v.mv("e", "d").unwrap();
                    v.put("new", b"x").unwrap();
                    v.unlink("new").unwrap();
                }
            });
            s.spawn(move || {
                let mut n = 0u64;
                while !stop_ref.load(Ordering::SeqCst) {
                    n += 1;
                    let h = v.file(&format!("d/{}", n % 8), how("r"));
                    if let Ok(h) = h {
                        let got = read_all(&h).unwrap();
                        assert!(
                            got.len() >= 50_000
                                && got[..50_000].iter().all(|b| *b == (n % 8) as u8)
                        );
                        h.meta().unwrap();
                    }
                    let _ = (v.ls("."), v.changes().unwrap());
                }
            });
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(5));
                f.restack(v);
            }
            let failed = writers.into_iter().any(|w| w.join().is_err());
            stop.store(true, Ordering::SeqCst);
            assert!(!failed);
        });
        let total: usize = (0..8).map(|i| v.get(&format!("d/{i}")).unwrap().len()).sum();
        assert_eq!(total, 8 * 50_000 + 400 * 3);
        let tree: Vec<_> = (0..8).map(|i| v.get(&format!("d/{i}")).unwrap()).collect();
        let again = f.view();
        assert_eq!(tree, (0..8).map(|i| again.get(&format!("d/{i}")).unwrap()).collect::<Vec<_>>());
    });
}

/// Of many who create one name exclusively, one succeeds; of many who just create it, all have one file.
#[test]
fn one_name_is_made_once() {
    watched(|| {
        let f = fixture();
        let v = f.view();
        for n in 0..60 {
            let (made, start) = (AtomicUsize::new(0), std::sync::Barrier::new(4));
            std::thread::scope(|s| {
                for _ in 0..4 {
                    s.spawn(|| {
                        start.wait();
                        match v.file(&format!("x{n}"), how("wcx")) {
                            Ok(_) => drop(made.fetch_add(1, Ordering::SeqCst)),
                            Err(e) => assert_eq!(e, FsError::Exists),
                        }
                        let h = v.file(&format!("y{n}"), how("wc")).unwrap();
                        h.append(b"1").unwrap();
                    });
                }
            });
            assert_eq!(made.load(Ordering::SeqCst), 1);
            assert_eq!(v.get(&format!("y{n}")).unwrap(), b"1111");
        }
    });
}

/// A file that is unlinked while it is copied up is still written.
#[test]
fn unlink_meets_copy_up() {
    watched(|| {
        let f = fixture();
        let v = f.view();
        for i in 0..8 {
            let h = v.file(&format!("d/{i}"), how("rw")).unwrap();
            std::thread::scope(|s| {
                s.spawn(|| h.write_at(b"!", 0).unwrap());
                s.spawn(|| v.unlink(&format!("d/{i}")).unwrap());
            });
            let got = read_all(&h).unwrap();
            assert_eq!((got.len(), got[0]), (50_000, b'!'));
            assert_eq!(h.meta().unwrap().nlink, 0);
        }
        assert_eq!(v.ls("d").unwrap(), Vec::<String>::new());
    });
}

/// The gate waits for a write that is under way, and holds back the next.
#[test]
fn gate_waits_for_writes() {
    use brio_session::{Door, Hook, Op, Verdict, ViewOptions};
    struct Slow(std::sync::Mutex<mpsc::Sender<()>>, AtomicBool);
    impl Hook for Slow {
        fn verdict(&self, op: Op) -> Verdict {
            if op == Op::Write {
                self.0.lock().unwrap().send(()).unwrap();
                std::thread::sleep(Duration::from_millis(100));
                self.1.store(true, Ordering::SeqCst);
            }
            Verdict::Go
        }
    }
    watched(|| {
        let f = fixture();
        let (started, wait) = mpsc::channel();
        let hook =
            std::sync::Arc::new(Slow(std::sync::Mutex::new(started), AtomicBool::new(false)));
        let v =
            f.view_with(ViewOptions { door: Door::with_hook(hook.clone()), ..Default::default() });
        let h = v.file("new", how("wc")).unwrap();
        let held = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| h.write_at(b"1", 0).unwrap());
            wait.recv().unwrap();
            let gate = v.gate();
            assert!(hook.1.load(Ordering::SeqCst), "the write in flight was not waited for");
            assert_eq!(v.get("new").unwrap(), b"1");
            s.spawn(|| {
                h.write_at(b"2", 0).unwrap();
                assert!(held.load(Ordering::SeqCst), "a write passed a closed gate");
            });
            std::thread::sleep(Duration::from_millis(50));
            held.store(true, Ordering::SeqCst);
            drop(gate);
        });
        assert_eq!(v.get("new").unwrap(), b"2");
    });
}

/// After the end, handles are stale and look-ups are told so.
#[test]
fn end_is_an_end() {
    let f = fixture();
    let v = f.view();
    let (h, d) = (v.file("d/1", how("rw")).unwrap(), v.dir("d").unwrap());
    h.write_at(b"x", 0).unwrap();
    v.end();
    let check = |v: &View| {
        assert_eq!(h.read_at(&mut [0], 0), Err(FsError::Stale));
        assert_eq!(h.write_at(b"y", 0), Err(FsError::Stale));
        assert_eq!(h.append(b"y"), Err(FsError::Stale));
        assert_eq!(h.set_len(0), Err(FsError::Stale));
        assert_eq!(h.meta().err(), Some(FsError::Stale));
        assert_eq!(h.sync(false), Err(FsError::Stale));
        assert_eq!(h.set_mode(0o600), Err(FsError::Stale));
        assert_eq!(h.set_times(SetTime::Now, SetTime::Now), Err(FsError::Stale));
        assert_eq!(d.list().err(), Some(FsError::Stale));
        assert_eq!(d.meta().err(), Some(FsError::Stale));
        assert_eq!(d.path().err(), Some(FsError::Stale));
        assert_eq!(d.set_mode(0o700), Err(FsError::Stale));
        assert_eq!(v.stat("d"), Err(FsError::Ended));
        assert_eq!(v.get("d/2").err(), Some(FsError::Ended));
        assert_eq!(v.put("d/2", b""), Err(FsError::Ended));
        assert_eq!(v.mkdir("x"), Err(FsError::Ended));
        assert_eq!(v.unlink("d/2"), Err(FsError::Ended));
        assert_eq!(v.mv("d", "e"), Err(FsError::Ended));
        assert_eq!(v.changes().err(), Some(FsError::Ended));
    };
    check(&v);
    check(&v.clone());
    let again = f.view();
    assert_eq!(again.get("d/1").unwrap()[..2], [b'x', 1]);
}
