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
        tree::repository(base.path())?;
        let (domain, _) = Domain::open(base.path(), OpenOptions::default())?;
        bases.push((files, base, domain, vec![Vec::<Duration>::new(); 3]));
    }
    for round in 0..ROUNDS {
        for (files, base, domain, samples) in &mut bases {
            let text = format!("round {round}\n").repeat(400);
            samples[0].push(land(domain, *files, CHANGED, &text)?);
            let git = || {
                command("git", &["add", "-A"], base.path())?;
                let who = ["-c", "user.name=b", "-c", "user.email=b@b"];
                command("git", &[&who[..], &["commit", "-qm", "round"]].concat(), base.path())
            };
            samples[1].push(time(git)?.0);
            samples[2].push(time(|| fsync_each(base.path(), *files, CHANGED, &text))?.0);
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

/// 10 and 100 changed files in 20,000: each way in turn.
pub(crate) fn durable() -> Outcome {
    const FILES: usize = 20_000;
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    let git = |args: &[&str]| command("git", args, base.path());
    tree::repository(base.path())?;
    let (domain, _) = Domain::open(base.path(), OpenOptions::default())?;
    let mut medians = Vec::new();
    for changed in [10, 100] {
        let mut samples = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            let text = format!("{changed} in round {round}\n").repeat(400);
            samples[0].push(land(&domain, FILES, changed, &text)?);
            samples[1].push(
                time(|| {
                    git(&["add", "-A"])?;
                    git(&["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "round"])
                })?
                .0,
            );
            let text = format!("{changed} again in round {round}\n").repeat(400);
            samples[2].push(time(|| fsync_each(base.path(), FILES, changed, &text))?.0);
            git(&["add", "-A"])?;
            git(&["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "round"])?;
        }
        medians.push(samples.map(|s| median(&s)));
    }
    head(&[
        "durable, in 20,000 files, median ms",
        "10 changed",
        "100 changed",
        "times landing at 100",
    ]);
    for (i, name) in ["landing", "`git add -A && git commit`", "write + fsync + rename, each file"]
        .iter()
        .enumerate()
    {
        let times = medians[1][i].as_secs_f64() / medians[1][0].as_secs_f64();
        row(&[name, &ms(medians[0][i]), &ms(medians[1][i]), &format!("{times:.1}")]);
    }
    let a_file = medians[1][0].saturating_sub(medians[0][0]) / 90;
    println!("\na file more costs a landing {} µs", a_file.as_micros());
    Ok(())
}

fn land(domain: &Domain, files: usize, changed: usize, text: &str) -> Outcome<Duration> {
    let session = domain.begin(BeginOptions::default())?;
    let writer = session.writer("bench", ViewOptions::default())?;
    let view = writer.view();
    let how = Open { write: true, truncate: true, ..Open::default() };
    for i in tree::spread(files, changed) {
        let path = tree::name(i).to_string_lossy().into_owned();
        if let Handle::File(f) = view.open_at(&view.root(), path.as_bytes(), &how)? {
            f.write_at(text.as_bytes(), 0)?;
        }
    }
    writer.finish()?;
    let (took, landed) = time(|| Ok(domain.commit(session.id(), CommitOptions::default())?))?;
    assert_eq!(landed.changes.changes.len(), changed);
    Ok(took)
}

fn fsync_each(base: &Path, files: usize, changed: usize, text: &str) -> Outcome {
    for i in tree::spread(files, changed) {
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
