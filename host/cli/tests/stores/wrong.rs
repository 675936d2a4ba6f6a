//! What is wrong is said, and loses nothing.

use std::fs;

use serde_json::Value;

use crate::common::{self, TestEnvironment};
use crate::{PROJECT, Team, files, head, is_of_directories};

// Bad input is said, and loses nothing.
#[test]
fn what_is_wrong_is_said() {
    if !is_of_directories() {
        return;
    }
    let team = Team::new();
    let a = &team.a;
    let fresh = TestEnvironment::new();
    for name in ["..", "acme", "acme/..", "../../etc", "Acme/web", "acme/web/x", ""] {
        fresh.error(
            &["project", "init", "--store", &team.url(), "--name", name],
            2,
            "PROJECT_NAME",
        );
    }
    for url in ["ftp://x/y", "htp:/x", "s3://", "s3://b/../c", "file:store"] {
        fresh.error(&["project", "init", "--store", url, "--name", "acme/x"], 2, "STORE_URL");
    }
    fresh.error(&["project", "status"], 2, "NOT_BOUND");
    assert!(!fresh.base().join(".brio").exists());
    fresh.error(&["project", "status"], 2, "NOT_BOUND");
    let id = fresh.begin();
    fresh.error(&["session", "push", &id], 2, "NOT_SHARED");
    // No keys, and no server.
    let s3 = ["project", "init", "--store", "s3://bucket/prefix", "--name", "acme/x"];
    fresh.error(&s3, 2, "STORE_CREDENTIALS");
    let mut command = fresh.command(&s3);
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let ran = common::ran(command.output().unwrap());
    assert!(ran.stderr.starts_with("error: STORE_UNREACHABLE: "), "{}", ran.stderr);
    // Another project than the one that it belongs to.
    a.error(&["project", "init", "--store", &team.url(), "--name", "acme/other"], 2, "STORE_BOUND");
    a.error(
        &["session", "start", "x", "--project", "acme/none", "--store", &team.url()],
        2,
        "PROJECT_UNKNOWN",
    );
    // A directory with things of its own is no state of the project.
    let e = fresh.error(
        &["project", "init", "--store", &team.url(), "--name", PROJECT],
        2,
        "NOT_SYNCED",
    );
    assert!(e.contains("brio project checkout DIR"), "{e}");
    fresh.error(&["project", "init", "--store", "./inside", "--name", "acme/x"], 2, "STORE_URL");
    fresh.ok(&["project", "init", "--store", "--name", "acme/mine"]);
    fresh.ok(&["project", "init", "--store"]);
    fresh.error(&["session", "begin"], 2, "NOT_SYNCED");
    a.error(&["project", "checkout", "sha256:12", "x"], 2, "TREE_INVALID");
    a.error(&["project", "checkout", "src"], 2, "CHECKOUT_NOT_EMPTY");
    assert_eq!(head(a).0, 1);
}

#[test]
fn damage_is_found_and_what_is_newer_is_refused() {
    if !is_of_directories() {
        return;
    }
    let team = Team::new();
    let a = &team.a;
    a.ok(&["project", "fsck", "--read-data"]);
    let blobs = team.store.path().join("store/projects/acme/web");
    let mut all = Vec::new();
    files(&blobs, &blobs, &mut all);
    let of = |kind: &str| all.iter().find(|(p, _)| p.starts_with(kind)).map(|(p, _)| blobs.join(p));
    let object = of("packs").or_else(|| of("blobs")).unwrap_or_else(|| panic!("{all:?}"));
    let was = fs::read(&object).unwrap();
    let mut bad = was.clone();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    fs::set_permissions(&object, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&object, &bad).unwrap();
    let ran = a.brio(&["project", "fsck", "--read-data", "--json"]);
    assert_eq!(ran.status, 7, "{}{}", ran.stdout, ran.stderr);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["whole"], false);
    fs::write(&object, &was).unwrap();
    a.ok(&["project", "fsck", "--read-data"]);
    let project = blobs.join("project.json");
    let doc = fs::read_to_string(&project).unwrap();
    fs::set_permissions(&project, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&project, doc.replacen("\"format\":1", "\"format\":9", 1)).unwrap();
    let e = a.brio(&["project", "init", "--store", &team.url(), "--name", PROJECT]);
    assert!(e.stderr.starts_with("error: STORE_FORMAT: "), "{}", e.stderr);
}
