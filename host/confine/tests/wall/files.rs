//! Files of the host, of the system, of `/proc` and `/dev`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use brio_confine::Exit;

use crate::harness::Test;
use crate::hostile::{FORMS, OPS};
use crate::setup::{exe, place, run};
use crate::tries::{inside, outside, refused, root, stopped};

pub(crate) const TESTS: &[Test] = &[
    ("host_files_cannot_be_changed_by_any_path", host_files),
    ("inherited_descriptors_are_closed", inherited),
    ("secrets_and_state_cannot_be_read", secrets),
    ("no_file_is_left_with_the_set_user_id_bit", set_user_id),
    ("the_system_is_read_only", system),
    ("proc_and_dev_change_nothing_on_the_host", proc_and_dev),
];

/// All that a directory tells: names, kinds, modes, owners, times, sizes, contents.
fn snapshot(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let text = fs::read_to_string(&path).unwrap_or_default();
            format!(
                "{path:?} {:o} {} {} {:?} {} {text:?}",
                meta.mode(),
                meta.uid(),
                meta.nlink(),
                (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()),
                meta.size()
            )
        })
        .collect()
}

fn host_files() -> Result<(), String> {
    let place = place();
    let pid = std::process::id().to_string();
    let fill = |dir: &Path| {
        for form in FORMS {
            OPS.iter().for_each(|op| fs::write(dir.join(format!("{form}-{op}")), "host").unwrap());
        }
    };
    let parse = |out: &str| -> Vec<(String, bool)> {
        out.lines().map(|l| (l.to_owned(), l.ends_with(" ok"))).collect()
    };
    let victims = tempfile::tempdir().unwrap();
    fill(victims.path());
    let workspace = tempfile::tempdir().unwrap();
    let arguments = |workspace: &Path, dir: &Path| {
        ["files", workspace.to_str().unwrap(), &pid, dir.to_str().unwrap()].map(str::to_owned)
    };
    let words = arguments(workspace.path(), victims.path());
    let done = Command::new(exe())
        .arg("attempt")
        .args(words)
        .current_dir(workspace.path())
        .output()
        .unwrap();
    let results = parse(&String::from_utf8(done.stdout).unwrap());
    assert_eq!(results.len(), FORMS.len() * OPS.len());
    // Process 1 of the host is root's, and may be guarded from root too.
    let init = fs::read_dir("/proc/1/root").is_ok();
    for (line, ok) in results {
        assert!(ok || (!init && line.starts_with("init-root")), "outside: {line}");
    }

    let victims = tempfile::tempdir().unwrap();
    fill(victims.path());
    let before = snapshot(victims.path());
    let words = arguments(place.path(), victims.path());
    let done = inside(&place.room, &words.each_ref().map(String::as_str));
    assert_eq!(done.exit, Exit::Code(0), "{}", done.err);
    let results = parse(&done.out);
    assert_eq!(results.len(), FORMS.len() * OPS.len());
    for (line, ok) in results {
        assert!(!ok, "in the room: {line}");
    }
    assert_eq!(snapshot(victims.path()), before);
    Ok(())
}

/// A directory that some program left open to its children.
fn inherited() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "x").unwrap();
    let open = fs::File::open(dir.path()).unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let place = place();
    stopped(&place.room, &["inherited", "secret"]);
    stopped(&place.room, &["descriptors"]);
    Ok(())
}

fn secrets() -> Result<(), String> {
    let place = place();
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    for dir in [".ssh", ".brio", ".aws"] {
        fs::create_dir(home.path().join(dir)).unwrap();
        let secret = home.path().join(dir).join("secret");
        fs::write(&secret, "x").unwrap();
        stopped(&place.room, &["read", secret.to_str().unwrap()]);
    }
    let room = place.room.clone().home(home.path());
    let key = home.path().join(".ssh/secret");
    stopped(&room, &["read", key.to_str().unwrap()]);
    for dir in ["/run", "/sys/class", "/boot"] {
        if outside(&["list", dir]).is_ok() {
            refused(&place.room, &["list", dir]);
        }
    }
    if root() {
        for path in ["/etc/shadow", "/proc/kmsg", "/proc/kallsyms", "/proc/vmallocinfo"] {
            // kmsg is empty when somebody has read it; then it would block.
            if path == "/proc/kmsg" || !Path::new(path).exists() {
                continue;
            }
            stopped(&place.room, &["read", path]);
        }
    }
    for path in ["/etc/ssh", "/etc/sudoers", "/etc/shadow", "/etc/npmrc", "/etc/ssl/private"] {
        assert!(run(&place.room, &["test", "-e", path]).exit != Exit::Code(0), "{path}");
    }
    Ok(())
}

