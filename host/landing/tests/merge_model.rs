//! Random edits of two sessions over a small tree of texts, landed by `merge` in either order.
//! Where `git merge-file` merges every path the result is byte for byte what it makes; where it
//! does not, the conflict names the path. B-082.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use brio_landing::{CommitError, CommitOptions, Policy};
use common::{begin, commit, open, scratch, skipped, tree, write, writer};

/// Texts by path; `None`: not there.
type Texts = BTreeMap<&'static str, String>;

const PATHS: [&str; 4] = ["a", "b", "dir/c", "dir/d"];

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// Each occurs once: where lines repeat, a diff has more than one right answer, and so has a merge.
fn line(rng: &mut Rng) -> String {
    format!("line {}", rng.below(1 << 30))
}

fn base(rng: &mut Rng) -> Texts {
    let text = |rng: &mut Rng| {
        let lines: Vec<_> = (0..rng.below(14)).map(|_| line(rng)).collect();
        let end = ["\n", "\n", "\n", "", "\r\n"][rng.below(5)];
        let between = if end == "\r\n" { "\r\n" } else { "\n" };
        if lines.is_empty() { String::new() } else { lines.join(between) + end }
    };
    PATHS.iter().map(|p| (*p, text(rng))).collect()
}

fn edited(rng: &mut Rng, texts: &Texts) -> Texts {
    let mut out = texts.clone();
    for path in PATHS {
        if rng.below(2) == 0 {
            continue;
        }
        if rng.below(12) == 0 {
            out.remove(path);
            continue;
        }
        let text = out.get_mut(path).unwrap();
        let mut lines: Vec<String> = text.split_inclusive('\n').map(ToOwned::to_owned).collect();
        for _ in 0..=rng.below(2) {
            let at = rng.below(lines.len() + 1);
            let new = line(rng) + if text.contains("\r\n") { "\r\n" } else { "\n" };
            match rng.below(3) {
                0 if at < lines.len() => drop(lines.remove(at)),
                1 if at < lines.len() => lines[at] = new,
                _ => lines.insert(at, new),
            }
        }
        *text = lines.concat();
    }
    out
}

/// What git makes of three versions of a path; an error where it conflicts.
fn merged(
    dir: &Path,
    base: Option<&String>,
    ours: Option<&String>,
    theirs: Option<&String>,
) -> Result<Option<String>, ()> {
    if ours == theirs || theirs == base {
        return Ok(ours.cloned());
    }
    if ours == base {
        return Ok(theirs.cloned());
    }
    let (Some(base), Some(ours), Some(theirs)) = (base, ours, theirs) else { return Err(()) };
    for (name, text) in [("base", base), ("ours", ours), ("theirs", theirs)] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let args = ["merge-file", "-p", "--diff-algorithm=histogram", "ours", "base", "theirs"];
    let out = Command::new("git").current_dir(dir).args(args).output().unwrap();
    match out.status.code() {
        Some(0) => Ok(Some(String::from_utf8(out.stdout).unwrap())),
        Some(n @ 1..=127) => {
            assert!(n < 127, "git merge-file does not know its arguments");
            Err(())
        }
        other => panic!("git merge-file: {other:?}"),
    }
}

fn make(dir: &Path, texts: &Texts) {
    std::fs::create_dir_all(dir.join("dir")).unwrap();
    for (path, text) in texts {
        std::fs::write(dir.join(path), text).unwrap();
    }
}

/// Lands `first`, then `second` by merge: the paths in conflict, or the texts that are there.
fn land(base: &Texts, first: &Texts, second: &Texts) -> Result<Texts, Vec<String>> {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    make(dir.path(), base);
    let d = open(dir.path());
    let (one, two) = (begin(&d, "first"), begin(&d, "second"));
    for (session, texts) in [(&one, first), (&two, second)] {
        let w = writer(session);
        for path in PATHS {
            match (base.get(path), texts.get(path)) {
                (a, b) if a == b => {}
                (_, None) => w.view().unlink_at(&w.view().root(), path.as_bytes()).unwrap(),
                (_, Some(text)) => write(w.view(), path, text.as_bytes()),
            }
        }
        w.finish().unwrap();
    }
    commit(&d, one.id()).unwrap();
    let before = tree(dir.path());
    match d.commit(two.id(), CommitOptions { policy: Policy::Merge, ..Default::default() }) {
        Ok(_) => Ok(PATHS
            .iter()
            .filter_map(|p| Some((*p, std::fs::read_to_string(dir.path().join(p)).ok()?)))
            .collect()),
        Err(CommitError::Conflict { conflicts, .. }) => {
            assert_eq!(tree(dir.path()), before, "a conflict changed the base");
            let stuck = conflicts.iter().filter(|c| c.unmerged.is_some());
            Err(stuck.map(|c| c.path.to_string()).collect())
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn two_sessions_merge_as_git_merges_their_texts() {
    let knows = Command::new("git").args(["merge-file", "--diff-algorithm=histogram"]).output();
    let knows = knows.is_ok_and(|o| !String::from_utf8_lossy(&o.stderr).contains("unknown option"));
    if !knows {
        return skipped("merge_model: git merge-file with --diff-algorithm is not there");
    }
    let seed = std::env::var("BRIO_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(7);
    let rounds = std::env::var("BRIO_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(150);
    println!("BRIO_SEED={seed} BRIO_ROUNDS={rounds}");
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let (mut clean, mut stuck) = (0, 0);
    for round in 0..rounds {
        let mut rng = Rng(seed ^ (round << 20));
        let base = base(&mut rng);
        let (one, two) = (edited(&mut rng, &base), edited(&mut rng, &base));
        for (first, second) in [(&one, &two), (&two, &one)] {
            let mut want: Result<Texts, Vec<String>> = Ok(Texts::new());
            for path in PATHS {
                let of = |t: &'_ Texts| t.get(path).cloned();
                let (b, o, t) = (of(&base), of(second), of(first));
                match (merged(dir.path(), b.as_ref(), o.as_ref(), t.as_ref()), &mut want) {
                    (Ok(Some(text)), Ok(all)) => drop(all.insert(path, text)),
                    (Ok(_), _) => {}
                    (Err(()), Ok(_)) => want = Err(vec![path.to_owned()]),
                    (Err(()), Err(paths)) => paths.push(path.to_owned()),
                }
            }
            let got = land(&base, first, second);
            assert_eq!(got, want, "round {round}: {base:#?} {first:#?} {second:#?}");
            match got {
                Ok(_) => clean += 1,
                Err(_) => stuck += 1,
            }
        }
    }
    println!("{clean} merged, {stuck} in conflict");
    assert!(clean * 4 > rounds && stuck * 4 > rounds, "both happen: {clean}, {stuck}");
}
