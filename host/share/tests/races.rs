//! Many machines that land on one head at once: whatever was acknowledged is there, once, and
//! nothing else is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use brio_landing::{Policy, Session};
use brio_session::ViewOptions;
use brio_share::{LandOptions, ShareError};
use brio_store::tree::Difference;
use brio_store::{LandingDoc, Project};
use common::places::proxy::Rates;
use common::places::server::{Rules, Server};
use common::places::{self, Place, options, proxied, real_server, real_with};
use common::{Line, Machine, edit, machine, project_at, read, seen};

/// What the sessions of a machine do, in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file of its own.
    Own,
    /// One more in a file that all count up: whoever meets another begins again.
    Count,
    /// Its own line of a file that all write, joined with the others'.
    Line,
}

const KINDS: [Kind; 3] = [Kind::Own, Kind::Count, Kind::Line];

/// What a session was told, or wants.
#[derive(Debug, Clone)]
struct Wish {
    kind: Kind,
    machine: usize,
    round: usize,
}

#[derive(Default)]
struct Told {
    /// By session: what it wanted, and its record.
    landed: BTreeMap<String, (Wish, LandingDoc)>,
    refused: BTreeSet<String>,
    /// Answers that said nothing.
    unknown: usize,
}

fn own(wish: &Wish) -> String {
    format!("own/{}-{}", wish.machine, wish.round)
}

/// The lines of machines, with lines between that nobody changes.
fn lines(values: &[String]) -> Vec<u8> {
    values.iter().map(|v| format!("{v}\n-\n-\n-\n")).collect::<String>().into_bytes()
}

/// Writes a wish into a session; what it wrote is by what the session shows.
fn make(s: &Session, wish: &Wish, machines: usize) {
    let shown = |path: &str| {
        let v = s.view(ViewOptions::default()).unwrap();
        String::from_utf8(read(&v, path)).unwrap()
    };
    match wish.kind {
        Kind::Own => edit(s, &[(&own(wish), Some(b"mine"))]),
        Kind::Count => {
            let n: u64 = shown("count").parse().unwrap();
            edit(s, &[("count", Some((n + 1).to_string().as_bytes()))]);
        }
        Kind::Line => {
            let text = shown("text");
            let mut values: Vec<String> = text.lines().step_by(4).map(str::to_owned).collect();
            assert_eq!(values.len(), machines);
            values[wish.machine] = format!("{}: {}", wish.machine, wish.round);
            edit(s, &[("text", Some(&lines(&values)))]);
        }
    }
}

/// Lands a session, asking again while nobody knows what became of it.
fn land(m: &Machine, s: &Session, kind: Kind, told: &mut Told) -> Option<LandingDoc> {
    let policy = if kind == Kind::Line { Policy::Merge } else { Policy::Reject };
    let options = LandOptions { policy, ..LandOptions::default() };
    loop {
        match m.place.land(s, &options) {
            Ok(done) => return Some(done.record.expect("it changed something")),
            Err(ShareError::Conflicts { .. }) => return None,
            Err(e) => {
                let text = e.to_string();
                let again = ["STORE_UNREACHABLE", "STORE_BUSY"];
                assert!(again.iter().any(|code| text.starts_with(code)), "{text}");
                told.unknown += 1;
            }
        }
    }
}

fn work(m: &Machine, number: usize, machines: usize, rounds: usize) -> Told {
    let mut told = Told::default();
    for round in 0..rounds {
        let wish = Wish { kind: KINDS[(number + round) % KINDS.len()], machine: number, round };
        loop {
            let s = m.begin("race");
            make(&s, &wish, machines);
            if let Some(record) = land(m, &s, wish.kind, &mut told) {
                assert!(s.info().is_err(), "it has ended");
                told.landed.insert(s.id().to_string(), (wish, record));
                break;
            }
            assert_eq!(wish.kind, Kind::Count, "nobody else is in the way: {wish:?}");
            told.refused.insert(s.id().to_string());
            m.domain.rollback(s.id(), false).unwrap();
        }
    }
    told
}

/// What the head's history is, with the changes of each landing.
fn history(line: &Arc<Line>) -> (Vec<LandingDoc>, Vec<Vec<Difference>>) {
    let m = machine(line);
    m.place
        .run(|p: Project| async move {
            let head = p.head().await?;
            let mut records = p.landings(&head, head.position()).await?;
            records.reverse();
            let mut changes = Vec::new();
            for record in &records {
                changes.push(p.changes_of(record).await?);
            }
            Ok((records, changes))
        })
        .unwrap()
}

