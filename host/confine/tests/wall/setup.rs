//! Rooms to test with.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use brio_confine::{Bind, Command, Exit, Room, Running, Stdio, Workspace};

/// A directory of the host to be the workspace, and a room for it that holds this program.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) room: Room,
}

pub(crate) fn exe() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub(crate) fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let room = Room::new(Workspace::Bind { source: path.clone(), path });
    Place { dir, room: room.bind(Bind::read(exe())) }
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// What a command in a room did.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn spawn(room: &Room, argv: &[&str], stdout: OwnedFd, stderr: OwnedFd) -> Running {
    let mut command = Command::new(argv.iter().copied());
    command.env = vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
    command.stdout = Stdio::Descriptor(stdout);
    command.stderr = Stdio::Descriptor(stderr);
    room.spawn(command).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn run(room: &Room, argv: &[&str]) -> Done {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let dup = |file: &File| OwnedFd::from(file.try_clone().unwrap());
    let mut running = spawn(room, argv, dup(&out), dup(&err));
    let exit = running.wait().unwrap_or_else(|e| panic!("{e}"));
    Done { exit, out: text(&mut out), err: text(&mut err) }
}

pub(crate) fn sh(room: &Room, script: &str) -> Done {
    run(room, &["sh", "-c", script])
}

pub(crate) fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
