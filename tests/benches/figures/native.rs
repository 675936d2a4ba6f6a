//! Native tools in a branch: the mount against the plain directory, and what a room costs.

use std::path::Path;
use std::process::{Command, Stdio};

use brio_landing::{BeginOptions, Domain, OpenOptions};
use brio_mount::{Fixed, Mount, Options};
use brio_session::ViewOptions;

use super::begin::brio_binary;
use super::measure::{Outcome, head, median, ms, row, time};
use super::tree;

const FILES: usize = 20_000;
const ROUNDS: usize = 7;

pub(crate) fn run() -> Outcome {
    tools()?;
    room()
}

/// Turn by turn, each after one that warmed it.
fn tools() -> Outcome {
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    tree::repository(base.path())?;
    let options = OpenOptions { boot_id: "bench".into(), ..OpenOptions::default() };
    let domain = Domain::open(base.path(), options)?.0;
    let session = domain.begin(BeginOptions::default())?;
    let writer = session.writer("bench", ViewOptions { vcs: true, ..ViewOptions::default() })?;
    let at = tempfile::tempdir()?;
    let mount = Mount::at(at.path(), Fixed(writer.view().clone()), &Options::default())?;
    let tools: [(&str, &[&str]); 4] = [
        ("git", &["status", "--short"]),
        ("grep", &["-rc", "no such text", "--exclude-dir=.git", "--exclude-dir=.brio", "-q", "."]),
        ("find", &[".", "-name", "*.none"]),
        ("tar", &["-cf", "/dev/null", "--exclude=.git", "--exclude=.brio", "."]),
    ];
    head(&["20,000 files, warm", "plain directory ms", "mount ms", "ratio"]);
    for (tool, args) in tools {
        let go = |dir: &Path| {
            let status = Command::new(tool)
                .args(args)
                .current_dir(dir)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            // grep finds nothing, and says so by 1.
            if status.code().is_some_and(|c| c < 2) { Ok(()) } else { Err(tool.into()) }
        };
        let (mut plain, mut mounted) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (a, b) = (time(|| go(base.path()))?.0, time(|| go(at.path()))?.0);
            if round > 0 {
                plain.push(a);
                mounted.push(b);
            }
        }
        let (a, b) = (median(&plain), median(&mounted));
        let name = format!("`{tool} {}`", args[0]);
        row(&[&name, &ms(a), &ms(b), &format!("{:.2}", b.as_secs_f64() / a.as_secs_f64())]);
    }
    mount.unmount()?;
    Ok(())
}

fn room() -> Outcome {
    let brio = brio_binary()?;
    let (home, base) = (tempfile::tempdir()?, tempfile::tempdir()?);
    tree::fill(base.path(), 100)?;
    let brio = |args: &[&str]| -> Outcome<String> {
        let out = Command::new(&brio)
            .args(args)
            .current_dir(base.path())
            .env("BRIO_HOME", home.path())
            .output()?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
        }
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    };
    let id = brio(&["session", "begin", "-q"])?;
    let samples = |args: &[&str]| -> Outcome<Vec<_>> {
        (0..21).map(|_| Ok(time(|| brio(args))?.0)).collect()
    };
    let confined = samples(&["session", "exec", &id, "--", "true"])?;
    let unconfined = samples(&["session", "exec", &id, "--unconfined", "--", "true"])?;
    let show = samples(&["session", "show", &id])?;
    println!();
    head(&["`true` in a session, as a process", "median ms"]);
    row(&["`brio session exec`: a room, the mount, and their end", &ms(median(&confined))]);
    row(&["`brio session exec --unconfined`: the mount", &ms(median(&unconfined))]);
    row(&["`brio session show`: neither", &ms(median(&show))]);
    Ok(())
}
