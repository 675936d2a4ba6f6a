//! What it costs to land 100 changed files, durably.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use brio_landing::{BeginOptions, CommitOptions, Domain, OpenOptions};
use brio_session::{Handle, OpenOptions as Open, ViewOptions};

use super::measure::{Outcome, command, head, median, ms, row, time};
use super::tree;

const CHANGED: usize = 100;
const ROUNDS: usize = 9;

pub(crate) fn run() -> Outcome {
    let sizes = [1_000, 100_000];
    let mut bases = Vec::new();
    for files in sizes {
        let base = tempfile::tempdir()?;
        tree::fill(base.path(), files)?;
        let git = |args: &[&str]| command("git", args, base.path());
        git(&["init", "-q"])?;
        git(&["add", "-A"])?;
        git(&["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "base"])?;
        let (domain, _) = Domain::open(base.path(), OpenOptions::default())?;
        bases.push((files, base, domain, vec![Vec::<Duration>::new(); 3]));
    }
    for round in 0..ROUNDS {
        for (files, base, domain, samples) in &mut bases {
            let text = format!("round {round}\n").repeat(400);
            samples[0].push(land(domain, *files, &text)?);
            let git = || {
                command("git", &["add", "-A"], base.path())?;
                let who = ["-c", "user.name=b", "-c", "user.email=b@b"];
                command("git", &[&who[..], &["commit", "-qm", "round"]].concat(), base.path())
            };
            samples[1].push(time(git)?.0);
            samples[2].push(time(|| fsync_each(base.path(), *files, &text))?.0);
            command("git", &["checkout", "-q", "--", "."], base.path())?;
        }
    }
    head(&["100 changed files, median ms", "in 1,000", "in 100,000", "ratio"]);
    for (i, name) in ["landing", "`git add -A && git commit`", "write + fsync + rename, each file"]
        .iter()
        .enumerate()
    {
        let (a, b) = (median(&bases[0].3[i]), median(&bases[1].3[i]));
        row(&[name, &ms(a), &ms(b), &format!("{:.2}", b.as_secs_f64() / a.as_secs_f64())]);
    }
    Ok(())
}

fn land(domain: &Domain, files: usize, text: &str) -> Outcome<Duration> {
    let session = domain.begin(BeginOptions::default())?;
    let writer = session.writer("bench", ViewOptions::default())?;
    let view = writer.view();
    let how = Open { write: true, truncate: true, ..Open::default() };
    for i in tree::spread(files, CHANGED) {
        let path = tree::name(i).to_string_lossy().into_owned();
        if let Handle::File(f) = view.open_at(&view.root(), path.as_bytes(), &how)? {
            f.write_at(text.as_bytes(), 0)?;
        }
    }
    writer.finish()?;
    let (took, landed) = time(|| Ok(domain.commit(session.id(), CommitOptions::default())?))?;
    assert_eq!(landed.changes.changes.len(), CHANGED);
    Ok(took)
}

fn fsync_each(base: &Path, files: usize, text: &str) -> Outcome {
    for i in tree::spread(files, CHANGED) {
        let path = base.join(tree::name(i));
        let tmp = path.with_extension("tmp");
        let mut f = File::create(&tmp)?;
        f.write_all(text.as_bytes())?;
        f.sync_all()?;
        fs::rename(&tmp, &path)?;
        File::open(path.parent().unwrap_or(base))?.sync_all()?;
    }
    Ok(())
}
