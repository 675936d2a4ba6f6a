//! A store in a directory: whose it is, what a kill leaves, what a link cannot do.

#![allow(clippy::unwrap_used, reason = "tests")]

mod places;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use brio_store::backend::{Backend, Directory};
use brio_store::{Hash, Put, Swap};
use bytes::Bytes;
use places::{Rng, seed};

const STORE: &str = "BRIO_TEST_STORE";

fn value() -> Bytes {
    Bytes::from_static(b"{\"attempt\":\"00000000000000000000000000000000\"}")
}

#[tokio::test]
async fn it_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep/store");
    let store = Directory::open(&root).unwrap();
    store.create("projects/o/n/blobs/00/a", value()).await.unwrap();
    store.overwrite("projects/o/n/sessions/s/tree.json", value()).await.unwrap();
    store.swap_ref("projects/o/n/head", None, value()).await.unwrap();
    let mut seen = 0;
    let mut left = vec![root];
    while let Some(dir) = left.pop() {
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{dir:?}");
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                assert_eq!(
                    path.metadata().unwrap().permissions().mode() & 0o777,
                    0o600,
                    "{path:?}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[tokio::test]
async fn it_can_be_moved_and_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    {
        let (a, b) = (Directory::open(&first).unwrap(), Directory::open(&first).unwrap());
        assert_eq!(a.create("a", value()).await.unwrap(), Put::Created);
        assert_eq!(b.create("a", value()).await.unwrap(), Put::Exists);
        assert_ne!(a.swap_ref("projects/o/n/head", None, value()).await.unwrap(), Swap::Lost);
        assert_eq!(b.swap_ref("projects/o/n/head", None, value()).await.unwrap(), Swap::Lost);
        assert_eq!(a.name(), format!("file://{}", first.display()).replace(' ', "%20"));
    }
    std::fs::rename(&first, &second).unwrap();
    let store = Directory::open(&second).unwrap();
    assert_eq!(store.get("a").await.unwrap(), Some(value()));
    assert_eq!(store.read_ref("projects/o/n/head").await.unwrap().unwrap().0, value());
}

/// Without an executor it blocks, and does the same.
#[test]
fn it_needs_no_executor() {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::open(dir.path()).unwrap();
    let mut create = std::pin::pin!(store.create("a", value()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(put) = create.as_mut().poll(&mut context) else { panic!("waits") };
    assert_eq!(put.unwrap(), Put::Created);
}

#[tokio::test]
async fn a_link_does_not_lead_out() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("store"), dir.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("secret"), "secret").unwrap();
    let store = Directory::open(&root).unwrap();
    symlink(&out, root.join("projects")).unwrap();
    symlink(out.join("secret"), root.join("file")).unwrap();
    assert!(!matches!(store.get("projects/secret").await, Ok(Some(_))));
    assert!(!matches!(store.get("file").await, Ok(Some(_))));
    assert!(store.create("projects/o/n/new", value()).await.is_err());
    assert!(store.overwrite("projects/secret", value()).await.is_err());
    assert!(store.delete("projects/secret").await.is_err());
    assert!(store.list("", None).await.unwrap().is_empty());
    assert_eq!(std::fs::read_to_string(out.join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn what_was_left_half_written_is_swept_when_it_is_old() {
    let dir = tempfile::tempdir().unwrap();
    drop(Directory::open(dir.path()).unwrap());
    let (old, young) = (dir.path().join("tmp/old"), dir.path().join("tmp/young"));
    for (path, age) in [(&old, 2 * 3600), (&young, 60)] {
        let file = std::fs::File::create(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    drop(Directory::open(dir.path()).unwrap());
    assert!(!old.exists() && young.exists());
}

#[test]
fn a_newer_or_broken_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Directory::open(dir.path()).unwrap());
    let db = rusqlite::Connection::open(dir.path().join("refs.db")).unwrap();
    db.pragma_update(None, "user_version", 7).unwrap();
    drop(db);
    assert_eq!(Directory::open(dir.path()).err().unwrap().code(), "STORE_FORMAT");
    let broken = dir.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("refs.db"), vec![7; 10_000]).unwrap();
    assert_eq!(Directory::open(&broken).err().unwrap().code(), "STORE_CORRUPT");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let e = Directory::open(&file).err().unwrap();
    assert!(e.to_string().contains("file"), "{e}");
}

/// What a killed process said that it wrote is there, and whatever is there is whole.
#[test]
fn killed_at_any_moment_every_object_is_whole() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(root) = std::env::var_os(STORE) {
        let store = Directory::open(Path::new(&root)).unwrap();
        let mut rng = Rng(u64::from(std::process::id()));
        loop {
            let bytes: Vec<u8> = rng.next().to_le_bytes().repeat(rng.below(20_000) as usize + 1);
            let hash = Hash::of(&bytes).hex();
            let key = format!("projects/o/n/blobs/{}/{hash}", &hash[..2]);
            runtime.block_on(store.create(&key, bytes.into())).unwrap();
            println!("wrote {key}");
        }
    }
    let mut rng = Rng(seed());
    let dir = tempfile::tempdir().unwrap();
    let mut said = BTreeSet::new();
    for _ in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed_at_any_moment_every_object_is_whole", "--nocapture"])
            .env(STORE, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (begins, began) = std::sync::mpsc::channel();
        let reading = std::thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            let wrote = lines.filter_map(|l| l.strip_prefix("wrote ").map(str::to_owned));
            wrote.inspect(|_| _ = begins.send(())).collect::<Vec<_>>()
        });
        // On a busy machine it takes its time to begin.
        let _ = began.recv();
        std::thread::sleep(Duration::from_millis(20 + rng.below(120)));
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(reading.join().unwrap());
    }
    assert!(said.len() > 10, "{}", said.len());
    let store = Directory::open(dir.path()).unwrap();
    let mut found = BTreeSet::new();
    runtime.block_on(async {
        let mut after: Option<String> = None;
        loop {
            let page = store.list("", after.as_deref()).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for object in page {
                let bytes = store.get(&object.key).await.unwrap().unwrap();
                assert!(object.key.ends_with(&Hash::of(&bytes).hex()), "{} is torn", object.key);
                found.insert(object.key);
            }
        }
    });
    assert!(said.is_subset(&found));
    eprintln!("{} objects by 8 processes that were killed", found.len());
}
