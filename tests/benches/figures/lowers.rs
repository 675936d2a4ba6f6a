//! What a begin costs on each file system, with and without reflink (T16).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brio_landing::{BeginOptions, Domain, LowerInfo, LowerOptions, OpenOptions, WantedLower};
use brio_tests::mounted::Mounted;

use super::measure::{Outcome, command, head, median, ms, row, time};
use super::tree;

const FILES: usize = 20_000;
const ROUNDS: usize = 3;

pub(crate) fn run() -> Outcome {
    let there = tempfile::tempdir()?;
    head(&["20,000 files", "live", "frozen", "by", "`cp -a --reflink=auto`", "frozen / cp"]);
    measure("here", there.path())?;
    for kind in ["ext4", "xfs", "btrfs", "tmpfs"] {
        match Mounted::new(kind, 2048, "") {
            Ok(fs) => {
                measure(kind, &fs.dir("plain"))?;
                if kind == "btrfs" {
                    measure("btrfs, a subvolume", &subvolume(&fs.path())?)?;
                }
            }
            Err(why) => eprintln!("{kind}: not measured: {why}"),
        }
    }
    Ok(())
}

fn subvolume(at: &Path) -> Outcome<PathBuf> {
    let base = at.join("subvolume");
    command("btrfs", &["subvolume", "create", &base.to_string_lossy()], at)?;
    Ok(base)
}

/// Turn by turn, so that what is compared met the same machine.
fn measure(name: &str, at: &Path) -> Outcome {
    let base = at.join("base");
    let base = if at.ends_with("subvolume") { at.to_owned() } else { base };
    fs::create_dir_all(&base)?;
    tree::fill(&base, FILES)?;
    let (domain, _) = Domain::open(&base, OpenOptions::default())?;
    let (mut live, mut frozen, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    let mut by = "";
    for i in 0..ROUNDS {
        for (wanted, out) in [(WantedLower::Live, &mut live), (WantedLower::Frozen, &mut frozen)] {
            let lower = LowerOptions { wanted, ..LowerOptions::default() };
            let options = BeginOptions { lower, ..BeginOptions::default() };
            let (took, session) = time(|| Ok(domain.begin(options)?))?;
            out.push(took);
            if let LowerInfo::Frozen(f) = session.info()?.lower {
                by = f.method.as_str();
            }
            domain.rollback(session.id(), false)?;
        }
        let to = at.parent().unwrap_or(at).join(format!("copy-{i}"));
        let (from, to) = (base.to_string_lossy(), to.to_string_lossy().into_owned());
        let cp = || command("cp", &["-a", "--reflink=auto", &from, &to], Path::new("/"));
        copy.push(time(cp)?.0);
        fs::remove_dir_all(&to)?;
    }
    let of = |s: &[Duration]| format!("{} ms", ms(median(s)));
    let ratio = median(&frozen).as_secs_f64() / median(&copy).as_secs_f64();
    row(&[name, &of(&live), &of(&frozen), by, &of(&copy), &format!("{ratio:.2}")]);
    Ok(())
}
