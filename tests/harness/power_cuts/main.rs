//! Power cuts: on a real file system in an image, while landings run.
//!
//! First the image is snapshotted (a reflink copy, which is of one moment) and the copy mounted.
//! Then the image is a FUSE file that logs every write and every flush; disks are made of all
//! that was flushed and of a random part of what was not, and mounted. T2, B-060 and the table
//! "Durability" of FORMAT.md.
//!
//! The long run, as root: `BRIO_CUTS=50 BRIO_REPLAYS=200 BRIO_SEED=1 cargo test -p brio-tests
//! --test power_cuts -- --nocapture`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod check;
mod disk;
mod images;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use brio_tests::rng::{Rng, from_env};
use brio_tests::skip::skip;
use brio_tests::tree::{Tree, on_disk};
use check::{Met, check, parse};
use images::{Mount, make, missing, scratch, size};

/// The process that lands; killed when this goes.
struct Worker(Child);

impl Worker {
    fn start(base: &Path, log: &Path, seed: u64) -> Self {
        std::fs::write(log, "").unwrap();
        let mut c = Command::new(std::env::current_exe().unwrap());
        c.args(["--exact", "the_worker", "--nocapture"])
            .env("BRIO_ROLE", "worker")
            .env("BRIO_BASE", base)
            .env("BRIO_LOG", log)
            .env("BRIO_SEED", seed.to_string());
        Self(c.stdout(std::process::Stdio::null()).spawn().unwrap())
    }

    fn lives(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "the worker died");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test of its own: the process that lands. Without a role it does nothing.
#[test]
fn the_worker() {
    if std::env::var_os("BRIO_ROLE").is_some() {
        let path = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
        worker::work(&path("BRIO_BASE"), &path("BRIO_LOG"), from_env("BRIO_SEED", 1));
    }
}

fn first(base: &Path) -> Vec<Tree> {
    (0..worker::WORKERS).map(|w| on_disk(&base.join(format!("w{w}")))).collect()
}

/// A base on a fresh file system, on the disk.
fn make_base(mount: &Mount) -> PathBuf {
    let base = mount.path().join("base");
    worker::make_base(&base);
    images::run("sync", &["-f", base.to_str().unwrap()]).unwrap();
    base
}

fn report(what: &str, kind: &str, seed: u64, met: Met, failures: Vec<String>, begun: Instant) {
    eprintln!("{what} on {kind}, seed {seed}: {met:?} in {:?}", begun.elapsed());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), met.cuts, failures.join("\n"));
    assert!(met.landings > 0 && met.ahead + met.recovered > 0 || met.cuts < 20, "{met:?}");
}

/// Snapshots of the image, taken in one moment each, while landings run.
fn snapshots(kind: &str, cuts: u64, seed: u64) -> Result<(), String> {
    if let Some(why) = missing(kind).or_else(|| missing("xfs").map(|e| format!("to hold it: {e}")))
    {
        return Err(why);
    }
    let begun = Instant::now();
    let mut rng = Rng::new(seed);
    let dir = scratch();
    let carrier = dir.path().join("carrier");
    make("xfs", &carrier, 8 << 10)?;
    let carrier = Mount::new("xfs", &carrier, &dir.path().join("carried"))?;
    let (image, log) = (carrier.path().join("disk"), dir.path().join("log"));
    make(kind, &image, size(kind))?;
    let mount = Mount::new(kind, &image, &dir.path().join("mnt"))?;
    let base = make_base(&mount);
    let first = first(&base);
    let mut worker = Worker::start(&base, &log, seed);
    let mut taken = Vec::new();
    for i in 0..cuts {
        std::thread::sleep(Duration::from_micros(5_000 + rng.next_u64() % 60_000));
        worker.lives();
        let before = std::fs::metadata(&log).unwrap().len();
        let copy = carrier.path().join(format!("cut-{i}"));
        images::run("cp", &["--reflink=always", image.to_str().unwrap(), copy.to_str().unwrap()])?;
        taken.push((copy, before, std::fs::metadata(&log).unwrap().len()));
    }
    drop(worker);
    drop(mount);
    let log = std::fs::read(&log).unwrap();
    let (mut met, mut failures) = (Met::default(), Vec::new());
    for (i, (copy, before, until)) in taken.into_iter().enumerate() {
        let mount = Mount::new(kind, &copy, &dir.path().join("mnt"))?;
        let (before, until) = (parse(&log[..before as usize]), parse(&log[..until as usize]));
        if let Err(e) = check(&mount.path().join("base"), &first, &before, &until, &mut met) {
            failures.push(format!("cut {i}: {e}"));
        }
        drop(mount);
        std::fs::remove_file(copy).unwrap();
    }
    report("snapshots", kind, seed, met, failures, begun);
    Ok(())
}

