//! From the wish that a task ends to its end.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use brio_host::tasks::{Event, Kind};
use brio_host::{Brio, StopToken, Supervisor, WorkOptions};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::{House, measured, task, this_with};
use crate::measure::{Outcome, head, median, ms, percentile, row};

const ROUNDS: usize = 40;

#[derive(Serialize, Deserialize)]
struct Latencies(Vec<Duration>);

pub(super) fn run() -> Outcome {
    head(&["from the cancellation of a task to its end", "p50 ms", "p99 ms"]);
    let dir = std::env::temp_dir();
    for (what, name) in [("loop", "an agent in a tight loop"), ("command", "a command, confined")] {
        for (who, by) in [
            ("same", "the same process"),
            ("served", "another, by way of `brio serve`"),
            ("unsaid", "another, which tells nobody"),
        ] {
            let args = ["cancel", &dir.to_string_lossy(), what, who];
            let Latencies(times) = measured(&args)?;
            let name = format!("{name}; {by}");
            row(&[&name, &ms(median(&times)), &ms(percentile(&times, 99))]);
        }
    }
    Ok(())
}

/// The time that all processes agree on.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

pub(super) fn part(args: &[&str]) -> Outcome<impl Serialize + use<>> {
    let [dir, what, who] = args else { return Err("DIR loop|command same|served|unsaid".into()) };
    let house = House::new(dir.as_ref())?;
    let base = house.base(0, 10)?;
    let step = match *what {
        "loop" => {
            let spin = brio_tests::root().join("example-agents/prebuilt/test/spin.wasm");
            serde_json::json!({ "name": "spin", "agent": spin })
        }
        _ => serde_json::json!({ "name": "sleep", "command": ["sleep", "1000"] }),
    };
    let task = task(&base, &step)?;
    let supervisor = house.supervisor()?;
    let (ended, ends) = channel();
    let options = WorkOptions { events: events(ended), ..WorkOptions::default() };
    if *who != "served" {
        let engine = supervisor.work(options)?;
        let times = rounds(&house, &supervisor, &task, &ends, *who == "same", || engine.wake());
        engine.stop();
        return times;
    }
    let stop = StopToken::default();
    std::thread::scope(|scope| {
        let (ready, is_ready) = channel();
        let (supervisor, stop) = (&supervisor, &stop);
        let serving = scope.spawn(move || {
            let ready = |_| ready.send(()).unwrap_or_default();
            supervisor.serve(options, stop, ready).map_err(|e| e.to_string())
        });
        is_ready.recv()?;
        let times = rounds(&house, supervisor, &task, &ends, false, || {
            supervisor.wake();
        });
        stop.stop();
        serving.join().map_err(|_| "the server panicked")??;
        times
    })
}

type Ends = Receiver<(Duration, Kind)>;

fn events(ended: Sender<(Duration, Kind)>) -> Arc<dyn Fn(Event) + Send + Sync> {
    Arc::new(move |event| {
        if let Event::Ended { outcome, .. } = event {
            let _ = ended.send((now(), outcome.kind));
        }
    })
}

fn rounds(
    house: &House,
    supervisor: &Supervisor,
    task: &brio_host::tasks::Task,
    ends: &Ends,
    mine: bool,
    wake: impl Fn(),
) -> Outcome<Latencies> {
    let home = house.brio.home().to_string_lossy().into_owned();
    let mut other =
        this_with(&["canceller", &home])?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (ask, answer) = (other.stdin.take(), other.stdout.take());
    let (mut ask, mut answer) =
        ask.zip(answer.map(BufReader::new)).ok_or("the other process has no pipes")?;
    let mut times = Vec::new();
    for n in 0..ROUNDS {
        let id = supervisor.submit(task)?;
        wake();
        // It runs when its log begins, soon. Not always after the same time.
        while !supervisor.log(&id).exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(200 + n as u64 * 7 % 50));
        let begun = if mine {
            let begun = now();
            supervisor.cancel(&id)?;
            wake();
            begun
        } else {
            writeln!(ask, "{id}")?;
            let mut line = String::new();
            answer.read_line(&mut line)?;
            Duration::from_nanos(line.trim().parse()?)
        };
        let (ended, kind) = ends.recv_timeout(Duration::from_secs(30))?;
        if kind != Kind::Cancelled {
            return Err(format!("it ended as {kind:?}").into());
        }
        times.push(ended.saturating_sub(begun));
    }
    drop(ask);
    other.wait()?;
    Ok(Latencies(times))
}

/// The other process: cancels what it is told to, as `brio task cancel` does, and says when it
/// began to.
pub(super) fn canceller(args: &[&str]) -> Outcome {
    let [home] = args else { return Err("HOME".into()) };
    let supervisor = Brio::open(*home)?.supervisor(Vec::new())?;
    for id in std::io::stdin().lines() {
        let begun = now();
        supervisor.cancel(&id?)?;
        supervisor.wake();
        println!("{}", begun.as_nanos());
    }
    Ok(())
}
