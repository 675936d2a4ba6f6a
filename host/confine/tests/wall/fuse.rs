//! A FUSE workspace, served by the caller, and where a workspace can be.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use brio_confine::{Bind, Exit, Room, RoomError, Workspace};

use crate::harness::Test;
use crate::setup::{Done, exe, run, sh, spawn, text};

pub(crate) const TESTS: &[Test] = &[
    ("a_fuse_workspace_is_served_by_the_caller", served),
    ("a_fuse_workspace_hides_the_base_and_its_state", hides_the_base),
    ("a_fuse_workspace_that_nobody_serves_can_be_killed", unserved),
    ("without_dev_fuse_it_is_a_typed_refusal", refused),
    ("a_workspace_can_be_anywhere", anywhere),
    ("a_workspace_that_covers_the_room_is_refused", covers),
    ("binds_that_make_no_sense_are_refused", binds),
    ("binds_are_read_only_or_writable_as_asked", access),
    ("what_is_hidden_reads_as_empty", hidden),
    ("a_dead_mount_inside_of_a_bind_is_no_obstacle", dead_mount),
    ("nothing_is_made_on_the_host", nothing_made),
];

pub(crate) const HELLO: &[u8] = b"served by the caller\n";

/// A read-only file system with one file, `hello`, until the mount is gone.
pub(crate) fn serve(fuse: OwnedFd) {
    let mut device = std::fs::File::from(fuse);
    let mut buffer = vec![0; 1 << 20];
    while let Ok(got) = device.read(&mut buffer) {
        let request = &buffer[..got];
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().unwrap());
        let (opcode, unique, node) = (word(4), long(8), long(16));
        let body = match opcode {
            2 | 42 => continue, // FORGET, BATCH_FORGET: no answer
            1 if &request[40..got - 1] == b"hello" => Ok(entry()),
            1 => Err(libc::ENOENT),
            3 => Ok([&[0; 16], &attributes(node)[..]].concat()),
            14 | 27 => Ok(vec![0; 16]), // OPEN, OPENDIR
            15 if long(48) == 0 => Ok(HELLO.to_vec()),
            15 | 18 | 25 | 28 | 29 => Ok(Vec::new()), // READ at the end, RELEASE, FLUSH, READDIR
            26 => Ok(init()),
            _ => Err(libc::ENOSYS),
        };
        let (error, body) = body.map_or_else(|e| (-e, Vec::new()), |body| (0, body));
        let len = u32::try_from(16 + body.len()).unwrap();
        let mut answer = Vec::new();
        answer.extend(len.to_ne_bytes());
        answer.extend(error.to_ne_bytes());
        answer.extend(unique.to_ne_bytes());
        answer.extend(body);
        // A request that was interrupted has no answer any more.
        let _ = device.write(&answer);
    }
}

fn init() -> Vec<u8> {
    let mut out = Vec::new();
    for word in [7u32, 31, 0, 0, 0, 4096, 1, 1] {
        out.extend(word.to_ne_bytes());
    }
    out.resize(64, 0);
    out
}

fn attributes(node: u64) -> Vec<u8> {
    let (mode, size) = if node == 1 { (0o040_755u32, 0) } else { (0o100_644, HELLO.len() as u64) };
    let mut out = Vec::new();
    for long in [node, size, 0, 0, 0, 0] {
        out.extend(long.to_ne_bytes());
    }
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    for word in [0, 0, 0, mode, 1, uid.as_raw(), gid.as_raw(), 0, 4096, 0] {
        out.extend(word.to_ne_bytes());
    }
    out
}

fn entry() -> Vec<u8> {
    let mut out = 2u64.to_ne_bytes().to_vec();
    out.resize(40, 0);
    out.extend(attributes(2));
    out
}

fn fuse_room(path: &Path) -> Room {
    Room::new(Workspace::Fuse { path: path.to_owned(), options: "max_read=131072".into() })
}

/// Whether this user may open `/dev/fuse`.
pub(crate) fn have_fuse() -> Result<(), String> {
    let fuse = std::fs::File::options().read(true).write(true).open("/dev/fuse");
    fuse.map(drop).map_err(|e| format!("/dev/fuse: {e}"))
}

fn run_served(path: &Path, script: &str) -> Done {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let dup = |file: &std::fs::File| OwnedFd::from(file.try_clone().unwrap());
    let mut running = spawn(&fuse_room(path), &["sh", "-c", script], dup(&out), dup(&err));
    let fuse = running.fuse.take().expect("a descriptor to serve");
    // It is mounted by now, and nobody outside of the room sees it.
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&format!(" {} ", path.display())), "{mounts}");
    let server = std::thread::spawn(move || serve(fuse));
    let exit = running.wait().unwrap_or_else(|e| panic!("{e}"));
    // The mount went with the room, so the server ends by itself.
    server.join().unwrap();
    Done { exit, out: text(&mut out), err: text(&mut err) }
}

