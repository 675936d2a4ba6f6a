//! The server of a home and those who watch it: its health, its events, and what there is without
//! one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brio_host::tasks::{Agent, Event, JobCounts, Kind, Step, Task};
use brio_host::{Brio, ServerState, StopToken, Supervisor, Update, WorkOptions};

struct House {
    dir: tempfile::TempDir,
    supervisor: Supervisor,
}

/// A server on a thread of this process.
struct Server {
    stop: StopToken,
    thread: JoinHandle<Vec<ServerState>>,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let brio = Brio::open(dir.path().join("home")).unwrap();
        let supervisor = brio.supervisor(Vec::new()).unwrap();
        let house = Self { dir, supervisor };
        std::fs::create_dir(house.base()).unwrap();
        std::fs::write(house.base().join("a.txt"), "1\n").unwrap();
        house
    }

    fn base(&self) -> PathBuf {
        self.dir.path().join("base")
    }

    /// Another process's way to the same home.
    fn other(&self) -> Supervisor {
        let brio = Brio::open(self.dir.path().join("home")).unwrap();
        brio.supervisor(Vec::new()).unwrap()
    }

    /// A task that lands, or fails where there is nothing to replace.
    fn task(&self, from: &str, to: &str) -> Task {
        let agent = Agent::new("replace", format!("s/{from}/{to}/"));
        Task::new("counts").base(self.base()).step(Step::new("count", agent))
    }

    fn serve(&self) -> Server {
        let (stop, supervisor) = (StopToken::default(), self.other());
        let (token, (ready, is_ready)) = (stop.clone(), channel());
        let thread = std::thread::spawn(move || {
            let mut states = Vec::new();
            let told = |state| {
                states.push(state);
                let _ = ready.send(());
            };
            supervisor.serve(WorkOptions::default(), &token, told).unwrap();
            states
        });
        is_ready.recv().unwrap();
        Server { stop, thread }
    }
}

impl Server {
    fn end(self) {
        self.stop.stop();
        let states = self.thread.join().unwrap();
        assert_eq!(states, [ServerState::Ready, ServerState::Stopping]);
    }
}

/// Takes updates, so that a test that waits in vain ends.
struct Told {
    updates: Receiver<Update>,
    stop: StopToken,
}

impl Told {
    fn by(supervisor: &Supervisor) -> Self {
        let stop = StopToken::default();
        let subscription = supervisor.subscribe(&stop).unwrap();
        let (send, updates) = channel();
        std::thread::spawn(move || subscription.for_each(|update| drop(send.send(update))));
        Self { updates, stop }
    }

    /// The updates until one is so.
    fn until(&self, what: &str, mut is: impl FnMut(&Update) -> bool) -> Vec<Update> {
        let until = Instant::now() + Duration::from_secs(60);
        let mut all = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.updates.recv_timeout(left) {
                Ok(update) => all.push(update),
                Err(e) => panic!("in vain: {what}: {e}: {all:#?}"),
            }
            if is(&all[all.len() - 1]) {
                return all;
            }
        }
    }

    fn served(&self) {
        let pid = std::process::id();
        self.until("served", |u| matches!(u, Update::Serving { pid: p, .. } if *p == pid));
    }

    fn ended(&self, id: &str) -> Vec<String> {
        let is = |u: &Update| matches!(u, Update::Event(Event::Ended { job, .. }) if job == id);
        let all = self.until("its end", is);
        all.iter().filter_map(|update| word(update, id)).collect()
    }

    fn over(self) {
        self.stop.stop();
        while self.updates.recv_timeout(Duration::from_secs(60))
            != Err(RecvTimeoutError::Disconnected)
        {}
    }
}

/// What an update says of a job.
fn word(update: &Update, id: &str) -> Option<String> {
    let Update::Event(event) = update else { return None };
    match event {
        Event::Began { job, attempt, .. } if job == id => Some(format!("began {attempt}")),
        Event::PartBegan { job, part } if job == id => Some(format!("{part} began")),
        Event::Part { job, part, failed, .. } if job == id => Some(match failed {
            None => format!("{part} ended"),
            Some(_) => format!("{part} failed"),
        }),
        Event::Ended { job, outcome } if job == id => Some(match outcome.kind {
            Kind::Landed => "landed".to_owned(),
            kind => format!("{kind:?}"),
        }),
        _ => None,
    }
}

fn raw(house: &House, request: &str) -> BufReader<UnixStream> {
    let mut peer = UnixStream::connect(house.dir.path().join("home/control.sock")).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    peer.write_all(format!("{request}\n").as_bytes()).unwrap();
    BufReader::new(peer)
}