/// Root owns all of it, and has the right to change it without any capability. These attempts
/// change nothing that matters if the wall has a hole: they set what is set already.
fn system() -> Result<(), String> {
    let place = place();
    for path in ["/usr/bin/env", "/etc/passwd", "/usr/lib", "/etc/ld.so.cache"] {
        let before = fs::metadata(path).unwrap();
        for op in ["same-mode", "chown", "same-times", "setxattr", "open-to-write"] {
            refused(&place.room, &["change", op, path]);
        }
        let after = fs::metadata(path).unwrap();
        assert_eq!(
            (before.ctime(), before.ctime_nsec()),
            (after.ctime(), after.ctime_nsec()),
            "{path}"
        );
    }
    for dir in ["/", "/usr", "/etc", "/dev", "/proc", "/var", "/run", "/sys/devices/system/cpu"] {
        refused(&place.room, &["change", "create", &format!("{dir}/brio-wall")]);
    }
    for dir in ["/tmp", "/var/tmp", "/dev/shm", place.path().to_str().unwrap()] {
        let done = inside(&place.room, &["change", "create", &format!("{dir}/brio-wall")]);
        assert_eq!(done.exit, Exit::Code(0), "{dir}: {}", done.err);
    }
    Ok(())
}

fn set_user_id() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let said = outside(&["set-user-id", dir.path().to_str().unwrap()])?;
    // `fchmodat2` and `openat2` may not be there.
    assert!(said.starts_with(['6', '7', '8']), "{said}");
    let place = place();
    let done = inside(&place.room, &["set-user-id", place.path().to_str().unwrap()]);
    assert_eq!(done.out, "0 of 8 calls\n1\n", "{}", done.err);
    Ok(())
}

fn proc_and_dev() -> Result<(), String> {
    let place = place();
    // Each is written as it is: a hole in the wall must not become one in the machine.
    for name in ["kernel/core_pattern", "kernel/pid_max", "kernel/hostname", "vm/swappiness"] {
        let path = format!("/proc/sys/{name}");
        let value = fs::read_to_string(&path).unwrap();
        if root() && name != "kernel/pid_max" {
            outside(&["write", &path, &value])?;
        }
        let number = refused(&place.room, &["write", &path, &value]);
        assert!(!root() || number == libc::EROFS, "{path}: {number}");
    }
    if Path::new("/proc/sysrq-trigger").exists() {
        refused(&place.room, &["open-to-write", "/proc/sysrq-trigger"]);
    }
    let before = fs::metadata("/dev/null").unwrap().mode();
    for device in ["/dev/null", "/dev/tty", "/dev/zero"] {
        if Path::new(device).exists() {
            refused(&place.room, &["change", "same-mode", device]);
        }
    }
    // A stream that is /dev/null is the room's, whose mode is not the host's to change.
    let writable = fs::OpenOptions::new().write(true).open("/dev/null").is_ok();
    if writable {
        let exe = exe();
        let command =
            brio_confine::Command::new([exe.to_str().unwrap(), "attempt", "chmod-stdout"]);
        assert_eq!(place.room.spawn(command).unwrap().wait().unwrap(), Exit::Code(1));
    }
    assert_eq!(fs::metadata("/dev/null").unwrap().mode(), before);
    let file = tempfile::NamedTempFile::new().unwrap();
    outside(&["change", "same-mode", file.path().to_str().unwrap()])?;
    Ok(())
}
