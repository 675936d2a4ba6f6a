//! As somebody who may not read everything.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use brio_store::Landing;
use brio_store::worktree::{CheckoutOptions, ScanOptions, checkout};

use super::{chmod, imported, open, picture, project, run, scanned, settle, skip};

const CHILD: &str = "BRIO_TEST_AS_USER";

/// Runs one of these tests again, as a user whom modes mean something to.
fn as_user(test: &str, dir: &Path) -> Option<Output> {
    let own = std::env::current_exe().unwrap();
    let bin = dir.join("test");
    std::fs::copy(own, &bin).unwrap();
    chmod(dir, 0o755);
    let who = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = Command::new("setpriv");
    command.args(who).arg(&bin).args(["--exact", test, "--ignored", "--nocapture"]);
    command.env(CHILD, dir.join("work")).env("TMPDIR", dir.join("work")).current_dir(dir);
    command.env_remove("BRIO_SKIPS");
    std::fs::create_dir(dir.join("work")).unwrap();
    std::fs::set_permissions(dir.join("work"), std::fs::Permissions::from_mode(0o777)).unwrap();
    command.output().ok()
}

fn passes(name: &str, child: &str) {
    let dir = tempfile::tempdir().unwrap();
    if !rustix::process::geteuid().is_root() {
        return skip(name, "it needs root to become somebody else");
    }
    let Some(output) = as_user(child, dir.path()) else {
        return skip(name, "there is no setpriv");
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_lands() {
    passes("what_cannot_be_read_is_named_and_nothing_lands", "users::child_without_permission");
}

#[test]
fn modes_that_forbid_do_not_stop_a_checkout() {
    passes("modes_that_forbid_do_not_stop_a_checkout", "users::child_with_strict_modes");
}

#[test]
#[ignore = "run by what_cannot_be_read_is_named_and_nothing_lands"]
fn child_without_permission() {
    let Some(_) = std::env::var_os(CHILD) else { return };
    let (p, dir) = (project(), tempfile::tempdir().unwrap());
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let at = dir.path().join("sub/private");
    std::fs::write(&at, "x").unwrap();
    for (forbidden, shown) in [(at.clone(), "sub/private"), (dir.path().join("sub"), "sub")] {
        chmod(&forbidden, 0o000);
        let e = scanned(&p, dir.path(), &ScanOptions::default()).err().unwrap();
        assert_eq!(e.code(), "WORKTREE_READ");
        assert!(e.to_string().contains(&format!("`{shown}`")), "{e}");
        assert_eq!(run(p.head()).unwrap().position(), 0);
        chmod(&forbidden, 0o755);
    }
    // What is left out need not be readable.
    chmod(&at, 0o000);
    std::fs::write(dir.path().join(".brioignore"), "private\n").unwrap();
    assert!(matches!(imported(&p, dir.path(), &ScanOptions::default()), Landing::Landed(_)));
}

#[test]
#[ignore = "run by modes_that_forbid_do_not_stop_a_checkout"]
fn child_with_strict_modes() {
    let Some(_) = std::env::var_os(CHILD) else { return };
    let (p, from) = (project(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(from.path().join("sub/deep")).unwrap();
    std::fs::write(from.path().join("sub/deep/file"), "x").unwrap();
    std::fs::write(from.path().join("sub/other"), "y").unwrap();
    for (path, mode) in [("sub/deep/file", 0o400), ("sub/deep", 0o500), ("sub", 0o500)] {
        chmod(&from.path().join(path), mode);
    }
    settle();
    imported(&p, from.path(), &ScanOptions::default());
    let tree = run(p.head()).unwrap().tree();
    let to = tempfile::tempdir().unwrap();
    let check_out = || run(checkout(&p, tree, &open(to.path()), &CheckoutOptions::default()));
    check_out().unwrap();
    assert!(picture(to.path()) == picture(from.path()));
    // As a crash leaves it just before its end: all modes are there, and the marker.
    let marker = format!("brio-checkout 1\ntree {tree} of org/name\n");
    std::fs::write(to.path().join(".brio-checkout"), marker).unwrap();
    chmod(&to.path().join("sub"), 0o000);
    assert_eq!(check_out().unwrap().kept, 2);
    assert!(picture(to.path()) == picture(from.path()));
    for dir in [from.path(), to.path()] {
        for path in ["sub", "sub/deep"] {
            chmod(&dir.join(path), 0o700);
        }
    }
}
