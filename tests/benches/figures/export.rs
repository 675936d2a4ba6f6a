//! A session written out as a directory, against a copy of its base, on each file system.

use std::fs;
use std::path::Path;
use std::time::Duration;

use brio_tests::mounted::Mounted;

use super::measure::{Outcome, command, head, median, ms, row, time};
use super::session::Sessions;
use super::tree;

const FILES: usize = 20_000;
const ROUNDS: usize = 3;
/// One large file among the small ones: what blocks that are shared are for.
const LARGE: usize = 64 << 20;
/// Appends to every tenth file, in the room where there is no other way in by the command.
const CHANGE: &str = "find . -name '*0.rs' | while read f; do echo '// changed' >> \"$f\"; done";

pub(crate) fn run() -> Outcome {
    let there = tempfile::tempdir()?;
    head(&[
        "20,000 files and one of 64 MiB, ms",
        "`cp -a --reflink=auto`",
        "export, nothing changed",
        "ratio",
        "export, 2,000 changed",
        "ratio",
        "copied",
    ]);
    measure("here", there.path())?;
    for kind in ["ext4", "xfs", "btrfs", "tmpfs"] {
        match Mounted::new(kind, 4096, "") {
            Ok(fs) => measure(kind, &fs.dir("plain"))?,
            Err(why) => eprintln!("{kind}: not measured: {why}"),
        }
    }
    Ok(())
}

/// Turn by turn, so that what is compared met the same machine.
fn measure(name: &str, at: &Path) -> Outcome {
    let base = at.join("base");
    fs::create_dir_all(&base)?;
    tree::fill(&base, FILES)?;
    fs::write(base.join("large"), vec![b'x'; LARGE])?;
    let sessions = Sessions::new(&base)?;
    let (same, changed) = (sessions.begin()?, sessions.begin()?);
    sessions.run(&["session", "exec", &changed, "--", "sh", "-c", CHANGE])?;
    // Without the state of the base, which is no part of what is compared.
    let original = at.join("original");
    fs::create_dir(&original)?;
    tree::fill(&original, FILES)?;
    fs::write(original.join("large"), vec![b'x'; LARGE])?;
    let mut samples = [const { Vec::<Duration>::new() }; 3];
    let mut copied = 0;
    for round in 0..=ROUNDS {
        let to = at.join("to");
        let out = to.to_string_lossy().into_owned();
        for (i, samples) in samples.iter_mut().enumerate() {
            let took = match i {
                0 => {
                    let from = original.to_string_lossy();
                    time(|| command("cp", &["-a", "--reflink=auto", &from, &out], at))?.0
                }
                _ => {
                    let id = if i == 1 { &same } else { &changed };
                    let args = ["session", "export", "--json", id, &out];
                    let (took, said) = time(|| sessions.run(&args))?;
                    let said: serde_json::Value = serde_json::from_str(&said)?;
                    copied = said["bytes_copied"].as_u64().ok_or("no bytes_copied")?;
                    took
                }
            };
            fs::remove_dir_all(&to)?;
            if round > 0 {
                samples.push(took);
            }
        }
    }
    let [cp, same, changed] = samples.map(|s| median(&s));
    let ratio = |d: Duration| format!("{:.2}", d.as_secs_f64() / cp.as_secs_f64());
    let mib = format!("{:.0} MiB", copied as f64 / f64::from(1 << 20));
    row(&[name, &ms(cp), &ms(same), &ratio(same), &ms(changed), &ratio(changed), &mib]);
    Ok(())
}