fn served() -> Result<(), String> {
    have_fuse()?;
    for path in ["/tmp/a/b", "/root/p", "/home/u/p", "/var/lib/x", "/srv/deep/er/p"] {
        let done =
            run_served(Path::new(path), "pwd; cat hello; grep fuse.brio /proc/mounts | wc -l");
        let expected = format!("{path}\n{}1\n", String::from_utf8_lossy(HELLO));
        assert_eq!(done.out, expected, "{}", done.err);
        assert_eq!(done.exit, Exit::Code(0));
    }
    Ok(())
}

fn hides_the_base() -> Result<(), String> {
    have_fuse()?;
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir(base.path().join(".brio")).unwrap();
    std::fs::write(base.path().join(".brio/secret"), "state").unwrap();
    let base_path = base.path().canonicalize().unwrap();
    let script = format!("cat {0}/hello; cat {0}/.brio/secret", base_path.display());
    // Where the directory itself is bound, the same script reads the secret.
    let bound = Room::new(Workspace::Bind { source: base_path.clone(), path: base_path.clone() });
    assert_eq!(sh(&bound, &script).out, "state");
    let done = run_served(&base_path, &script);
    assert_eq!(done.out.as_bytes(), HELLO);
    assert!(done.err.contains("No such file"), "{}", done.err);
    Ok(())
}

fn unserved() -> Result<(), String> {
    have_fuse()?;
    let file = || OwnedFd::from(tempfile::tempfile().unwrap());
    let mut running = spawn(&fuse_room(Path::new("/tmp/x")), &["true"], file(), file());
    let not_yet = running.wait_timeout(std::time::Duration::from_millis(100)).unwrap();
    assert_eq!(not_yet, None, "a command ran on a workspace that nobody serves");
    running.handle().kill();
    drop(running.fuse.take());
    assert_eq!(running.wait().unwrap(), Exit::Killed);
    Ok(())
}

/// `wall no-fuse`: what a program says that may not mount.
pub(crate) fn no_fuse_if_asked() {
    if std::env::args().nth(1).is_some_and(|word| word == "no-fuse") {
        let command = brio_confine::Command::new(["/bin/true"]);
        let error = fuse_room(Path::new("/tmp/x")).spawn(command).unwrap_err();
        assert!(matches!(error, RoomError::NoFuse { .. }), "{error:?}");
        println!("{error}");
        std::process::exit(0);
    }
}

fn refused() -> Result<(), String> {
    // In a mount namespace of its own, something else is at /dev/fuse.
    let mut hidden = std::process::Command::new("unshare");
    hidden.args([
        "--mount",
        "sh",
        "-c",
        r#"mount --bind /etc/passwd /dev/fuse && exec "$0" no-fuse"#,
    ]);
    let mut plain = std::process::Command::new(exe());
    let root = rustix::process::geteuid().is_root();
    if !root && have_fuse().is_ok() {
        return Err("this user may open /dev/fuse".to_owned());
    }
    let asked = if root { hidden.arg(exe()) } else { plain.arg("no-fuse") };
    let out = asked.output().map_err(|e| format!("unshare: {e}"))?;
    let text = String::from_utf8(out.stdout).unwrap();
    let said = text.starts_with("ROOM_NO_FUSE: ") && text.contains("exported directory");
    assert!(said, "{text}{}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

fn anywhere() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().canonicalize().unwrap();
    std::fs::write(source.join("here"), "yes").unwrap();
    let paths =
        ["/tmp/x", "/var/tmp/a b/ü", "/root/p", "/home/u/p", "/var/lib/z", "/work", "/srv/a/b/c"];
    for path in paths.iter().map(PathBuf::from).chain([source.clone()]) {
        let room = Room::new(Workspace::Bind { source: source.clone(), path: path.clone() });
        let done = sh(&room.home("/root"), "pwd; cat here; echo x > written");
        assert_eq!(done.out, format!("{}\nyes", path.display()), "{}", done.err);
        std::fs::remove_file(source.join("written")).unwrap();
    }
    Ok(())
}

fn covers() -> Result<(), String> {
    let room = |path: &str| {
        Room::new(Workspace::Bind { source: "/tmp".into(), path: path.into() }).home("/home/u")
    };
    for path in ["/usr", "/etc", "/tmp", "/home", "/home/u", "/var", "/run"] {
        let error = room(path).spawn(brio_confine::Command::new(["/bin/true"])).unwrap_err();
        assert!(matches!(error, RoomError::Covers { .. }), "{path}: {error}");
    }
    for path in ["/proc/x", "/dev/shm/x", "/dev", "/sys/x"] {
        let error = room(path).spawn(brio_confine::Command::new(["/bin/true"])).unwrap_err();
        assert!(matches!(error, RoomError::Own { .. }), "{path}: {error}");
    }
    for path in ["/", "relative", "/a/../b", ""] {
        let error = room(path).spawn(brio_confine::Command::new(["/bin/true"])).unwrap_err();
        assert!(matches!(error, RoomError::BadPath { .. }), "{path}: {error}");
    }
    Ok(())
}

fn binds() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    std::fs::create_dir(path.join("sub")).unwrap();
    let room = Room::new(Workspace::Bind { source: path.clone(), path: path.clone() });
    let fails = |bind: Bind| {
        room.clone()
            .home("/home/u")
            .bind(bind)
            .spawn(brio_confine::Command::new(["/bin/true"]))
            .unwrap_err()
    };
    assert!(matches!(fails(Bind::read("/no/such")), RoomError::Bind { .. }));
    assert!(matches!(fails(Bind::read(path.join("sub"))), RoomError::Inside { .. }));
    for own in ["/tmp", "/etc", "/home/u", "/dev/fuse", "/proc/1"] {
        assert!(matches!(fails(Bind::write(own)), RoomError::Own { .. }), "{own}");
    }
    let optional = |path: PathBuf| Bind { optional: true, ..Bind::read(path) };
    let lenient = room.bind(optional("/no/such".into())).bind(optional(path.join("sub")));
    assert_eq!(run(&lenient, &["true"]).exit, Exit::Code(0));
    Ok(())
}

