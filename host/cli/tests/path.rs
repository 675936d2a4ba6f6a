//! `brio session path`: a session as a directory for a person's own tools.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{NOBODY, TestEnvironment, as_nobody, is_root, skip, until};

/// A mounted session; not mounted any more when this is dropped.
struct Mounted<'a> {
    env: &'a TestEnvironment,
    id: String,
    at: PathBuf,
}

impl<'a> Mounted<'a> {
    /// `None`: sessions cannot be mounted here, which is said.
    fn of(env: &'a TestEnvironment, begin: &[&str], options: &[&str]) -> Option<Self> {
        let args = [&["session", "begin"][..], begin].concat();
        let id = env.ok(&args).trim_end().to_owned();
        let args = [&["session", "path", &id, "--json"][..], options].concat();
        let (status, shown) = env.json(&args);
        assert_eq!(status, 0, "{shown}");
        if shown["shown"] == "export" {
            skip("path: sessions cannot be mounted here");
            return None;
        }
        assert_eq!((&shown["shown"], &shown["session"]), (&"mount".into(), &id.as_str().into()));
        let at = PathBuf::from(shown["path"].as_str().unwrap());
        Some(Self { env, id, at })
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.contains(&format!(" {} ", self.at.display()))
    }

    fn server(&self) -> String {
        let lock = fs::read_to_string(self.at.with_extension("lock")).unwrap();
        let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
        lock["pid"].to_string()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.at.join(path), text).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = self.env.brio(&["session", "path", "--unmount", &self.id]);
        let _ = Command::new("umount").arg("-l").arg(&self.at).stderr(Stdio::null()).status();
    }
}

#[test]
fn the_path_shows_the_session_and_takes_what_is_written() {
    // B-013, B-040
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let Some(it) = Mounted::of(&env, &[], &[]) else { return };
    assert_eq!(it.read("notes.txt"), "one\ntwo\nthree\n");
    assert!(it.is_mounted());
    let again = env.ok(&["session", "path", &it.id]);
    assert_eq!(Path::new(again.trim_end()), it.at, "one mount, one path");

    it.write("made.txt", "made\n");
    fs::create_dir(it.at.join("d")).unwrap();
    fs::rename(it.at.join("notes.txt"), it.at.join("d/notes.txt")).unwrap();
    let diff = env.ok(&["session", "diff", "--stat", &it.id]);
    assert!(diff.contains("made.txt") && diff.contains("d/notes.txt"), "at once: {diff}");
    assert_eq!(env.snapshot(), before, "the base is what it was");
    let git = fs::create_dir(it.at.join(".git")).unwrap_err();
    assert_eq!(git.kind(), ErrorKind::ReadOnlyFilesystem);

    env.ok(&["session", "commit", &it.id]);
    assert_eq!(env.read("made.txt") + &env.read("d/notes.txt"), "made\none\ntwo\nthree\n");
    until("the mount of a session that ended goes away", || !it.is_mounted() && !it.at.exists());
    env.error(&["session", "path", &it.id], 2, "SESSION_ENDED");
}

