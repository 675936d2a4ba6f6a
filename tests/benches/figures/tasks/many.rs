//! Many tasks at once, as a program that embeds Brio has them.

use std::path::Path;
use std::time::{Duration, Instant};

use brio_host::tasks::JobState;
use brio_host::{WorkOptions, outcome_of};
use serde::{Deserialize, Serialize};

use super::{House, measured, memory, mib, task};
use crate::measure::{Outcome, head, median, ms, percentile, row};

const BASES: usize = 10;

#[derive(Serialize, Deserialize)]
struct Many {
    submitting: Duration,
    working: Duration,
    /// From a task's start to its end.
    latencies: Vec<Duration>,
    before: u64,
    peak: u64,
}

pub(super) fn run() -> Outcome {
    head(&[
        "tasks that land, on 10 bases",
        "tasks/s",
        "submitted/s",
        "start to end p50 ms",
        "p99 ms",
        "MiB before",
        "MiB at most",
    ]);
    let dir = std::env::temp_dir();
    for (tasks, at_once) in [(1000, 1), (1000, 10), (250, 100), (1000, 100), (4000, 100)] {
        let args = ["many", &dir.to_string_lossy(), &tasks.to_string(), &at_once.to_string()];
        let many: Many = measured(&args)?;
        let per_second = |t: Duration| format!("{:.0}", f64::from(tasks) / t.as_secs_f64());
        row(&[
            &format!("{tasks}, {at_once} at once"),
            &per_second(many.working),
            &per_second(many.submitting),
            &ms(median(&many.latencies)),
            &ms(percentile(&many.latencies, 99)),
            &mib(many.before),
            &mib(many.peak),
        ]);
    }
    Ok(())
}

pub(super) fn part(args: &[&str]) -> Outcome<impl Serialize + use<>> {
    let [dir, tasks, at_once] = args else { return Err("DIR TASKS AT-ONCE".into()) };
    let (tasks, at_once): (usize, usize) = (tasks.parse()?, at_once.parse()?);
    let house = House::new(Path::new(dir))?;
    let supervisor = house.supervisor()?;
    let mut bases = Vec::new();
    for n in 0..=BASES {
        bases.push(house.base(n, tasks.div_ceil(BASES))?);
    }
    let replace = |base: &Path, file: usize| {
        let args = [format!("f{file}.txt")];
        let step = serde_json::json!({
            "name": "replace", "agent": "replace", "task": "s/colour/color/", "args": args,
        });
        task(base, &step)
    };
    let work = |only| {
        let options = WorkOptions { jobs: at_once, only, ..WorkOptions::default() };
        supervisor.work(options)
    };
    // The agent is compiled before anybody looks at the clock.
    let first = supervisor.submit(&replace(&bases[BASES], 0)?)?;
    work(Some(first))?.wait();
    let (before, _) = memory()?;
    let started = Instant::now();
    for n in 0..tasks {
        supervisor.submit(&replace(&bases[n % BASES], n / BASES)?)?;
    }
    let submitting = started.elapsed();
    let started = Instant::now();
    let (ended, ends) = std::sync::mpsc::channel();
    let options = WorkOptions {
        jobs: at_once,
        events: std::sync::Arc::new(move |event| {
            if matches!(event, brio_host::tasks::Event::Ended { .. }) {
                let _ = ended.send(());
            }
        }),
        ..WorkOptions::default()
    };
    let engine = supervisor.work(options)?;
    for _ in 0..tasks {
        ends.recv()?;
    }
    let working = started.elapsed();
    engine.stop();
    let (_, peak) = memory()?;
    let mut latencies = Vec::new();
    for job in supervisor.jobs(true)?.iter().skip(1) {
        let landed = outcome_of(job).is_some_and(|o| o.landing.is_some());
        if job.state != JobState::Done || !landed {
            return Err(format!("{job:?}").into());
        }
        let millis = job.ended_at.zip(job.started_at).map_or(0, |(end, start)| end - start);
        latencies.push(Duration::from_millis(millis.unsigned_abs()));
    }
    Ok(Many { submitting, working, latencies, before, peak })
}