fn access() -> Result<(), String> {
    let (read, write) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&read, &write] {
        std::fs::write(dir.path().join("f"), "content").unwrap();
    }
    let room = Room::empty().bind(Bind::read(read.path())).bind(Bind::write(write.path()));
    let script =
        |dir: &Path| format!("cd {}; cat f; echo x > new && chmod 700 f && rm f", dir.display());
    let done = sh(&room, &script(read.path()));
    assert_eq!((done.exit, done.out.as_str()), (Exit::Code(2), "content"), "{}", done.err);
    assert!(done.err.contains("Read-only file system"), "{}", done.err);
    let done = sh(&room, &script(write.path()));
    assert_eq!((done.exit, done.out.as_str()), (Exit::Code(0), "content"), "{}", done.err);
    assert!(write.path().join("new").exists() && !write.path().join("f").exists());
    Ok(())
}

/// Credentials inside of the system, as those of a `CARGO_HOME` at `/usr/local/cargo`.
fn hidden() -> Result<(), String> {
    let hide = |path: &str| Bind {
        path: path.into(),
        at: None,
        access: brio_confine::Access::Hidden,
        optional: true,
    };
    let show = "wc -c < /usr/bin/env; ls /usr/share | wc -l";
    let plain = sh(&Room::empty(), show);
    assert!(!plain.out.contains("0\n0\n"), "{}", plain.out);
    let room = Room::empty().bind(hide("/usr/bin/env")).bind(hide("/usr/share"));
    assert_eq!(sh(&room, show).out, "0\n0\n");
    assert!(sh(&room, "echo x > /usr/bin/env").err.contains("ermission denied"));
    Ok(())
}

/// `wall dead-mount DIR`, in a mount namespace of its own: in DIR is a FUSE mount without a
/// server, which answers nothing about itself.
pub(crate) fn dead_mount_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, word, dir] = &arguments[..] else { return };
    if word != "dead-mount" {
        return;
    }
    let dir = PathBuf::from(dir);
    let device = std::fs::File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&device);
    let options = std::ffi::CString::new(format!("fd={fd},rootmode=40000,user_id=0,group_id=0"));
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("dead", dir.join("dead"), "fuse", flags, &*options.unwrap()).unwrap();
    drop(device);
    assert!(rustix::fs::statvfs(dir.join("dead")).is_err());
    let done = sh(
        &Room::new(Workspace::Bind { source: dir.clone(), path: dir }),
        "grep /dead /proc/mounts; echo x > written",
    );
    print!("{}{}", done.out, done.err);
    std::process::exit(done.exit.code());
}

fn dead_mount() -> Result<(), String> {
    have_fuse()?;
    if !rustix::process::geteuid().is_root() {
        return Err("root makes the mount".to_owned());
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("dead")).unwrap();
    let out = std::process::Command::new("unshare")
        .arg("--mount")
        .arg(exe())
        .arg("dead-mount")
        .arg(dir.path())
        .output()
        .map_err(|e| format!("unshare: {e}"))?;
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains(" ro,nosuid,nodev,noexec,"), "{said}");
    assert!(dir.path().join("written").exists());
    Ok(())
}

/// A workspace below what is writable on the host, at a path that is not there.
fn nothing_made() -> Result<(), String> {
    let (bound, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = bound.path().join("not/there");
    let room = Room::new(Workspace::Bind { source: other.path().to_owned(), path });
    let error = room
        .bind(Bind::write(bound.path()))
        .spawn(brio_confine::Command::new(["/bin/true"]))
        .unwrap_err();
    assert!(matches!(error, RoomError::Bind { .. }), "{error}");
    assert_eq!(std::fs::read_dir(bound.path()).unwrap().count(), 0);
    Ok(())
}
