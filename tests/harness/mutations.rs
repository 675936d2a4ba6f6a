//! The fuzz targets' entry points with seeded mutations of valid inputs, on the stable toolchain;
//! and a whole domain with a damaged record: it is refused or as it was, never guessed.
//!
//! The long run: `BRIO_MUTATIONS=1000000 BRIO_SEED=1 cargo test --release -p brio-tests --test
//! mutations -- --nocapture`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use brio_landing::{BeginOptions, CommitOptions, Domain, OpenOptions};
use brio_session::{Door, Hook, Op, Verdict, ViewOptions};
use brio_tests::fuzz;
use brio_tests::rng::{Rng, from_env};
use brio_tests::tree::{Change, Tree, change, changes, on_disk};

fn mutate(input: &[u8], others: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(out.len() + 1);
        match rng.below(8) {
            0 => out.truncate(at),
            1 => out.insert(at, rng.next_u64() as u8),
            2 | 3 if at < out.len() => out[at] ^= 1 << rng.below(8),
            4 if at < out.len() => {
                out[at] = *rng.pick(&[0, 1, 0x7f, 0x80, 0xff, b'/', b'.', b'\n'])
            }
            5 if at < out.len() => {
                out.remove(at);
            }
            6 => {
                let to = (at + rng.below(40)).min(out.len());
                let part = out[at..to].to_vec();
                out.splice(at..at, part);
            }
            _ => {
                let other = rng.pick(others);
                let from = rng.below(other.len() + 1);
                let part = other[from..(from + rng.below(60)).min(other.len())].to_vec();
                let to = (at + rng.below(30)).min(out.len());
                out.splice(at..to, part);
            }
        }
    }
    out
}

fn options(door: Door) -> OpenOptions {
    OpenOptions { boot_id: "boot-1".into(), door, ..OpenOptions::default() }
}

/// Stops at the N-th operation.
struct Stop(std::sync::atomic::AtomicUsize);

impl Hook for Stop {
    fn verdict(&self, _: Op) -> Verdict {
        match self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Verdict::Stop,
            _ => Verdict::Go,
        }
    }
}

/// A base with a landing behind it, an open session, and a landing that a crash interrupted.
fn domain(dir: &Path, rng: &mut Rng) -> (Tree, Tree) {
    for d in ["a", "b"] {
        std::fs::create_dir_all(dir.join(d)).unwrap();
        for f in 0..6 {
            std::fs::write(dir.join(d).join(format!("f{f}")), format!("{d}{f}\n")).unwrap();
        }
    }
    let d = Domain::open(dir, options(Door::default())).unwrap().0;
    let mut tree = on_disk(dir);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let s = d.begin(BeginOptions::default()).unwrap();
        let w = s.writer("test", ViewOptions::default()).unwrap();
        let mut next = tree.clone();
        for c in changes(&mut next, rng, 12) {
            change(w.view(), &c);
        }
        change(w.view(), &Change::Write(format!("own-{}", ids.len()), "x".into()));
        next.insert(format!("own-{}", ids.len()), brio_tests::tree::Node::File("x".into()));
        w.finish().unwrap();
        if ids.is_empty() {
            d.commit(s.id(), CommitOptions::default()).unwrap();
            tree = next.clone();
        }
        ids.push((s.id().clone(), next));
    }
    let before = d.landing().unwrap();
    drop(d);
    // Stopped in the middle of its steps.
    for n in 40.. {
        let door = Door::with_hook(std::sync::Arc::new(Stop(n.into())));
        let d = Domain::open(dir, options(door)).unwrap().0;
        let done = d.commit(&ids[1].0, CommitOptions::default());
        drop(d);
        let sealed = dir.join(format!(".brio/landings/{}/intent", before + 1)).exists();
        if sealed || done.is_ok() {
            break;
        }
    }
    (tree, ids.swap_remove(1).1)
}

/// The small files of a domain's state.
fn records(dir: &Path, out: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(dir).unwrap().flatten() {
        let (path, m) = (e.path(), e.metadata().unwrap());
        let name = e.file_name().into_string().unwrap();
        if m.is_dir()
            && name != ".git"
            && !(name.starts_with('s') && name[1..].parse::<u32>().is_ok())
        {
            records(&path, out);
        } else if ["intent", "end", "index", "meta.json", "journal", "seq", "claim", "lease"]
            .contains(&&*name)
        {
            out.push(path);
        }
    }
}

