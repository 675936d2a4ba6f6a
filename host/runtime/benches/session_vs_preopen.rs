//! Stat-heavy and read-heavy guests in a session, against the same component under
//! wasmtime-wasi's plain preopen in the same engine.
//!
//! `cargo bench -p brio-runtime --bench session_vs_preopen`
//!
//! Medians of interleaved rounds; the time is the guest's own, without instantiation. The last
//! line is a whole run of a cached agent: set up, instantiate, read one file, tear down.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use brio_runtime::{Agent, Plain, RunSpec, Workspace};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use common::{ENGINE, Session, guest};

const ROUNDS: usize = 9;

fn main() {
    let session = Session::over(|at| fill(at, 50, 40, 8 << 10));
    println!(
        "2,000 files of 8 KiB in 50 directories; ms, medians of {ROUNDS} rounds; x = over blocking preopen"
    );
    println!("| guest | preopen, default | preopen, blocking | session | x |");
    println!("|---|---|---|---|---|");
    for name in ["stat", "read"] {
        let agent = guest(&format!("test/bench-{name}.wasm"));
        let mut times = [(); 3].map(|()| Vec::new());
        for round in 0..=ROUNDS {
            for (i, times) in times.iter_mut().enumerate() {
                let view = match i {
                    0 => plain(&session, false),
                    1 => plain(&session, true),
                    _ => session.view.clone().into(),
                };
                let took = inner(&agent, view);
                if round > 0 {
                    times.push(took);
                }
            }
        }
        let [default, blocking, ours] = times.map(median);
        println!("| {name} | {default:.1} | {blocking:.1} | {ours:.1} | {:.2} |", ours / blocking);
    }
    let one = Session::over(|at| fill(at, 1, 1, 100));
    let agent = guest("test/bench-read.wasm");
    let whole = |view: &dyn Fn() -> Workspace| {
        let run = || {
            let begun = Instant::now();
            let report = ENGINE.run(&agent, RunSpec::new(view()));
            assert!(report.succeeded(), "{report:?}");
            begun.elapsed().as_secs_f64() * 1e3
        };
        median((0..300).map(|_| run()).collect())
    };
    let ours = whole(&|| one.view.clone().into());
    let blocking = whole(&|| plain(&one, true));
    println!(
        "whole run of a cached agent that reads one file: session {ours:.3} ms, blocking preopen {blocking:.3} ms"
    );
}

fn fill(at: &Path, dirs: usize, files: usize, size: usize) {
    for d in 0..dirs {
        let dir = at.join(format!("d{d}"));
        std::fs::create_dir(&dir).unwrap();
        for f in 0..files {
            std::fs::write(dir.join(format!("file-{f}.txt")), vec![b'x'; size]).unwrap();
        }
    }
}

fn plain(session: &Session, block_current_thread: bool) -> Workspace {
    let dir = Dir::open_ambient_dir(session.base.path(), ambient_authority()).unwrap();
    Workspace::Plain(Plain { dir, block_current_thread })
}

/// What the guest measured, in ms.
fn inner(agent: &Agent, view: Workspace) -> f64 {
    let mut spec = RunSpec::new(view);
    spec.args.extend([".".into(), "3".into()]);
    let report = ENGINE.run(agent, spec);
    assert!(report.succeeded(), "{report:?}");
    let nanos: u64 = report.stdout.text().split_whitespace().nth(1).unwrap().parse().unwrap();
    Duration::from_nanos(nanos).as_secs_f64() * 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
