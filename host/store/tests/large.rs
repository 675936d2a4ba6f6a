//! The memory that a collection and a check take: each in a process of its own, on a store of as
//! many objects as are asked for.
//!
//! `BRIO_OBJECTS=1000000 cargo test --release -p brio-store --test large -- --nocapture`
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use brio_store::backend::Directory;
use brio_store::tree::{Edits, Entry, Key};
use brio_store::{
    Compression, Content, FsckOptions, GcOptions, Hash, Project, Sealed, Store, StoreOptions,
    Upload, Why, content,
};

/// Bytes of memory for an object, at most; the tables among it double.
const EACH: u64 = 120;
/// And for everything else: what is read at a time.
const FIXED: u64 = 64 << 20;

fn objects() -> u64 {
    std::env::var("BRIO_OBJECTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

fn open(at: &Path) -> Store {
    let options = StoreOptions {
        compression: Compression::None,
        // What is kept near is not what is measured.
        memory: 2 << 20,
        ..StoreOptions::default()
    };
    Store::new(Arc::new(Directory::open(at).unwrap()), options)
}

fn key(path: &str) -> Key {
    Key::new(path.as_bytes()).unwrap()
}

/// Some 300 bytes that nothing else is.
fn bytes_of(n: u64) -> Vec<u8> {
    (0..10u64).flat_map(|i| *Hash::of(&(n * 16 + i).to_le_bytes()).as_bytes()).take(300).collect()
}

async fn add(upload: &mut Upload, n: u64) -> Content {
    let bytes = bytes_of(n);
    let hash = Hash::of(&bytes);
    upload.add(Sealed::blob(hash, &bytes, Compression::None).unwrap()).await.unwrap();
    Content { size: bytes.len() as u64, hash, depth: 0, root: hash }
}

/// `n` files that are needed, one of chunks among them, and a quarter as many blobs that are not.
async fn fill(project: &Project, n: u64) {
    let mut upload = project.upload();
    let mut edits = Edits::new();
    for i in 0..n {
        let dir = format!("dir-{:05}", i / 100);
        if i % 100 == 0 {
            edits.insert(key(&dir), Some(Entry::Dir { mode: 0o755 }));
        }
        let content = add(&mut upload, i).await;
        edits.insert(key(&format!("{dir}/file-{i}")), Some(Entry::File { mode: 0o644, content }));
    }
    let long: Vec<u8> = (0..10_000).flat_map(|i| bytes_of(2 * n + i)).collect();
    let mut chunks = Vec::new();
    let content = content::split(&*long, &mut |hash, bytes| {
        chunks.push(Sealed::blob(hash, &bytes, Compression::None)?);
        Ok(())
    })
    .unwrap();
    for chunk in chunks {
        upload.add(chunk).await.unwrap();
    }
    edits.insert(key("long"), Some(Entry::File { mode: 0o644, content }));
    let base = project.head().await.unwrap().base();
    project.land(base, &edits, &Why::default(), upload).await.unwrap();
    let mut upload = project.upload();
    for i in n..n + n / 4 {
        add(&mut upload, i).await;
    }
    upload.finish().await.unwrap();
}

fn make_old(at: &Path) {
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            make_old(&path);
        } else if path.components().any(|c| c.as_os_str() == "projects") {
            let long_ago = SystemTime::now() - Duration::from_secs(30 * 24 * 3600);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(long_ago)
                .unwrap();
        }
    }
}

fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(field)).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

const WHAT: &str = "BRIO_LARGE_DOES";
const WHERE: &str = "BRIO_LARGE_AT";

/// What the processes do that the other test starts.
#[tokio::test]
async fn a_process() {
    let (Ok(what), Ok(at)) = (std::env::var(WHAT), std::env::var(WHERE)) else { return };
    let project = open(Path::new(&at)).project(&"test/large".parse().unwrap());
    project.head().await.unwrap();
    // From here on the peak is counted.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, began) = (memory("VmRSS:"), Instant::now());
    let found = match what.as_str() {
        "collect" => {
            let done = project.collect(&GcOptions::default(), &mut |_| {}).await.unwrap();
            assert!(done.removed.packs.count > 0 || objects() < 200_000);
            done.live_blobs
        }
        _ => {
            let options = FsckOptions { read_data: what == "read", repair: false };
            let report = project.fsck(&options, &mut |_| {}).await.unwrap();
            assert_eq!(report.findings, []);
            report.blobs
        }
    };
    let took = began.elapsed().as_secs_f64();
    println!("MEASURED {found} {} {took:.1}", memory("VmHWM:") - before);
}

#[tokio::test]
async fn memory_is_a_little_for_each_object() {
    let n = objects();
    let at = tempfile::tempdir().unwrap();
    let (project, _) = open(at.path()).create(&"test/large".parse().unwrap()).await.unwrap();
    fill(&project, n).await;
    make_old(at.path());
    for what in ["look", "read", "collect"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "a_process", "--nocapture"]);
        let out = child.env(WHAT, what).env(WHERE, at.path()).output().unwrap();
        assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
        let told = String::from_utf8(out.stdout).unwrap();
        let line = told.lines().find_map(|l| l.split_once("MEASURED ")).unwrap().1;
        let numbers: Vec<f64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        let [blobs, peak, took] = numbers[..] else { panic!("{line}") };
        println!(
            "{what}: {blobs} blobs are needed, of {}; peak {:.1} MiB, {:.0} bytes for each; {took} s",
            n + n / 4,
            peak / f64::from(1 << 20),
            peak / (n + n / 4) as f64
        );
        assert!(blobs as u64 >= n);
        let most = FIXED + EACH * (n + n / 4);
        assert!(peak as u64 <= most, "{what} took {peak} bytes, more than {most}");
    }
}