fn scratch() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap()
}

#[test]
fn no_input_ends_in_a_panic() {
    let (count, seed) = (from_env("BRIO_MUTATIONS", 20_000), from_env("BRIO_SEED", 1));
    let mut rng = Rng::new(seed);
    let dir = scratch();
    domain(dir.path(), &mut rng);
    let mut files = Vec::new();
    records(&dir.path().join(".brio"), &mut files);
    assert!(files.len() > 8, "{files:?}");
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
    // Payloads without their frames, too.
    let payloads: Vec<_> = seeds.iter().filter_map(|s| Some(s.get(28..)?.to_vec())).collect();
    seeds.extend(payloads);
    let paths: Vec<Vec<u8>> = [
        "\0a/b/../f",
        "\0l/b/c/up/f",
        "\x01ll/",
        "\0d/l/../../f",
        "\0/f",
        "\0slashes//f",
        "\x01é/./f",
        "\0a/out",
        "\0file-slash",
        "\0to-f/",
        "\0loop/x",
        "\x01gone",
        "\0../f",
        "\0.",
        "\0",
    ]
    .map(|p| p.as_bytes().to_vec())
    .into();
    let texts: Vec<Vec<u8>> = [
        "|a\nb\nc\nd\ne\n|a\nB\nc\nd\ne\n|a\nb\nc\nd\nE\n",
        "|one\r\ntwo\r\n|one\r\n2\r\n|one\r\ntwo\r\nthree",
        "|||",
        "|\n\n\n|\n|\n\n",
        "|<<<<<<< ours\n=======\n>>>>>>>\n|x\n|y\n",
    ]
    .map(|p| p.as_bytes().to_vec())
    .into();
    for _ in 0..count {
        let input = mutate(rng.pick(&seeds).clone().as_slice(), &seeds, &mut rng);
        fuzz::records(&input);
        if rng.one_in(4) {
            fuzz::layer_index(&input);
        }
        fuzz::paths(&mutate(rng.pick(&paths).clone().as_slice(), &paths, &mut rng));
        fuzz::merge(&mutate(rng.pick(&texts).clone().as_slice(), &texts, &mut rng));
    }
}

#[test]
fn a_damaged_record_is_refused_or_makes_no_difference() {
    // T2: whatever is wrong in `.brio`, the base is wholly old or wholly new.
    let (count, seed) = (from_env("BRIO_MUTATIONS", 20_000) / 400, from_env("BRIO_SEED", 1));
    let mut rng = Rng::new(seed);
    let (mut refused, mut fine) = (0, 0);
    for n in 0..count {
        let dir = scratch();
        let mut same = Rng::new(seed * 1000 + n % 4);
        let (old, new) = domain(dir.path(), &mut same);
        let middle = on_disk(dir.path());
        let mut files = Vec::new();
        records(&dir.path().join(".brio"), &mut files);
        let file = rng.pick(&files).clone();
        let raw = std::fs::read(&file).unwrap();
        std::fs::write(&file, mutate(&raw, std::slice::from_ref(&raw), &mut rng)).unwrap();
        let opened = Domain::open(dir.path(), options(Door::default()));
        let done = opened.map_err(|e| e.to_string()).and_then(|(d, _)| {
            let _ = (d.sessions(), d.journal_entries(), d.gc());
            d.recover().map_err(|e| e.to_string())
        });
        let now = on_disk(dir.path());
        match done {
            Ok(_) => {
                fine += 1;
                // Recovered, or nobody knows any more that there was a landing.
                assert!(now == old || now == new || now == middle, "{}: {now:#?}", file.display());
            }
            Err(_) => {
                refused += 1;
                assert!(now == old || now == new || now == middle, "{}: {now:#?}", file.display());
            }
        }
    }
    eprintln!("{count} damaged domains: {refused} refused, {fine} recovered");
    assert!(count < 50 || (refused > 0 && fine > 0));
}