fn json(from: &mut BufReader<UnixStream>) -> serde_json::Value {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

#[test]
fn a_server_says_how_it_is() {
    let house = House::new();
    assert_eq!(house.supervisor.health().unwrap(), None);
    let session = house.other();
    let id = session.submit(&house.task("none", "such")).unwrap();
    let queued = JobCounts { queued: 1, ..JobCounts::default() };
    assert_eq!(house.supervisor.job_counts().unwrap(), queued, "also without a server");
    let server = house.serve();
    let health = house.supervisor.health().unwrap().unwrap();
    assert_eq!(
        (health.pid, health.version.as_str()),
        (std::process::id(), env!("CARGO_PKG_VERSION"))
    );
    assert!(health.since > 1_700_000_000_000, "{health:?}");
    session.wait(&id, &StopToken::default()).unwrap();
    let health = house.supervisor.health().unwrap().unwrap();
    assert_eq!((health.jobs, health.sessions), (JobCounts::default(), 0));
    assert_eq!(json(&mut raw(&house, "health")), serde_json::to_value(&health).unwrap());
    let error = json(&mut raw(&house, "what"));
    assert_eq!((&error["event"], &error["code"]), (&"error".into(), &"REQUEST_UNKNOWN".into()));
    server.end();
    assert_eq!(house.supervisor.health().unwrap(), None);
}

// F-020: state updates, as they happen, to everybody who wants them.
#[test]
fn subscribers_are_told_what_happens() {
    let house = House::new();
    let server = house.serve();
    let told = [Told::by(&house.supervisor), Told::by(&house.other())];
    told.iter().for_each(Told::served);
    let mut line = raw(&house, "events");
    assert_eq!(json(&mut line)["event"], "serving");
    let good = house.supervisor.submit(&house.task("1", "2")).unwrap();
    house.supervisor.wake();
    for told in &told {
        assert_eq!(told.ended(&good), ["began 1", "count began", "count ended", "landed"]);
    }
    let words: Vec<_> = (0..4).map(|_| json(&mut line)["event"].clone()).collect();
    assert_eq!(words, ["began", "part-began", "part", "ended"]);
    let mut bad = house.task("1", "2");
    bad.steps = vec![Step::new("count", Agent::new("replace", "no substitution"))];
    let bad = house.supervisor.submit(&bad).unwrap();
    house.supervisor.wake();
    for told in told {
        assert_eq!(told.ended(&bad), ["began 1", "count began", "count failed", "Failed"]);
        told.over();
    }
    server.end();
    let mut last = Vec::new();
    while line.read_until(b'\n', &mut last).unwrap() > 0 {}
    assert!(last.ends_with(b"\n"), "whole lines: {}", String::from_utf8_lossy(&last));
}

// F-062: a server that is gone is reported and looked for again; meanwhile the queue tells.
#[test]
fn a_subscription_outlives_the_server() {
    let house = House::new();
    let told = Told::by(&house.supervisor);
    let unserved = |u: &Update| matches!(u, Update::Unserved { .. });
    told.until("that nobody serves", unserved);
    // Somebody works on it by themselves.
    let id = {
        let run = house.other().start(&house.task("1", "2")).unwrap();
        let id = run.id().to_owned();
        assert_eq!(run.wait().unwrap().kind, Kind::Landed);
        id
    };
    let words = told.ended(&id);
    assert_eq!(words.last().map(String::as_str), Some("landed"), "{words:?}");

    for (from, to) in [("2", "3"), ("3", "4")] {
        let id = house.other().submit(&house.task(from, to)).unwrap();
        let server = house.serve();
        // It may have landed before the server is found.
        let (mut served, mut landed) = (false, false);
        told.until("a server, and the end of what waited for one", |update| {
            served |= matches!(update, Update::Serving { .. });
            landed |= word(update, &id).as_deref() == Some("landed");
            served && landed
        });
        server.end();
        told.until("that nobody serves any more", unserved);
    }
    told.over();
    assert_eq!(std::fs::read_to_string(house.base().join("a.txt")).unwrap(), "4\n");
}

// F-062: who is reached and does not answer is reported, and is no reason to fail.
#[test]
fn a_server_that_does_not_answer_is_reported() {
    let house = House::new();
    let path = house.dir.path().join("home/control.sock");
    // Hangs up on everybody.
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let closer = listener.try_clone().unwrap();
    let hangs_up = std::thread::spawn(move || {
        let mut met = 0;
        while let Ok((mut peer, _)) = closer.accept() {
            let mut said = [0; 64];
            let n = std::io::Read::read(&mut peer, &mut said).unwrap_or(0);
            met += 1;
            if said[..n].starts_with(b"over") {
                return met;
            }
        }
        met
    });
    let error = house.supervisor.health().unwrap_err();
    assert_eq!(error.code(), "SERVER_SILENT", "{error}");
    assert_eq!(house.supervisor.wake(), None);
    raw(&house, "over");
    assert!(hangs_up.join().unwrap() > 5, "it is asked again");
    drop(listener);
    // A socket that a killed server left.
    assert_eq!(house.supervisor.health().unwrap(), None);
    assert_eq!(house.supervisor.server(), None);
    let id = house.supervisor.submit(&house.task("1", "2")).unwrap();
    let options = WorkOptions { only: Some(id.clone()), ..WorkOptions::default() };
    house.supervisor.work(options).unwrap().wait();
    assert_eq!(
        house.supervisor.wait(&id, &StopToken::default()).unwrap().unwrap().kind,
        Kind::Landed
    );
}
