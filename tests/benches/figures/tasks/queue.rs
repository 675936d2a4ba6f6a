//! The queue by itself, as it grows. In memory: what a flush costs is the disk's matter.

use std::time::{Duration, Instant};

use brio_registry::queue::{NewJob, Queue};
use serde::{Deserialize, Serialize};

use super::{House, measured, us};
use crate::measure::{Outcome, head, median, row};

/// How many have ended when it is measured.
const SIZES: [usize; 3] = [0, 10_000, 100_000];
const ROUNDS: usize = 200;
const WAITING: usize = 1000;

#[derive(Default, Serialize, Deserialize)]
struct Times {
    claim: Duration,
    nothing_due: Duration,
    note: Duration,
    finish: Duration,
    open_jobs: Duration,
}

pub(super) fn run() -> Outcome {
    let sizes: Vec<Times> = measured(&["queue", "/dev/shm"])?;
    head(&[
        "1,000 jobs queued, median µs, in memory",
        "0 have ended",
        "10,000 have",
        "100,000 have",
    ]);
    type Of = fn(&Times) -> Duration;
    let rows: [(&str, Of); 5] = [
        ("claim one", |t| t.claim),
        ("claim when none is due", |t| t.nothing_due),
        ("note how far it came", |t| t.note),
        ("finish it", |t| t.finish),
        ("all that have not ended", |t| t.open_jobs),
    ];
    for (name, of) in rows {
        let [a, b, c] = [&sizes[0], &sizes[1], &sizes[2]].map(|t| us(of(t)));
        row(&[name, &a, &b, &c]);
    }
    Ok(())
}

pub(super) fn part(args: &[&str]) -> Outcome<impl Serialize + use<>> {
    let [dir] = args else { return Err("DIR".into()) };
    let house = House::new(dir.as_ref())?;
    let queue = Queue::open(&house.dir.path().join("queue.db"))?;
    let mut made = 0;
    let mut submit = |count: usize| {
        let jobs: Vec<_> = (made..made + count).map(job).collect();
        made += count;
        queue.submit(&jobs, 1)
    };
    let mut sizes = Vec::new();
    let mut ended = 0;
    for size in SIZES {
        while ended < size {
            let count = 1000.min(size - ended);
            submit(count)?;
            for _ in 0..count {
                let job = queue.claim("me", 1, None)?.ok_or("no job")?;
                queue.finish(&job.id, "me", "{}", 2)?;
            }
            ended += count;
        }
        submit(WAITING)?;
        sizes.push(times(&queue)?);
        ended += ROUNDS;
        while let Some(job) = queue.claim("me", 1, None)? {
            queue.finish(&job.id, "me", "{}", 2)?;
            ended += 1;
        }
    }
    Ok(sizes)
}

fn times(queue: &Queue) -> Outcome<Times> {
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut timed = |n: usize, started: Instant| times[n].push(started.elapsed());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let job = queue.claim("me", 1, None)?.ok_or("no job")?;
        timed(0, started);
        let started = Instant::now();
        let none = queue.claim("me", 1, Some("nobody's"))?;
        timed(1, started);
        if none.is_some() {
            return Err("there is none".into());
        }
        let started = Instant::now();
        queue.note(&job.id, "me", Some("sess-x"), Some("{}"))?;
        timed(2, started);
        let started = Instant::now();
        queue.finish(&job.id, "me", "{}", 2)?;
        timed(3, started);
        let started = Instant::now();
        std::hint::black_box(queue.jobs(false)?);
        timed(4, started);
    }
    let [claim, nothing_due, note, finish, open_jobs] = times.map(|t| median(&t));
    Ok(Times { claim, nothing_due, note, finish, open_jobs })
}

fn job(n: usize) -> NewJob {
    NewJob {
        id: format!("task-{n}"),
        parent: None,
        submission: format!("task-{n}"),
        name: "a task".into(),
        task: "x".repeat(700),
        priority: 0,
    }
}
