//! The process dies at every call it makes, in turn; another one goes on. A job ends once, lands
//! at most once, and leaves no session.
//!
//! The long run: `BRIO_TASKS=300 cargo test -p brio-supervisor --test crashes -- --nocapture`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_registry::queue::JobState;
use brio_supervisor::*;
use common::*;

/// xorshift64*, Vigna 2014.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

const WORK: [&str; 8] = [
    "write:a=1",
    "write:b=1 metric:score=3",
    "write:c=1 metric:score=5 say:x",
    "outside:o=1 write:d=1",
    "outside:e=1 write:e=2",
    "write:a=2 fail",
    "trap",
    "say:nothing",
];

fn random(rng: &mut Rng, name: &str, depth: u32) -> Task {
    let mut made = task(name);
    for n in 0..1 + rng.below(2) {
        made.steps.push(agent(&format!("step{n}"), rng.one(&WORK)));
    }
    for n in 0..rng.below(3) {
        let name = format!("gate{n}");
        made.gates.push(match rng.below(5) {
            0 => review(&name, rng.one(&["say:fine", "fail"])),
            1 => check(&name, rng.one(&["write:target=1", "has:a=1"])),
            2 => Gate::new(&name, GateKind::Metric { metric: "score".into(), above: 2.0 }),
            3 => check(&name, "outside:busy=1"),
            _ => {
                let (command, fix) = (command("has:fixed=1"), Some(command("write:fixed=1")));
                Gate::new(&name, GateKind::Command { command, fix })
            }
        });
    }
    if depth < 2 && rng.below(2) == 0 {
        let tasks = (0..1 + rng.below(3)).map(|n| Child {
            may_fail: rng.below(2) == 0,
            ..Child::from(random(rng, &format!("child{n}"), depth + 1))
        });
        made.children = Children {
            tasks: tasks.collect(),
            order: if rng.below(2) == 0 { Order::Parallel } else { Order::Sequence },
            land: match rng.below(3) {
                0 => Land::Each,
                1 => Land::All,
                _ => Land::Best("score".into()),
            },
        };
    }
    made.retry.attempts = 1 + u32::try_from(rng.below(2)).unwrap();
    if rng.below(3) == 0 && depth == 0 {
        made.after.landed.push(hook("after", "log:landed"));
        made.after.failed.push(hook("after", "log:failed"));
    }
    made
}

/// Has processes work, each of which dies at its n-th call, until the job is done.
fn work_through(bench: &Bench, id: &str, dies_at: usize) -> usize {
    let mut deaths = 0;
    while bench.state(id) != JobState::Done {
        // A job is not taken for the cause of deaths that come this often.
        let dies = (deaths < 3).then_some(dies_at);
        bench.world.boot(dies);
        let engine = bench.engine(2);
        bench.until("the job or the process ends", || {
            bench.state(id) == JobState::Done || bench.world.is_dead()
        });
        deaths += usize::from(bench.world.is_dead());
        drop(engine);
        // A dead process has no thread that goes on when the next one boots.
        bench.until("all its threads have ended", || bench.world.is_free());
    }
    deaths
}

#[test]
fn a_job_ends_once_and_lands_at_most_once_whatever_dies() {
    let tasks: u64 = std::env::var("BRIO_TASKS").map_or(8, |n| n.parse().unwrap());
    let seed: u64 = std::env::var("BRIO_SEED").map_or(1, |n| n.parse().unwrap());
    std::panic::set_hook(Box::new(|panic| {
        let died = panic.payload().downcast_ref::<&str>();
        if !died.is_some_and(|text| text.contains("the process") || text.contains("defect")) {
            eprintln!("{panic}");
        }
    }));
    let (mut deaths, mut landed, mut points) = (0, 0, 0);
    for n in 0..tasks {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (n + 1));
        let task = random(&mut rng, "t", 0);
        let whole = Bench::new();
        whole.submit("task-1", &task);
        work_through(&whole, "task-1", usize::MAX);
        let (calls, expected) = (whole.world.calls(), whole.outcome("task-1").kind);
        // Each fourth point of long ones, beginning somewhere else for each task.
        let step = if calls > 40 { 4 } else { 1 };
        for dies_at in (1 + usize::try_from(n).unwrap() % step..=calls).step_by(step) {
            let bench = Bench::new();
            bench.submit("task-1", &task);
            deaths += work_through(&bench, "task-1", dies_at);
            points += 1;
            let outcome = bench.outcome("task-1");
            let say = || format!("task {n}, dies at {dies_at}: {outcome:#?}\n{task:#?}");
            let log = bench.world.base("/base").log;
            let ours = log.iter().filter(|label| label.starts_with("task-1#")).count();
            assert_eq!(ours, usize::from(outcome.landing.is_some()), "{}", say());
            assert_eq!(bench.world.open_sessions(), Vec::<String>::new(), "{}", say());
            // What others land at the same time decides some of them anew.
            if !format!("{task:?}").contains("outside") {
                assert_eq!(outcome.kind, expected, "{}", say());
            }
            landed += ours;
        }
    }
    eprintln!("{tasks} tasks, {points} points, {deaths} deaths, {landed} landed");
    assert!(deaths >= points / 2, "it died now and then");
}
