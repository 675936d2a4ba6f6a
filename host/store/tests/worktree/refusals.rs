//! Trees that nobody honest makes, stores that do not answer.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use brio_store::backend::{Backend, Listed, Memory, Put, Swap, Version};
use brio_store::worktree::{CheckoutOptions, ScanOptions, checkout};
use brio_store::{Error, Hash, Result};
use bytes::Bytes;

use super::{fill, imported, open, picture, project, project_on, run};

/// A backend that notes what it is asked, and can fail.
pub(super) struct Requests {
    below: Arc<dyn Backend>,
    asked: Mutex<Vec<String>>,
    /// Reads that are answered before none is.
    left: AtomicU64,
}

impl Requests {
    pub(super) fn of(below: Arc<dyn Backend>) -> Self {
        Self { below, asked: Mutex::default(), left: AtomicU64::new(u64::MAX) }
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn note(&self, what: &str, key: &str) -> Result<()> {
        let key = key.strip_prefix("projects/org/name/").unwrap_or(key);
        self.asked.lock().unwrap().push(format!("{what} {key}"));
        let one_less = |n: u64| n.checked_sub(1);
        match self.left.try_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Unreachable {
                store: self.below.name(),
                what: key.into(),
                why: "it was unplugged".into(),
            }),
        }
    }
}

#[async_trait]
impl Backend for Requests {
    fn name(&self) -> String {
        self.below.name()
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.note("get", key)?;
        self.below.get(key).await
    }
    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        self.note("get_range", key)?;
        self.below.get_range(key, offset, length).await
    }
    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        self.note("create", key)?;
        self.below.create(key, value).await
    }
    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        self.note("overwrite", key)?;
        self.below.overwrite(key, value).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.note("delete", key)?;
        self.below.delete(key).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        self.note("stat", key)?;
        self.below.stat(key).await
    }
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        self.note("list", prefix)?;
        self.below.list(prefix, after).await
    }
    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        self.note("read_ref", name)?;
        self.below.read_ref(name).await
    }
    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        self.note("swap_ref", name)?;
        self.below.swap_ref(name, expected, value).await
    }
    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        self.note("list_refs", prefix)?;
        self.below.list_refs(prefix, after).await
    }
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        self.note("delete_ref", name)?;
        self.below.delete_ref(name, expected).await
    }
    async fn now(&self) -> Result<time::OffsetDateTime> {
        self.below.now().await
    }
}

/// A leaf, by the bytes of its entries.
fn leaf(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"BRTN\x01\x00".to_vec();
    out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    out.extend(entries.concat());
    out
}

fn entry(dir: &str, name: &str, kind: u8, mode: u16, rest: &[u8]) -> Vec<u8> {
    let mut out = (dir.len() as u16).to_le_bytes().to_vec();
    out.extend_from_slice(dir.as_bytes());
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
    out.push(kind);
    out.extend_from_slice(&mode.to_le_bytes());
    out.extend_from_slice(rest);
    out
}

fn link(dir: &str, name: &str, target: &str) -> Vec<u8> {
    let mut rest = (target.len() as u16).to_le_bytes().to_vec();
    rest.extend_from_slice(target.as_bytes());
    entry(dir, name, 3, 0o777, &rest)
}

fn empty_file(dir: &str, name: &str) -> Vec<u8> {
    let mut rest = vec![0; 8];
    rest.extend_from_slice(Hash::of(b"").as_bytes());
    rest.push(0);
    entry(dir, name, 1, 0o644, &rest)
}

#[test]
fn no_tree_leads_out_of_the_directory() {
    let backend = Arc::<Memory>::default();
    let p = project_on(backend.clone());
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let trees = [
        vec![link("", "a", target), empty_file("a", "evil")],
        vec![link("", "a", target), link("a", "evil", "x")],
        vec![link("", "a", ".."), entry("a", "evil", 2, 0o755, &[])],
        vec![empty_file("..", "evil")],
        vec![empty_file("", "..")],
        vec![empty_file("", "a/b")],
        vec![empty_file("a/..", "evil")],
        vec![empty_file("", ".brio")],
        vec![empty_file("nowhere", "evil")],
        vec![empty_file("", "a"), empty_file("a", "b")],
        // The order of what comes is not what it says.
        vec![empty_file("", "b"), empty_file("", "a")],
    ];
    for entries in trees {
        let node = leaf(&entries);
        let hash = Hash::of(&node);
        let key = format!("projects/org/name/trees/{}/{}", &hash.hex()[..2], hash.hex());
        let mut envelope = vec![0];
        envelope.extend_from_slice(&(node.len() as u32).to_le_bytes());
        envelope.extend_from_slice(&node);
        run(backend.create(&key, envelope.into())).unwrap();
        let to = tempfile::tempdir().unwrap();
        let e = run(checkout(&p, hash, &open(to.path()), &CheckoutOptions::default())).unwrap_err();
        assert_eq!(e.code(), "STORE_CORRUPT", "{e}");
        assert!(picture(to.path()).is_empty() && picture(outside.path()).is_empty());
    }
}

#[test]
fn a_name_of_our_own_is_refused() {
    let p = project();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(from.path().join(".brio-checkout"), "x").unwrap();
    imported(&p, from.path(), &ScanOptions::default());
    let tree = run(p.head()).unwrap().tree();
    let e = run(checkout(&p, tree, &open(to.path()), &CheckoutOptions::default())).unwrap_err();
    assert_eq!(e.code(), "STORE_INPUT", "{e}");
    assert!(picture(to.path()).is_empty());
}

/// The directory's own links lead nowhere either.
#[test]
fn a_link_in_the_directory_is_not_followed() {
    let p = project();
    let (from, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), from.path().join("to-dir")).unwrap();
    symlink(outside.path().join("secret"), from.path().join("to-file")).unwrap();
    symlink(outside.path().join("secret"), from.path().join(".gitignore")).unwrap();
    let scan = super::scanned(&p, from.path(), &ScanOptions::default()).unwrap();
    assert_eq!((scan.entries.len(), scan.files_read), (3, 0));
    symlink(outside.path().join("secret"), from.path().join(".brioignore")).unwrap();
    let e = super::scanned(&p, from.path(), &ScanOptions::default()).err().unwrap();
    assert_eq!(e.code(), "WORKTREE_IGNORE", "{e}");
}

/// Wherever the store stops to answer, the checkout says so, and goes on when it does again.
#[test]
fn a_checkout_goes_on_when_the_store_answers_again() {
    let memory = Arc::<Memory>::default();
    let from = tempfile::tempdir().unwrap();
    fill(from.path(), 100, 2000);
    std::fs::write(from.path().join("large"), super::noise(6 << 20, 3)).unwrap();
    imported(&project_on(memory.clone()), from.path(), &ScanOptions::default());
    let to = tempfile::tempdir().unwrap();
    let mut tries = 0;
    loop {
        let requests = Arc::new(Requests::of(memory.clone()));
        let p = project_on(requests.clone());
        let tree = run(p.head()).unwrap().tree();
        requests.left.store(20, Ordering::SeqCst);
        tries += 1;
        match run(checkout(&p, tree, &open(to.path()), &CheckoutOptions::default())) {
            Ok(done) => {
                assert!(done.kept > 50, "{done:?}");
                break;
            }
            Err(e) => assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}"),
        }
        assert!(tries < 50);
    }
    assert!(tries > 4, "{tries}");
    assert!(picture(to.path()) == picture(from.path()));
}
