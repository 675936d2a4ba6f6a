//! The process that lands while the power fails: two threads, each in a directory of its own, and
//! a log, outside, of what was tried and what was acknowledged.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use brio_landing::{BeginOptions, CommitOptions, Domain, OpenOptions as Open, Session};
use brio_session::{Handle, OpenOptions as How, RelPath, ViewOptions};
use brio_tests::rng::Rng;
use brio_tests::tree::{Tree, change, changes, on_disk};
use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Line {
    /// A landing is about to make the directory this.
    Try {
        w: usize,
        n: usize,
        tree: Tree,
    },
    Landed {
        w: usize,
        n: usize,
        landing: u64,
        session: String,
    },
    /// A session was finished, and stays: it shows this.
    Clean {
        w: usize,
        session: String,
        tree: Tree,
    },
    /// A guest's fsync of a file in a session was acknowledged.
    Fsynced {
        session: String,
        path: String,
        text: String,
    },
    /// The session is about to go.
    Ending {
        session: String,
    },
}

pub(crate) const WORKERS: usize = 2;

pub(crate) fn make_base(base: &Path) {
    for w in 0..WORKERS {
        for d in ["", "a", "b", "b/c", "e"] {
            let dir = base.join(format!("w{w}")).join(d);
            std::fs::create_dir_all(&dir).unwrap();
            for f in 0..9 {
                std::fs::write(dir.join(format!("f{f}")), format!("{w} {d} {f}\n")).unwrap();
            }
        }
    }
}

pub(crate) fn open(base: &Path, boot: &str) -> Result<Domain, brio_landing::DomainError> {
    let options = Open { boot_id: boot.into(), ..Open::default() };
    Domain::open(base, options).map(|(d, _)| d)
}

/// Lands until it is killed.
pub(crate) fn work(base: &Path, log: &Path, seed: u64) {
    let log = Mutex::new(OpenOptions::new().create(true).append(true).open(log).unwrap());
    let domain = open(base, "boot-1").unwrap();
    std::thread::scope(|s| {
        for w in 0..WORKERS {
            let (domain, log) = (&domain, &log);
            s.spawn(move || land(domain, base, w, log, seed * 100 + w as u64));
        }
    });
}

fn say(log: &Mutex<File>, line: &Line) {
    let mut text = serde_json::to_vec(line).unwrap();
    text.push(b'\n');
    log.lock().unwrap().write_all(&text).unwrap();
}

fn land(domain: &Domain, base: &Path, w: usize, log: &Mutex<File>, seed: u64) {
    let mut rng = Rng::new(seed);
    let subdir = RelPath::new(format!("w{w}")).unwrap();
    let mut tree = on_disk(&base.join(format!("w{w}")));
    let begin = || {
        let subdir = subdir.clone();
        domain.begin(BeginOptions { subdir, ..BeginOptions::default() }).unwrap()
    };
    let mut kept: Vec<Session> = Vec::new();
    for n in 1.. {
        let s = begin();
        let mut next = tree.clone();
        let writer = s.writer("harness", ViewOptions::default()).unwrap();
        let count = 4 + rng.below(26);
        for c in changes(&mut next, &mut rng, count) {
            change(writer.view(), &c);
        }
        if rng.one_in(2) {
            writer.finish().unwrap();
        } else {
            drop(writer);
        }
        let session = s.id().to_string();
        say(log, &Line::Try { w, n, tree: next.clone() });
        let landed = domain.commit(s.id(), CommitOptions::default()).unwrap();
        if let Some(landing) = landed.landing {
            say(log, &Line::Landed { w, n, landing, session });
        }
        tree = next;
        match rng.below(6) {
            0 => kept.push(clean(domain, begin(), w, &tree, log, &mut rng)),
            1 => kept.push(fsynced(begin(), log, &mut rng)),
            2 if kept.len() > 2 => {
                let gone = kept.swap_remove(rng.below(kept.len()));
                say(log, &Line::Ending { session: gone.id().to_string() });
                domain.rollback(gone.id(), false).unwrap();
            }
            _ => {}
        }
    }
}

fn clean(
    _: &Domain,
    s: Session,
    w: usize,
    base: &Tree,
    log: &Mutex<File>,
    rng: &mut Rng,
) -> Session {
    let mut tree = base.clone();
    let writer = s.writer("harness", ViewOptions::default()).unwrap();
    for c in changes(&mut tree, rng, 8) {
        change(writer.view(), &c);
    }
    writer.finish().unwrap();
    say(log, &Line::Clean { w, session: s.id().to_string(), tree });
    s
}

fn fsynced(s: Session, log: &Mutex<File>, rng: &mut Rng) -> Session {
    let (path, text) = (format!("synced-{}", rng.below(1000)), format!("{}", rng.next_u64()));
    {
        let writer = s.writer("harness", ViewOptions::default()).unwrap();
        let how = How { write: true, create: true, ..How::default() };
        let v = writer.view();
        let Handle::File(f) = v.open_at(&v.root(), path.as_bytes(), &how).unwrap() else {
            panic!("{path} is a directory")
        };
        f.write_at(text.as_bytes(), 0).unwrap();
        f.sync(false).unwrap();
    }
    say(log, &Line::Fsynced { session: s.id().to_string(), path, text });
    s
}
