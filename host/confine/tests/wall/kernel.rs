//! System calls that a room refuses.

use std::fs;
use std::process::Command;

use brio_confine::{Exit, Room};

use crate::harness::Test;
use crate::setup::{exe, place, run, text};
use crate::tries::{Who, all_stopped, inside, outside, refused, root};

pub(crate) const TESTS: &[Test] = &[
    ("mounts_cannot_be_made_or_taken_away", mounts),
    ("namespaces_cannot_be_made_or_joined", namespaces),
    ("keyrings_bpf_and_the_like_are_refused", kernel),
    ("nothing_can_be_typed_into_the_terminal", terminal),
    ("other_tables_of_system_calls_are_refused", other_tables),
];

fn mounts() -> Result<(), String> {
    // Outside, root's attempts are made on a directory, and a mount namespace, of their own.
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    all_stopped(&[
        (&["open-tree"], Who::Root),
        (&["fsopen"], Who::Root),
        (&["chroot"], Who::Root),
        (&["unshare-mount"], Who::Root),
    ]);
    let place = place();
    if root() {
        outside(&["mount", at])?;
        outside(&["remount", at])?;
        outside(&["umount", at])?;
    }
    for attempt in
        [&["mount", "/tmp"], &["umount", "/usr"], &["umount", "/proc/kcore"], &["remount", "/usr"]]
    {
        assert_eq!(refused(&place.room, attempt), libc::EPERM, "{attempt:?}");
    }
    let node = dir.path().join("node");
    if root() {
        outside(&["mknod", node.to_str().unwrap()])?;
    }
    assert_eq!(refused(&place.room, &["mknod", "/tmp/node"]), libc::EPERM);
    Ok(())
}

fn namespaces() -> Result<(), String> {
    all_stopped(&[
        (&["unshare-user"], Who::Everybody),
        (&["clone-user"], Who::Everybody),
        (&["unshare-net"], Who::Root),
        (&["setns"], Who::Root),
    ]);
    // Programs start threads by the older call when this one is not there.
    assert_eq!(refused(&place().room, &["clone3"]), libc::ENOSYS);
    Ok(())
}

fn kernel() -> Result<(), String> {
    all_stopped(&[
        (&["keyctl"], Who::Perhaps),
        (&["add-key"], Who::Perhaps),
        (&["bpf"], Who::Perhaps),
        (&["perf"], Who::Perhaps),
        (&["userfaultfd"], Who::Perhaps),
        (&["io-uring"], Who::Perhaps),
        (&["by-handle"], Who::Root),
        (&["syslog"], Who::Root),
        (&["host-name"], Who::Perhaps),
    ]);
    Ok(())
}

fn other_tables() -> Result<(), String> {
    let place = place();
    let done = inside(&place.room, &["32-bit-table"]);
    if cfg!(target_arch = "x86_64") && outside(&["32-bit-table"]).is_ok() {
        assert_eq!(done.exit, Exit::Signal(libc::SIGSYS));
    }
    assert_eq!(refused(&place.room, &["x32-table"]), libc::ENOSYS);
    // A kernel without that table answers the same: so the filters are counted.
    let filters = run(&place.room, &["grep", "^Seccomp_filters", "/proc/self/status"]).out;
    let expected = if cfg!(target_arch = "x86_64") { 4 } else { 3 };
    assert!(filters.is_empty() || filters.trim().ends_with(&expected.to_string()), "{filters}");
    Ok(())
}

/// Types into a terminal that is only a test's.
fn terminal() -> Result<(), String> {
    let place = place();
    let allowed = fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    if root() || allowed.is_ok_and(|allowed| allowed.trim() == "1") {
        for attempt in ["tiocsti", "tiocsti-high-bits"] {
            assert!(type_into(None, attempt), "outside, {attempt} types into a terminal");
        }
    }
    for attempt in ["tiocsti", "tiocsti-high-bits"] {
        assert!(!type_into(Some(&place.room), attempt), "{attempt}");
    }
    Ok(())
}

/// Whether an attempt with this terminal as its input left a character there.
///
/// In the room it is the filter that refuses, not a kernel that is set to refuse it anyway.
fn type_into(room: Option<&Room>, attempt: &str) -> bool {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut modes = rustix::termios::tcgetattr(&slave).unwrap();
    modes.make_raw();
    rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &modes).unwrap();
    match room {
        None => {
            let input = slave.try_clone().unwrap();
            Command::new(exe()).args(["attempt", attempt]).stdin(input).output().unwrap();
        }
        Some(room) => {
            let exe = exe();
            let mut command =
                brio_confine::Command::new([exe.to_str().unwrap(), "attempt", attempt]);
            let mut out = tempfile::tempfile().unwrap();
            let file = || brio_confine::Stdio::Descriptor(out.try_clone().unwrap().into());
            command.stdin = brio_confine::Stdio::Descriptor(slave.try_clone().unwrap().into());
            (command.stdout, command.stderr) = (file(), file());
            assert_eq!(room.spawn(command).unwrap().wait().unwrap(), Exit::Code(1));
            let said = text(&mut out);
            assert!(said.starts_with(&libc::EPERM.to_string()), "{said}");
        }
    }
    rustix::io::ioctl_fionread(&slave).unwrap() > 0
}