#[test]
fn who_wants_the_session_has_it_and_open_files_go_on() {
    let env = TestEnvironment::new();
    let Some(it) = Mounted::of(&env, &[], &[]) else { return };
    let notes = it.at.join("notes.txt");
    let mut open = OpenOptions::new().read(true).write(true).open(&notes).unwrap();
    open.write_all(b"ONE").unwrap();
    // Another writer: asks the mount to let go, and changes what is open there.
    let dir = env.path().join("other");
    env.ok(&["session", "export", &it.id, dir.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(dir.join("notes.txt")).unwrap(), "ONE\ntwo\nthree\n");
    fs::write(dir.join("notes.txt"), "ONE\nzwei\nthree\n").unwrap();
    fs::write(dir.join("more.txt"), "more\n").unwrap();
    env.ok(&["session", "import", &it.id, dir.to_str().unwrap()]);

    until("the mount shows what another did", || it.at.join("more.txt").exists());
    let mut text = String::new();
    until("an open file too", || {
        text.clear();
        open.rewind().unwrap();
        open.read_to_string(&mut text).unwrap();
        text == "ONE\nzwei\nthree\n"
    });
    open.write_all(b"four\n").unwrap();
    assert_eq!(it.read("notes.txt"), "ONE\nzwei\nthree\nfour\n");
    let number = open.metadata().unwrap().ino();
    env.ok(&["session", "checkpoint", &it.id, "here"]);
    // Longer than the kernel trusts a name.
    std::thread::sleep(Duration::from_millis(1500));
    let numbers = [fs::metadata(&notes).unwrap().ino(), open.metadata().unwrap().ino()];
    assert_eq!(numbers, [number; 2], "it is one file to whoever compares");
    drop(open);
    it.write("notes.txt", "gone");
    env.ok(&["session", "restore", &it.id, "here"]);
    until("a restored session", || it.read("notes.txt") == "ONE\nzwei\nthree\nfour\n");
}

#[test]
fn what_is_unlinked_and_open_lives_until_somebody_wants_the_session() {
    let env = TestEnvironment::new();
    let Some(it) = Mounted::of(&env, &[], &[]) else { return };
    let mut how = OpenOptions::new();
    let mut open = how.read(true).write(true).create_new(true).open(it.at.join("scratch")).unwrap();
    open.write_all(b"kept").unwrap();
    fs::remove_file(it.at.join("scratch")).unwrap();
    // Longer than a lease is kept without need.
    std::thread::sleep(Duration::from_secs(4));
    open.write_all(b" on").unwrap();
    let mut text = String::new();
    open.rewind().unwrap();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "kept on");
    env.ok(&["session", "checkpoint", &it.id, "here"]);
    let gone = open.write_all(b"?").unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::StaleNetworkFileHandle);
    assert!(!it.at.join("scratch").exists());
}

#[test]
fn while_a_command_works_in_the_session_the_mount_is_to_read() {
    let env = TestEnvironment::new();
    let Some(it) = Mounted::of(&env, &[], &[]) else { return };
    it.write("made.txt", "made\n");
    let script = "echo begun > begun; while [ ! -e stop ] && [ $((n+=1)) -lt 400 ]; do \
                  sleep 0.05; done; cat made.txt";
    let flag = env.path().join("flag");
    let script = script.replace("stop", flag.to_str().unwrap());
    let read = ["session", "exec", &it.id, "--unconfined", "--", "/bin/sh", "-c", &script];
    let command = env.command(&read).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    until("the mount shows what the command does", || it.at.join("begun").exists());
    let refused = fs::write(it.at.join("made.txt"), "no").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
    assert_eq!(it.read("made.txt"), "made\n");
    fs::write(&flag, "").unwrap();
    let done = common::ran(command.wait_with_output().unwrap());
    assert_eq!((done.status, done.stdout.as_str()), (0, "made\n"));
    it.write("made.txt", "yes\n");
    assert!(env.ok(&["session", "diff", &it.id]).contains("+yes"));
}

#[test]
fn it_is_unmounted_when_nobody_uses_it() {
    let env = TestEnvironment::new();
    let Some(it) = Mounted::of(&env, &[], &["--idle", "1s"]) else { return };
    let open = fs::File::open(it.at.join("notes.txt")).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(it.is_mounted(), "a file is open there");
    let busy = env.error(&["session", "path", "--unmount", &it.id], 2, "MOUNT_BUSY");
    assert!(busy.contains("end that first"), "{busy}");
    drop(open);
    until("nobody uses it", || !it.is_mounted() && !it.at.exists());
    until("nothing is left of it", || !it.at.with_extension("lock").exists());
    let (_, shown) = env.json(&["session", "path", "--unmount", "--json", &it.id]);
    assert_eq!(shown["path"], serde_json::Value::Null);
    env.ok(&["session", "path", &it.id]);
    assert_eq!(it.read("notes.txt"), "one\ntwo\nthree\n");
}

