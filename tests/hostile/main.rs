//! Guests that mean harm: whatever they do, the base is what it was, the host answers, a
//! neighbour goes on, nothing is left, and how the run ended has its name (T18, T9).
//!
//! `BRIO_HOSTILE=NAME` runs those whose name contains it; `BRIO_HOSTILE_FIGURES=SECONDS` prints
//! how long the neighbour's work takes alone, and beside each group.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod components;
mod neighbour;
mod shapes;
mod table;
mod world;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use brio_host::{AgentSource, Ending, Limit, Outcome, Place, Ran, RunError, RunRequest, Sandbox};
use libtest_mimic::{Arguments, Trial};
use neighbour::Neighbour;
use table::{Guest, Source, Want};
use world::{Traces, World, images, resident};

/// What panicked, anywhere in this process.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn request(world: &World, guest: &Guest) -> RunRequest {
    let wasm = match guest.source {
        Source::Wat(text) => components::module(text),
        Source::Made(make) => make(),
    };
    let place = Place::Begin { base: world.base(), metadata: Default::default() };
    let agent = AgentSource::Bytes { name: guest.name.into(), wasm };
    let mut request = RunRequest::new(agent, place);
    table::low(&mut request);
    request.input_files = vec![world.input()];
    (guest.how)(&mut request);
    // A slow machine must not end what is to end in another way.
    let by_time = matches!(guest.want, Want::Limited(l) if l.iter().any(|l| matches!(l, Limit::Cpu | Limit::Time)));
    if !by_time {
        table::patient(&mut request);
    }
    // What succeeds would land: that is for its supervisor to decide, and here it does not.
    request.keep = matches!(guest.want, Want::Succeeded);
    request
}

/// Runs it, and ends its session if the run did not.
fn run(world: &World, guest: &Guest) -> Result<(), String> {
    let ran = world.brio.run(request(world, guest));
    if let Ok(ran) = &ran {
        match &ran.ending {
            Ending::RolledBack(_) => {}
            Ending::Kept => {
                let session = world.brio.find(ran.session.as_str(), None).unwrap();
                session.rollback(false).map_err(|e| format!("not rolled back: {e}"))?;
            }
            other => return Err(format!("its session: {other:?}")),
        }
    }
    as_it_should(guest.want, &ran)
}

fn as_it_should(want: Want, ran: &Result<Ran, RunError>) -> Result<(), String> {
    let (outcome, code) = match ran {
        Ok(ran) => {
            let code = ran.report.error.as_ref().map_or("", |e| &e.code);
            (ran.report.outcome, code.to_owned())
        }
        Err(e) => {
            let refused = matches!(want, Want::Refused(code) if e.code() == code);
            return if refused { Ok(()) } else { Err(format!("did not run: {e}")) };
        }
    };
    let good = match want {
        Want::Succeeded => outcome == Outcome::Succeeded,
        Want::Trapped => outcome == Outcome::Trapped && code == "TRAPPED",
        Want::Limited(limits) => {
            limits.iter().any(|l| outcome == Outcome::Limited(*l) && code == l.code())
        }
        Want::Failed(want) => outcome == Outcome::Failed && code == want,
        Want::Rejected(want) => outcome == Outcome::Rejected && code == want,
        Want::Refused(_) => false,
    };
    let message =
        ran.as_ref().ok().and_then(|r| r.report.error.as_ref()).map_or("", |e| &e.message);
    let message: String = message.chars().take(200).collect();
    if good { Ok(()) } else { Err(format!("{outcome:?} {code} {message:?}, not {want:?}")) }
}

/// Runs it beside a neighbour, and looks at everything afterwards.
fn attempt(world: &World, before: &Traces, neighbour: &Neighbour, guest: &Guest) -> Vec<String> {
    let done = neighbour.done();
    let mut wrong: Vec<String> = run(world, guest).err().into_iter().collect();
    neighbour.goes_on(done);
    world.answers();
    wrong.extend(world.left(before));
    wrong.append(&mut PANICS.lock().unwrap());
    wrong
}

/// How long the neighbour's work takes alone, and beside each group for so long.
fn figures(world: &World, neighbour: &Neighbour, wanted: &str, time: Duration) {
    let print = |beside: &str, from: usize| {
        let mut times = neighbour.times(from);
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 1000).copied().unwrap_or_default();
        let n = times.len();
        println!(
            "neighbour, {beside}: {n} times, p50 {:?}, p99 {:?}, p99.9 {:?}",
            at(500),
            at(990),
            at(999)
        );
    };
    let from = neighbour.done();
    std::thread::sleep(time);
    print("alone", from);
    let mut groups: Vec<_> = table::all().filter_map(|g| g.name.split('/').next()).collect();
    groups.dedup();
    for group in groups.into_iter().filter(|g| g.contains(wanted) || wanted.contains(g)) {
        let guests: Vec<_> =
            table::all().filter(|g| g.name.split('/').next() == Some(group)).collect();
        let (from, begun) = (neighbour.done(), Instant::now());
        for guest in guests.iter().cycle() {
            if begun.elapsed() > time {
                break;
            }
            let _ = run(world, guest);
        }
        print(&format!("beside {group}"), from);
    }
}

fn main() {
    brio_host::enter_room_if_asked();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.lock().unwrap().push(info.to_string());
        hook(info);
    }));
    let tests: [(&str, fn()); 2] = [
        (
            "whatever_a_guest_does_the_base_is_what_it_was_and_the_host_answers",
            whatever_a_guest_does_the_base_is_what_it_was_and_the_host_answers,
        ),
        (
            "whatever_a_guest_does_in_a_process_of_its_own_is_the_same",
            whatever_a_guest_does_in_a_process_of_its_own_is_the_same,
        ),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    // Each counts what this process holds.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, tests.map(trial).into()).exit();
}

/// T18, T9: no guest gets out, brings the host down, keeps its neighbours from working or leaves
/// anything behind; and each ends by its name.
fn whatever_a_guest_does_the_base_is_what_it_was_and_the_host_answers() {
    all(Sandbox::Wasm);
}

/// T18, F-030
fn whatever_a_guest_does_in_a_process_of_its_own_is_the_same() {
    all(Sandbox::Process);
}

fn all(sandbox: Sandbox) {
    let wanted = std::env::var("BRIO_HOSTILE").unwrap_or_default();
    let guests: Vec<_> = table::all().filter(|g| g.name.contains(&wanted)).collect();
    let world = World::new(sandbox);
    let neighbour = Neighbour::new(&world);
    let mut wrong = Vec::new();
    let (before, memory) = (world.traces(), resident());
    for guest in guests {
        let begun = Instant::now();
        let found = attempt(&world, &before, &neighbour, guest);
        println!(
            "{:>6} ms  {}  {}",
            begun.elapsed().as_millis(),
            guest.name,
            if found.is_empty() { "" } else { "WRONG" }
        );
        for w in &found {
            println!("{w}");
        }
        wrong.extend(found.into_iter().map(|w| format!("{}: {w}", guest.name)));
    }
    if let Some(seconds) = std::env::var("BRIO_HOSTILE_FIGURES").ok().and_then(|s| s.parse().ok()) {
        figures(&world, &neighbour, &wanted, Duration::from_secs(seconds));
    }
    neighbour.end();
    let most = memory + (400 << 20);
    assert!(resident() < most, "{} MiB of memory", resident() >> 20);
    assert!(images() < 200, "{} images of memories", images());
    println!("{} MiB before, {} MiB after; {} images", memory >> 20, resident() >> 20, images());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
