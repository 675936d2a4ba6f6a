//! A small agent in a warm process: begin, run, roll back.

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use brio_host::{AgentSource, Brio, Ending, Metadata, Place, RunRequest};
use serde::{Deserialize, Serialize};

use super::{House, measured, us};
use crate::measure::{Outcome, head, median, row, time};

const WARM: usize = 100;
const ROUNDS: usize = 2000;

#[derive(Serialize, Deserialize)]
struct Warm {
    whole: Duration,
    /// Medians.
    begin: Duration,
    run: Duration,
    rollback: Duration,
    /// A run that fails, whose session it begins and rolls back itself.
    at_once: Duration,
}

pub(super) fn run() -> Outcome {
    head(&[
        "begin + instantiate + run `hello` + roll back, warm",
        "a second",
        "begin p50 µs",
        "run",
        "roll back",
        "all in a run that fails",
    ]);
    let disk = std::env::temp_dir();
    for (name, dir) in [("disk", disk.as_path()), ("tmpfs", Path::new("/dev/shm"))] {
        for threads in [1_u32, 2] {
            let args = ["warm", &dir.to_string_lossy(), &threads.to_string()];
            let warm: Warm = measured(&args)?;
            let done = f64::from(threads) * ROUNDS as f64;
            row(&[
                &format!("{name}, {threads} thread{}", if threads == 1 { "" } else { "s" }),
                &format!("{:.0}", done / warm.whole.as_secs_f64()),
                &us(warm.begin),
                &us(warm.run),
                &us(warm.rollback),
                &us(warm.at_once),
            ]);
        }
    }
    Ok(())
}

pub(super) fn part(args: &[&str]) -> Outcome<impl Serialize + use<>> {
    let [dir, threads] = args else { return Err("DIR THREADS".into()) };
    let threads: usize = threads.parse()?;
    let house = House::new(dir.as_ref())?;
    let mut bases = Vec::new();
    for n in 0..threads {
        bases.push(house.base(n, 10)?);
    }
    let start = Barrier::new(threads);
    let whole = std::thread::scope(|scope| {
        let started: Vec<_> = bases
            .iter()
            .map(|base| {
                scope.spawn(|| rounds(&house.brio, base, &start).map_err(|e| e.to_string()))
            })
            .collect();
        let joined = started.into_iter().map(|t| t.join().map_err(|_| "it panicked".to_owned())?);
        joined.collect::<Result<Vec<_>, String>>()
    })?;
    whole.into_iter().max_by_key(|w| w.whole).ok_or_else(|| "no thread".into())
}

fn rounds(brio: &Brio, base: &Path, start: &Barrier) -> Outcome<Warm> {
    let mut times: [Vec<Duration>; 3] = Default::default();
    let mut started = Instant::now();
    for n in 0..WARM + ROUNDS {
        if n == WARM {
            start.wait();
            started = Instant::now();
            times = Default::default();
        }
        let (begin, session) = time(|| Ok(brio.begin(base, Metadata::default())?))?;
        let place = Place::Session(session.clone());
        let (run, ran) =
            time(|| Ok(brio.run(RunRequest::new(AgentSource::Named("hello".into()), place))?))?;
        if !ran.report.succeeded() || ran.changes.changes.len() != 1 {
            return Err(format!("{ran:?}").into());
        }
        let (rollback, _) = time(|| Ok(session.rollback(false)?))?;
        for (times, took) in times.iter_mut().zip([begin, run, rollback]) {
            times.push(took);
        }
    }
    let whole = started.elapsed();
    let [begin, run, rollback] = times.map(|t| median(&t));
    Ok(Warm { whole, begin, run, rollback, at_once: failing(brio, base)? })
}

fn failing(brio: &Brio, base: &Path) -> Outcome<Duration> {
    let agent = brio_tests::root().join("example-agents/prebuilt/test/fail.wasm");
    let mut times = Vec::new();
    for _ in 0..WARM + ROUNDS / 4 {
        let place = Place::Begin { base: base.to_owned(), metadata: Metadata::default() };
        let request = RunRequest::new(AgentSource::Named(agent.clone()), place);
        let (took, ran) = time(|| Ok(brio.run(request)?))?;
        if !matches!(ran.ending, Ending::RolledBack(_)) {
            return Err(format!("{ran:?}").into());
        }
        times.push(took);
    }
    Ok(median(&times[WARM..]))
}