#[test]
fn a_killed_server_loses_nothing_and_is_cleaned_up() {
    let env = TestEnvironment::new();
    let Some(it) = Mounted::of(&env, &[], &[]) else { return };
    let kill = || {
        let server = it.server();
        let killed = Command::new("kill").args(["-9", &server]).status();
        assert!(killed.unwrap().success());
        // Whether or not somebody reaps it, it has no open file and no lock any more.
        let files = || fs::read_dir(format!("/proc/{server}/fd")).map_or(0, Iterator::count);
        until("it is dead", || files() == 0);
        assert!(fs::metadata(it.at.join("notes.txt")).is_err());
    };
    it.write("made.txt", "made\n");
    kill();
    assert!(it.is_mounted(), "what it left");
    env.ok(&["session", "path", &it.id]);
    assert_eq!(it.read("made.txt"), "made\n");
    kill();
    env.ok(&["gc"]);
    assert!(!it.is_mounted() && !it.at.exists());
    assert!(env.ok(&["session", "diff", "--stat", &it.id]).contains("made.txt"));
}

#[test]
fn git_is_written_only_when_that_was_granted() {
    let env = TestEnvironment::new();
    fs::create_dir(env.base().join(".git")).unwrap();
    let Some(it) = Mounted::of(&env, &[], &[]) else { return };
    let refused = fs::write(it.at.join(".git/hook"), "x").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    let said = env.error(&["session", "path", &it.id, "--grant", "vcs"], 2, "MOUNTED");
    assert!(said.contains("--unmount"), "{said}");
    env.ok(&["session", "path", "--unmount", &it.id]);
    env.ok(&["session", "path", &it.id, "--grant", "vcs"]);
    it.write(".git/hook", "x");
    env.ok(&["session", "path", &it.id]);
}

#[test]
fn what_is_read_there_counts_for_a_serializable_session() {
    let env = TestEnvironment::new();
    for (read, status) in [("notes.txt", 3), ("src/lib.rs", 0)] {
        let begin = ["--isolation", "serializable"];
        let Some(it) = Mounted::of(&env, &begin, &[]) else { return };
        it.read(read);
        it.write(&format!("of-{status}"), "made\n");
        env.ok(&["session", "path", "--unmount", &it.id]);
        let other = env.begin();
        let dir = env.path().join(&other);
        env.ok(&["session", "export", &other, dir.to_str().unwrap()]);
        fs::write(dir.join("notes.txt"), format!("another {status}\n")).unwrap();
        env.ok(&["session", "import", &other, dir.to_str().unwrap()]);
        env.ok(&["session", "commit", &other]);
        let landed = env.brio(&["session", "commit", &it.id]);
        assert_eq!(landed.status, status, "{read}: {}", landed.stderr);
    }
}

#[test]
fn who_cannot_mount_gets_a_copy() {
    if !is_root() || Command::new("fusermount3").arg("-V").output().is_ok() {
        skip("path: a user who cannot mount is made by root, where fusermount3 is missing");
        return;
    }
    let env = TestEnvironment::new();
    for path in [env.base(), env.base().join("notes.txt"), env.base().join("src")] {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let begun = as_nobody(&env, &["session", "begin"]);
    assert_eq!(begun.status, 0, "{}", begun.stderr);
    let id = begun.stdout.trim_end();
    let shown = as_nobody(&env, &["session", "path", id]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    assert!(shown.stderr.contains("NO_FUSE") && shown.stderr.contains("this is a copy"));
    let at = Path::new(shown.stdout.trim_end());
    assert_eq!(fs::read_to_string(at.join("notes.txt")).unwrap(), "one\ntwo\nthree\n");
    fs::write(at.join("notes.txt"), "changed\n").unwrap();
    let again = as_nobody(&env, &["session", "path", id]);
    assert_eq!((again.status, again.stdout), (0, shown.stdout.clone()));
    assert!(again.stderr.contains("made earlier"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(at.join("notes.txt")).unwrap(), "changed\n", "it is kept");
    let taken = as_nobody(&env, &["session", "import", id, at.to_str().unwrap()]);
    assert_eq!(taken.status, 0, "{}", taken.stderr);
    let diff = as_nobody(&env, &["session", "diff", id]);
    assert!(diff.stdout.contains("+changed"), "{}", diff.stdout);
}
