//! What a begin costs, in process and as a command.

use std::path::Path;
use std::time::Duration;

use brio_landing::{BeginOptions, Domain, OpenOptions};

use super::measure::{Outcome, command, head, median, ms, percentile, row, time};
use super::tree;

const ROUNDS: usize = 300;

pub(crate) fn run() -> Outcome {
    in_process()?;
    as_command()
}

fn in_process() -> Outcome {
    let home = tempfile::tempdir()?;
    let sizes = [1_000, 100_000];
    let mut bases = Vec::new();
    // The large one first: ext4 looks long for room beside a neighbour that took all the inodes.
    for files in sizes.into_iter().rev() {
        let base = tempfile::tempdir()?;
        tree::fill(base.path(), files)?;
        let options = OpenOptions { home: Some(home.path().into()), ..OpenOptions::default() };
        bases.push((Domain::open(base.path(), options)?.0, base));
    }
    bases.reverse();
    let mut samples = vec![Vec::<Duration>::new(); sizes.len()];
    for _ in 0..ROUNDS {
        for (i, (domain, _)) in bases.iter().enumerate() {
            let (took, session) = time(|| Ok(domain.begin(BeginOptions::default())?))?;
            samples[i].push(took);
            domain.rollback(session.id(), false)?;
        }
    }
    head(&["begin in process", "p50 ms", "p95 ms"]);
    for (files, s) in sizes.iter().zip(&samples) {
        row(&[&format!("{files} files"), &ms(median(s)), &ms(percentile(s, 95))]);
    }
    let ratio = median(&samples[1]).as_secs_f64() / median(&samples[0]).as_secs_f64();
    println!("\np50 ratio 100,000 / 1,000 files: {ratio:.2}\n");
    Ok(())
}

fn as_command() -> Outcome {
    let brio = brio_binary()?;
    let home = tempfile::tempdir()?;
    let base = tempfile::tempdir()?;
    let out = tempfile::tempdir()?;
    tree::fill(base.path(), 20_000)?;
    let git = |args: &[&str]| command("git", args, base.path());
    tree::repository(base.path())?;
    let home_dir = home.path().to_string_lossy().into_owned();
    let (mut begin, mut worktree, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..5 {
        for _ in 0..10 {
            let run = || {
                let status = std::process::Command::new(&brio)
                    .args(["session", "begin", "--quiet"])
                    .arg(base.path())
                    .env("BRIO_HOME", &home_dir)
                    .stdout(std::process::Stdio::null())
                    .status()?;
                if status.success() {
                    Ok(())
                } else {
                    Err(format!("brio session begin: {status}").into())
                }
            };
            begin.push(time(run)?.0);
        }
        let to = out.path().join(format!("w{i}")).to_string_lossy().into_owned();
        worktree.push(time(|| git(&["worktree", "add", "-q", "--detach", &to]))?.0);
        let to = out.path().join(format!("c{i}")).to_string_lossy().into_owned();
        let from = base.path().to_string_lossy().into_owned();
        let cp = || command("cp", &["-a", "--reflink=auto", &from, &to], Path::new("/"));
        copy.push(time(cp)?.0);
    }
    head(&["20,000 files, as a command", "median ms", "times `brio session begin`"]);
    let one = median(&begin).as_secs_f64();
    for (name, s) in [
        ("`brio session begin`", &begin),
        ("`git worktree add`", &worktree),
        ("`cp -a --reflink=auto`", &copy),
    ] {
        row(&[name, &ms(median(s)), &format!("{:.0}", median(s).as_secs_f64() / one)]);
    }
    Ok(())
}

/// The release binary beside this benchmark.
pub(crate) fn brio_binary() -> Outcome<std::path::PathBuf> {
    let me = std::env::current_exe()?;
    let brio = me.ancestors().nth(2).map(|d| d.join("brio")).unwrap_or_default();
    if brio.exists() {
        return Ok(brio);
    }
    Err(format!("{} is missing: run `cargo build --release` first", brio.display()).into())
}