fn race(at: Place, machines: usize, rounds: usize) {
    let line = project_at(at);
    let all: Vec<_> = (0..machines).map(|_| machine(&line)).collect();
    let first = all[0].begin("what is there");
    let mut values: Vec<String> = (0..machines).map(|m| m.to_string()).collect();
    edit(&first, &[("count", Some(b"0")), ("text", Some(&lines(&values)))]);
    let mut told = Told::default();
    land(&all[0], &first, Kind::Own, &mut told).unwrap();

    let begun = Instant::now();
    std::thread::scope(|scope| {
        let works = all.iter().enumerate();
        let works: Vec<_> =
            works.map(|(n, m)| scope.spawn(move || work(m, n, machines, rounds))).collect();
        for work in works {
            let one = work.join().unwrap();
            told.landed.extend(one.landed);
            told.refused.extend(one.refused);
            told.unknown += one.unknown;
        }
    });
    let seconds = begun.elapsed().as_secs_f64();

    let (records, changes) = history(&line);
    assert_eq!(told.landed.len(), machines * rounds);
    assert_eq!(records.len(), told.landed.len() + 1, "records without an acknowledgement");
    let (mut count, mut owned) = (0, BTreeSet::new());
    let mut sessions = BTreeSet::new();
    for (n, (record, changes)) in records.iter().zip(&changes).enumerate() {
        assert_eq!(record.position, n as u64 + 1, "a position is nobody's, or two's");
        if n == 0 {
            continue;
        }
        assert_eq!(record.old_tree, records[n - 1].new_tree, "it stands on the one before");
        let session = record.why.session.clone().unwrap();
        let (wish, acknowledged) = told.landed.get(&session).expect("nobody was told of it");
        assert_eq!(acknowledged, record, "what was acknowledged is what is there");
        assert!(sessions.insert(session), "a session landed twice");
        // Its tree is the one before with this session's changes, and nothing else.
        let mut paths: Vec<_> =
            changes.iter().map(|d| String::from_utf8(d.key.path()).unwrap()).collect();
        paths.retain(|p| p != "own");
        match wish.kind {
            Kind::Own => {
                assert_eq!(paths, [own(wish)]);
                owned.insert(own(wish));
            }
            Kind::Count => {
                assert_eq!(paths, ["count"]);
                count += 1;
            }
            Kind::Line => {
                assert_eq!(paths, ["text"]);
                values[wish.machine] = format!("{}: {}", wish.machine, wish.round);
            }
        }
    }
    let look = machine(&line);
    let shown = seen(&look.begin("look"));
    let content = |path: &str| String::from_utf8(shown[path].3.clone()).unwrap();
    assert_eq!(content("count"), count.to_string(), "increments were lost or doubled");
    assert_eq!(content("text").into_bytes(), lines(&values), "lines were lost");
    let there: BTreeSet<_> = shown.keys().filter(|p| p.starts_with("own/")).cloned().collect();
    assert_eq!(there, owned);
    eprintln!(
        "{machines} machines at {}: {} acknowledged, {} records, {} refused and begun again, {} answers lost, {seconds:.1} s",
        line.open().name(),
        told.landed.len(),
        records.len() - 1,
        told.refused.len(),
        told.unknown,
    );
    if let Some(proxy) = &line.at.proxy {
        eprintln!("{:?}", proxy.counts());
    }
}

/// How often each machine lands.
fn rounds() -> usize {
    std::env::var("BRIO_LANDINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

fn rough() -> Place {
    let server = Server::start(Rules::default());
    let mut place = proxied(server.address(), options(&server.url()), Rates::rough());
    place.keep(server);
    place
}

#[test]
fn eight_machines_in_memory() {
    race(places::memory("").unwrap(), 8, rounds());
}

#[test]
fn sixteen_machines_in_memory() {
    race(places::memory("").unwrap(), 16, rounds());
}

#[test]
fn eight_machines_in_a_directory() {
    race(places::directory("").unwrap(), 8, rounds());
}

#[test]
fn sixteen_machines_in_a_directory() {
    race(places::directory("").unwrap(), 16, rounds());
}

#[test]
fn eight_machines_through_a_network_that_fails() {
    race(rough(), 8, rounds());
}

#[test]
fn sixteen_machines_through_a_network_that_fails() {
    race(rough(), 16, rounds());
}

#[test]
fn eight_machines_at_a_real_server() {
    if let Some(place) = real_server("share::eight_machines_at_a_real_server") {
        race(place, 8, rounds());
    }
}

#[test]
fn sixteen_machines_at_a_real_server() {
    if let Some(place) = real_server("share::sixteen_machines_at_a_real_server") {
        race(place, 16, rounds());
    }
}

#[test]
fn eight_machines_at_a_real_server_through_a_network_that_fails() {
    let name = "share::eight_machines_at_a_real_server_through_a_network_that_fails";
    if let Some(place) = real_with(name, Rates::rough()) {
        race(place, 8, rounds());
    }
}

#[test]
fn sixteen_machines_at_a_real_server_through_a_network_that_fails() {
    let name = "share::sixteen_machines_at_a_real_server_through_a_network_that_fails";
    if let Some(place) = real_with(name, Rates::rough()) {
        race(place, 16, rounds());
    }
}
