//! Tasks, and sessions by the thousand. Each part is a process of its own, so that the memory of
//! one is not taken for another's.

mod cancel;
mod many;
mod open;
mod queue;
mod warm;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use brio_host::tasks::Task;
use brio_host::tasks::file::{Format, parse};
use brio_host::{Brio, Supervisor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::measure::Outcome;

/// The first argument of a process that is a part.
pub(crate) const PART: &str = "part";

pub(crate) fn run() -> Outcome {
    many::run()?;
    println!();
    queue::run()?;
    println!();
    warm::run()?;
    println!();
    open::run()?;
    println!();
    cancel::run()
}

/// Is the part that the arguments name, and prints what it measured.
pub(crate) fn part(args: &[String]) -> Outcome {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["many", rest @ ..] => print(&many::part(rest)?),
        ["queue", rest @ ..] => print(&queue::part(rest)?),
        ["warm", rest @ ..] => print(&warm::part(rest)?),
        ["open", rest @ ..] => print(&open::part(rest)?),
        ["cancel", rest @ ..] => print(&cancel::part(rest)?),
        ["canceller", rest @ ..] => cancel::canceller(rest),
        _ => Err(format!("{args:?} is no part").into()),
    }
}

fn print(measured: &impl Serialize) -> Outcome {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

fn this_with(args: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(PART).args(args).stderr(Stdio::inherit());
    Ok(command)
}

/// Has a process of its own be a part, and returns what it measured.
fn measured<T: DeserializeOwned>(args: &[&str]) -> Outcome<T> {
    let out = this_with(args)?.output()?;
    if !out.status.success() {
        return Err(format!("the part {args:?} ended with {}", out.status).into());
    }
    Ok(serde_json::from_slice(&out.stdout)?)
}

/// A home, and bases beside it.
struct House {
    dir: TempDir,
    brio: Brio,
}

impl House {
    fn new(within: &Path) -> Outcome<Self> {
        let dir = tempfile::tempdir_in(within)?;
        let brio = Brio::open(dir.path().join("home"))?;
        Ok(Self { dir, brio })
    }

    /// A base that has these files, each with a line to change.
    fn base(&self, n: usize, files: usize) -> Outcome<PathBuf> {
        let base = self.dir.path().join(format!("base{n}"));
        std::fs::create_dir(&base)?;
        for file in 0..files {
            std::fs::write(base.join(format!("f{file}.txt")), "what colour is it?\n")?;
        }
        Ok(base)
    }

    fn supervisor(&self) -> Outcome<Supervisor> {
        let path = std::env::vars_os().filter(|(name, _)| name == "PATH");
        Ok(self.brio.supervisor(path.collect())?)
    }
}

/// The task of one step on a base, as a file would say it.
fn task(base: &Path, step: &serde_json::Value) -> Outcome<Task> {
    let text = serde_json::json!({ "name": "task", "base": base, "steps": [step] });
    Ok(parse(&text.to_string(), Format::Json, base)?)
}

/// What this process has in memory, in KiB: now, and at most.
fn memory() -> Outcome<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let of = |name: &str| -> Outcome<u64> {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        let number = line.and_then(|l| l.split_whitespace().nth(1)).ok_or("no such line")?;
        Ok(number.parse()?)
    };
    Ok((of("VmRSS")?, of("VmHWM")?))
}

fn mib(kib: u64) -> String {
    format!("{:.0}", kib as f64 / 1024.0)
}

fn us(d: Duration) -> String {
    format!("{:.0}", d.as_secs_f64() * 1e6)
}
