//! A base, a home, the binary, and a model of the base.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use brio_landing::{BeginOptions, Domain, Metadata, OpenOptions, Session, SessionId};
use brio_session::ViewOptions;
use brio_tests::rng::Rng;
use brio_tests::tree::{Tree, change, changes, on_disk, same, seen};
use serde_json::Value;

use crate::{When, edits};

pub(crate) struct World {
    dir: tempfile::TempDir,
    base: PathBuf,
    /// What the base holds.
    pub(crate) tree: Tree,
    /// A session that began some rounds ago, and what it must go on to show.
    bystander: Option<Bystander>,
}

struct Bystander {
    session: Session,
    tree: Tree,
    /// Rounds until it goes.
    rounds: usize,
    /// What outside edited meanwhile: such an edit is drift, and shown.
    edited: BTreeSet<String>,
}

/// How a command that was to be killed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was quicker, with status 0: an acknowledgement.
    Success,
    /// It was quicker, with another status.
    Failure,
    Killed,
}

fn scratch() -> PathBuf {
    match std::env::var_os("TMPDIR") {
        Some(dir) => dir.into(),
        None if Path::new("/dev/shm").is_dir() => "/dev/shm".into(),
        None => std::env::temp_dir(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in(scratch()).unwrap();
        let base = dir.path().join("base");
        for d in ["", "a", "b", "b/c", "e"] {
            fs::create_dir_all(base.join(d)).unwrap();
            for f in 0..12 {
                fs::write(base.join(d).join(format!("f{f}")), format!("{d} {f}\n")).unwrap();
            }
        }
        let tree = on_disk(&base);
        Self { dir, base, tree, bystander: None }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn domain(&self) -> Domain {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let options = OpenOptions {
            home: Some(self.dir.path().join("home")),
            user_home: Some(self.dir.path().into()),
            boot_id: boot_id.trim().to_owned(),
            ..OpenOptions::default()
        };
        Domain::open(self.base(), options).unwrap().0
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_brio"));
        c.args(args)
            .current_dir(self.base())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("BRIO_HOME", self.dir.path().join("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        c
    }

    /// Runs a command to its end; what it said.
    pub(crate) fn ok(&self, args: &[&str], label: &str) -> String {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{label}: {args:?}: {status}: {said}");
        assert!(!said.contains("panicked"), "{label}: {args:?}: {said}");
        said
    }

    /// Starts a command and kills it.
    pub(crate) fn kill(&self, args: &[&str], at: When, landings: &[String]) -> Ended {
        let mut child = self.command(args).spawn().unwrap();
        let started = Instant::now();
        let mut seen = None;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                // It may have ended by itself in this very moment.
                return match (status.success(), status.signal()) {
                    (true, _) => Ended::Success,
                    (_, Some(9)) => Ended::Killed,
                    (_, Some(s)) => panic!("{args:?} died of signal {s}"),
                    _ => Ended::Failure,
                };
            }
            let now = match at {
                When::After(d) => started.elapsed() >= d,
                When::Seen(dir, d) => {
                    if seen.is_none() && self.names(dir).iter().any(|n| !landings.contains(n)) {
                        seen = Some(Instant::now());
                    }
                    seen.is_some_and(|s| s.elapsed() >= d)
                }
            };
            if now {
                let _ = child.kill();
            } else {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }

    /// Names in a directory of `.brio`.
    pub(crate) fn names(&self, sub: &str) -> Vec<String> {
        let dir = fs::read_dir(self.base.join(".brio").join(sub));
        dir.into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .collect()
    }

    /// A session with changes, and the base as they make it.
    pub(crate) fn session(&mut self, rng: &mut Rng) -> (SessionId, Tree) {
        let domain = self.domain();
        let metadata = Metadata { goal: Some("to be killed".into()), ..Metadata::default() };
        let s = domain.begin(BeginOptions { metadata, ..BeginOptions::default() }).unwrap();
        let mut new = self.tree.clone();
        let w = s.writer("harness", ViewOptions::default()).unwrap();
        let count = 20 + rng.below(31);
        for c in changes(&mut new, rng, count) {
            change(w.view(), &c);
        }
        w.finish().unwrap();
        if self.bystander.is_none() {
            self.bystander = Some(Bystander {
                session: domain.begin(BeginOptions::default()).unwrap(),
                tree: self.tree.clone(),
                rounds: 2 + rng.below(8),
                edited: BTreeSet::new(),
            });
        }
        (s.id().clone(), new)
    }

    /// The texts of what was set aside.
    pub(crate) fn kept(&self) -> Vec<String> {
        let mut out = Vec::new();
        edits::texts(&self.base.join(".brio/kept"), &mut out);
        out
    }

    /// Takes the base as it is now for the next round's.
    pub(crate) fn tidy(&mut self) {
        edits::tidy(self.base());
        let _ = fs::remove_dir_all(self.base.join(".brio/kept"));
        self.tree = on_disk(self.base());
    }

    pub(crate) fn open_sessions(&self) -> Vec<SessionId> {
        self.domain().sessions().unwrap().into_iter().map(|s| s.id).collect()
    }

    /// The command's list, the domain and the disk agree, and nothing is left behind.
    pub(crate) fn agree(&mut self, label: &str) {
        let said = self.command(&["session", "list", "--json"]).output().unwrap();
        assert!(said.status.success(), "{label}: {said:?}");
        let list: Value = serde_json::from_slice(&said.stdout).unwrap();
        let mut listed: Vec<_> = list["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["id"].as_str().unwrap().to_owned())
            .collect();
        listed.sort();
        let mut open: Vec<_> =
            self.open_sessions().iter().map(|id| id.as_str().to_owned()).collect();
        open.sort();
        let mut on_disk = self.names("sessions");
        on_disk.sort();
        assert_eq!(listed, open, "{label}: the list and the domain");
        assert_eq!(on_disk, open, "{label}: the disk and the domain");
        self.domain().gc().unwrap();
        for sub in ["staging", "trash"] {
            assert_eq!(self.names(sub), Vec::<String>::new(), "{label}: leaked in {sub}");
        }
        if let Some(b) = &mut self.bystander {
            // T17: whatever happened beside it.
            let mut now = seen(&b.session.view(ViewOptions::default()).unwrap());
            let mut then = b.tree.clone();
            for edited in &b.edited {
                let near = |p: &str| p.starts_with(edited.as_str()) || edited.starts_with(p);
                now.retain(|p, _| !near(p));
                then.retain(|p, _| !near(p));
            }
            same(&now, &then, &format!("{label}: the bystander {}", b.session.id()));
            b.rounds -= 1;
            if b.rounds == 0 {
                let id = b.session.id().clone();
                self.domain().rollback(&id, false).unwrap();
                self.bystander = None;
            }
        }
    }

    /// Remembers what outside did.
    pub(crate) fn edited<'a>(&mut self, paths: impl Iterator<Item = &'a String>) {
        if let Some(b) = &mut self.bystander {
            b.edited.extend(paths.cloned());
        }
    }
}
