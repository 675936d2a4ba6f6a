//! Landings on one head: how many a second, and what many landings in between cost one that
//! began before them.
//!
//! `cargo bench -p brio-store --bench head`. By environment: `BRIO_BENCH_FILES` (10000),
//! `BRIO_BENCH_LANDINGS` (10000), `BRIO_BENCH_DIR` (where; the system's temporary directory).
#![allow(missing_docs, reason = "a program")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use brio_store::backend::{Backend, Directory, Memory};
use brio_store::tree::{Edits, Entry, Key};
use brio_store::{Base, Content, Hash, Landing, Project, Store, StoreOptions, Why};

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or)
}

fn key(path: &str) -> Key {
    Key::new(path.as_bytes()).expect("a path")
}

fn path(n: u64) -> Key {
    key(&format!("dir-{:05}/file-{n}", n / 100))
}

async fn land(p: &Project, base: Base, files: &[(Key, Vec<u8>)]) {
    let (mut upload, mut edits) = (p.upload(), Edits::new());
    for (key, content) in files {
        let hash = Hash::of(content);
        upload.blob(hash, content.clone().into()).await.expect("a blob");
        let content = Content { size: content.len() as u64, hash, depth: 0, root: hash };
        if let Some(dir) = key.parent() {
            edits.entry(dir).or_insert(Some(Entry::Dir { mode: 0o755 }));
        }
        edits.insert(key.clone(), Some(Entry::File { mode: 0o644, content }));
    }
    match p.land(base, &edits, &Why::default(), upload).await.expect("a landing") {
        Landing::Landed(_) => {}
        other => panic!("{other:?}"),
    }
}

fn project(backend: Arc<dyn Backend>) -> (Store, Project) {
    let store = Store::new(backend, StoreOptions::default());
    (store.clone(), store.project(&"bench/head".parse().expect("an id")))
}

async fn filled(backend: Arc<dyn Backend>, files: u64) -> (Project, Base) {
    let (store, p) = project(backend);
    store.create(p.id()).await.expect("a project");
    let all: Vec<_> = (0..files).map(|n| (path(n), n.to_le_bytes().to_vec())).collect();
    land(&p, p.head().await.expect("a head").base(), &all).await;
    let base = p.head().await.expect("a head").base();
    (p, base)
}

/// One landing after the other, of one file each.
async fn one_by_one(p: &Project, files: u64, which: std::ops::Range<u64>) -> Duration {
    let began = Instant::now();
    for n in which {
        let base = p.head().await.expect("a head").base();
        land(p, base, &[(path(n * 7919 % files), format!("{n}, again").into_bytes())]).await;
    }
    began.elapsed()
}

fn tell(what: &str, n: u64, took: Duration) {
    let each = took.as_secs_f64() / n as f64;
    println!("{what:<60} {:>9.1} a second, {:>8.3} ms each", 1.0 / each, each * 1000.0);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (files, landings) =
        (number("BRIO_BENCH_FILES", 10_000), number("BRIO_BENCH_LANDINGS", 10_000));
    let at = std::env::var_os("BRIO_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    println!("{files} files, {landings} landings of one file each");

    let (p, base) = filled(Arc::<Memory>::default(), files).await;
    let mut done = 0;
    for until in [landings / 100, landings / 10, landings] {
        let took = one_by_one(&p, files, done..until).await;
        tell(&format!("memory, up to landing {until}"), until - done, took);
        done = until;
        let head = p.head().await.expect("a head");
        let mut edits = Edits::new();
        for n in 0..10 {
            edits.insert(path(n * 7919 % files), None);
        }
        let began = Instant::now();
        const ROUNDS: u64 = 100;
        for _ in 0..ROUNDS {
            let found = p.conflicts(base.tree, head.tree(), &edits).await.expect("conflicts");
            assert!(!found.is_empty());
        }
        tell(&format!("  conflicts of 10 paths, {until} landings since"), ROUNDS, began.elapsed());
        let began = Instant::now();
        let who = p.who_changed(&path(0), base, &head).await.expect("a landing");
        assert!(who.is_some());
        tell("  which landing changed a path", 1, began.elapsed());
    }

    let (p, base) = filled(Arc::<Memory>::default(), files).await;
    let each = (landings / 160).max(1);
    let began = Instant::now();
    let writers: Vec<_> = (0..16)
        .map(|w| {
            let p = p.clone();
            tokio::spawn(async move {
                for n in 0..each {
                    land(&p, base, &[(key(&format!("w{w}-{n}")), b"x".to_vec())]).await;
                }
            })
        })
        .collect();
    for w in writers {
        w.await.expect("a writer");
    }
    tell("memory, 16 writers at once", 16 * each, began.elapsed());

    on_disk(&at, files, (landings / 100).max(10)).await;
}

async fn on_disk(at: &Path, files: u64, landings: u64) {
    let dir = tempfile::tempdir_in(at).expect("a directory");
    let backend = Arc::new(Directory::open(dir.path()).expect("a store"));
    let (p, _) = filled(backend, files).await;
    let took = one_by_one(&p, files, 0..landings).await;
    tell(&format!("directory in {}", at.display()), landings, took);
}
