//! What a process of its own costs a run: the same run in both, in turns.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use brio_host::{AgentSource, Brio, Metadata, Place, RunRequest, Sandbox};

use super::measure::{Outcome, head, median, ms, percentile, row, time};
use super::tree;

const RUNS: usize = 100;
const FILES: usize = 20_000;
const ROUNDS: usize = 5;
/// What a worker needs to be there, many times over.
const READY: Duration = Duration::from_millis(100);

pub(crate) fn run() -> Outcome {
    let home = tempfile::tempdir()?;
    let base = tempfile::tempdir()?;
    whole_runs(home.path(), base.path())?;
    println!();
    file_calls(home.path())
}

/// Begin, run and rollback of an agent that writes nothing to speak of.
fn whole_runs(home: &Path, base: &Path) -> Outcome {
    head(&["begin, run, rollback, ms", "median", "p99", "over wasm, median"]);
    let ahead = Brio::builder(home).workers(1).open()?;
    let none = Brio::open(home)?;
    ahead.make_workers();
    let kinds = [
        ("wasm", &none, Sandbox::Wasm),
        ("process, one waiting", &ahead, Sandbox::Process),
        ("process, none waiting", &none, Sandbox::Process),
    ];
    let mut samples = kinds.map(|_| Vec::new());
    for round in 0..=RUNS {
        for ((_, brio, sandbox), samples) in kinds.iter().zip(&mut samples) {
            sleep(READY);
            let (took, ran) = time(|| once(brio, *sandbox, "hello", base, "Ada"))?;
            if !ran.report.succeeded() || ran.enforced.sandbox() != *sandbox {
                return Err(format!("{}: {:?}", ran.enforced, ran.report.error).into());
            }
            // The first round warms the caches.
            if round > 0 {
                samples.push(took);
            }
        }
    }
    let wasm = median(&samples[0]);
    for ((name, ..), samples) in kinds.iter().zip(&samples) {
        let over = ms(median(samples).saturating_sub(wasm));
        row(&[name, &ms(median(samples)), &ms(percentile(samples, 99)), &over]);
    }
    println!();
    head(&["one after the other, runs per second", "wasm", "process, two made ahead"]);
    let two = Brio::builder(home).workers(2).open()?;
    let rate = |brio: &Brio, sandbox| -> Outcome<String> {
        let begun = Instant::now();
        for _ in 0..RUNS {
            once(brio, sandbox, "hello", base, "Ada")?;
        }
        Ok(format!("{:.0}", RUNS as f64 / begun.elapsed().as_secs_f64()))
    };
    row(&["hello", &rate(&none, Sandbox::Wasm)?, &rate(&two, Sandbox::Process)?]);
    Ok(())
}

/// The time that a guest itself measures for its file calls.
fn file_calls(home: &Path) -> Outcome {
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    let brio = Brio::builder(home).workers(1).open()?;
    head(&["20,000 files, median ms in the guest", "wasm", "process", "process / wasm"]);
    let guests: [&[&str]; 3] =
        [&["bench-stat"], &["bench-read"], &["bench-write", "bench-write, its renames"]];
    for rows in guests {
        let agent = brio_tests::root().join("example-agents/prebuilt/test").join(rows[0]);
        let agent = agent.with_extension("wasm");
        let mut samples = vec![[Vec::new(), Vec::new()]; rows.len()];
        for round in 0..=ROUNDS {
            for (which, sandbox) in [Sandbox::Wasm, Sandbox::Process].into_iter().enumerate() {
                let ran = once(&brio, sandbox, &agent, base.path(), "")?;
                let text = ran.report.stdout.text().into_owned();
                let nanos = text.split_whitespace().skip(1).step_by(2);
                let nanos = nanos.filter_map(|nanos| nanos.parse().ok());
                for (row, nanos) in samples.iter_mut().zip(nanos).filter(|_| round > 0) {
                    row[which].push(Duration::from_nanos(nanos));
                }
            }
        }
        for (name, [wasm, process]) in rows.iter().zip(&samples) {
            let (wasm, process) = (median(wasm), median(process));
            let ratio = format!("{:.2}", process.as_secs_f64() / wasm.as_secs_f64());
            row(&[name, &ms(wasm), &ms(process), &ratio]);
        }
    }
    Ok(())
}

/// One run, whose session is thrown away.
fn once(
    brio: &Brio,
    sandbox: Sandbox,
    agent: impl Into<PathBuf>,
    base: &Path,
    task: &str,
) -> Outcome<brio_host::Ran> {
    let place = Place::Begin { base: base.to_owned(), metadata: Metadata::default() };
    let mut request = RunRequest::new(AgentSource::Named(agent.into()), place);
    request.description = task.to_owned();
    request.sandbox = Some(sandbox);
    request.keep = true;
    let ran = brio.run(request)?;
    brio.find(ran.session.as_str(), None)?.rollback(false)?;
    Ok(ran)
}