/// Disks made from the log of writes and flushes.
fn replays(kind: &str, cuts: u64, seed: u64) -> Result<(), String> {
    if let Some(why) = missing(kind) {
        return Err(why);
    }
    let begun = Instant::now();
    let mut rng = Rng::new(seed);
    let dir = scratch();
    let (image, log) = (dir.path().join("disk"), dir.path().join("log"));
    make(kind, &image, size(kind))?;
    let base = make_base(&Mount::new(kind, &image, &dir.path().join("mnt"))?);
    std::fs::write(&log, "").unwrap();
    let disk = disk::Disk::serve(&image, &dir.path().join("fuse"), &log)?;
    let mount = Mount::new(kind, &disk.file(), &dir.path().join("mnt"))?;
    let first = first(&base);
    let from = disk.len();
    let mut worker = Worker::start(&base, &log, seed);
    let enough = Duration::from_millis(1500 + 40 * cuts.min(300));
    let started = Instant::now();
    while started.elapsed() < enough {
        std::thread::sleep(Duration::from_millis(20));
        worker.lives();
    }
    let to = disk.len();
    drop(worker);
    drop(mount);
    let log = std::fs::read(&log).unwrap();
    let mut replay = disk.replay();
    eprintln!(
        "{kind}: {} writes and flushes, {} of them flushes, {} lines",
        replay.len(),
        replay.flushes(),
        parse(&log).len()
    );
    let mut at: Vec<usize> = (0..cuts).map(|_| from + rng.below(to - from)).collect();
    at.sort_unstable();
    let (mut met, mut failures) = (Met::default(), Vec::new());
    for at in at {
        let (bytes, known) = replay.cut(at, &mut rng);
        std::fs::write(&image, bytes).unwrap();
        let lines = parse(&log[..known as usize]);
        let checked = Mount::new(kind, &image, &dir.path().join("mnt"))
            .and_then(|mount| check(&mount.path().join("base"), &first, &lines, &lines, &mut met));
        if let Err(e) = checked {
            failures.push(format!("cut at {at}: {e}"));
        }
    }
    report("replays", kind, seed, met, failures, begun);
    Ok(())
}

fn each(name: &str, kinds: &[&str], one: impl Fn(&str) -> Result<(), String>) {
    for kind in kinds {
        if let Err(why) = one(kind) {
            skip(&format!("{name} on {kind}"), &why);
        }
    }
}

fn kinds(long: bool) -> Vec<String> {
    let all = std::env::var("BRIO_KINDS");
    let all = all.as_deref().unwrap_or(if long { "ext4 xfs btrfs" } else { "ext4" });
    all.split(' ').map(str::to_owned).collect()
}

#[test]
fn a_snapshot_of_the_disk_holds_every_acknowledged_landing() {
    // T2, B-060
    let (cuts, seed) = (from_env("BRIO_CUTS", 6), from_env("BRIO_SEED", 1));
    let kinds = kinds(cuts >= 50);
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    each("power cuts (snapshots)", &kinds, |kind| snapshots(kind, cuts, seed));
}

#[test]
fn a_disk_that_loses_what_was_not_flushed_holds_every_acknowledged_landing() {
    // T2, B-060
    let (cuts, seed) = (from_env("BRIO_REPLAYS", 10), from_env("BRIO_SEED", 1));
    let kinds = kinds(cuts >= 50);
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    each("power cuts (replays)", &kinds, |kind| replays(kind, cuts, seed));
}
