//! What the engine makes of tasks.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use brio_registry::queue::{Decision, JobState};
use brio_supervisor::*;
use common::*;

fn ends(outcome: &Outcome) -> (Kind, &str, Option<&str>) {
    (outcome.kind, outcome.name.as_str(), outcome.code.as_deref())
}

#[test]
fn steps_share_the_session_and_quote_each_other() {
    let bench = Bench::new();
    let pipeline = Task {
        steps: vec![
            agent("planner", "say:blue"),
            agent("coder", "write:color={planner.summary}"),
            agent("tester", "has:color=blue say:fine"),
        ],
        ..task("pipeline")
    };
    let outcome = bench.run(&pipeline);
    assert_eq!(ends(&outcome), (Kind::Landed, "Success", None));
    assert_eq!((outcome.landing, outcome.message.as_str()), (Some(1), "fine"));
    assert_eq!(bench.world.base("/base").files["color"], "blue");
    let parts: Vec<_> = outcome.parts.iter().map(|p| (p.name.as_str(), p.failed)).collect();
    assert_eq!(parts, [("planner", None), ("coder", None), ("tester", None)]);
    assert_eq!(outcome.first_failure(), None);
    let nothing = Task { steps: vec![agent("a", "say:nothing")], ..task("nothing") };
    assert_eq!(bench.run(&nothing).kind, Kind::Unchanged);
}

#[test]
fn what_a_part_does_not_say_of_its_limits_the_task_says() {
    let bench = Bench::new();
    let time = |seconds| Limits { time: Some(Duration::from_secs(seconds)), ..Limits::default() };
    let steps =
        vec![agent("a", "write:a=$TIME"), Step { limits: time(7), ..agent("b", "write:b=$TIME") }];
    let gates =
        vec![review("c", "has:a=$TIME"), Gate { limits: time(7), ..review("d", "has:b=$TIME") }];
    let outcome = bench.run(&Task { steps, gates, limits: time(5), ..task("t") });
    assert_eq!(outcome.kind, Kind::Landed, "{}", outcome.message);
    let files = bench.world.base("/base").files;
    assert_eq!((&*files["a"], &*files["b"]), ("5", "7"));
}

#[test]
fn a_reviewer_at_a_gate_is_told_what_the_steps_said() {
    let bench = Bench::new();
    let steps = vec![agent("coder", "write:color=blue say:blue")];
    let asked =
        |text: &str| Task { steps: steps.clone(), gates: vec![review("r", text)], ..task("t") };
    assert_eq!(bench.run(&asked("has:color={coder.summary}")).kind, Kind::Landed);
    let outcome = bench.run(&asked("has:color={nobody.summary}"));
    assert_eq!(outcome.kind, Kind::Rejected, "{}", outcome.message);
}

#[test]
fn whatever_fails_nothing_lands_and_no_session_is_left() {
    let bench = Bench::new();
    let named = |step: Step, name: &str| Step { failed_as: Some(name.into()), ..step };
    for (step, kind, name, code) in [
        (agent("a", "write:x=1 fail"), Kind::Failed, "Failed", "AGENT_FAILED"),
        (
            named(agent("a", "fail"), "ImplementationError"),
            Kind::Failed,
            "ImplementationError",
            "AGENT_FAILED",
        ),
        (agent("a", "write:x=1 trap"), Kind::Stopped, "Failed", "AGENT_TRAPPED"),
        (agent("a", "write:x=1 panic"), Kind::Stopped, "Failed", "PANIC"),
        (agent("a", "write:x={b.summary}"), Kind::Unusable, "Failed", "TASK"),
    ] {
        let outcome = bench.run(&Task { steps: vec![step], ..task("t") });
        assert_eq!(ends(&outcome), (kind, name, Some(code)));
        assert_eq!(outcome.first_failure(), Some(kind));
    }
    for (reject, code) in [
        (review("r", "fail"), "AGENT_FAILED"),
        (review("r", "trap"), "AGENT_TRAPPED"),
        (check("r", "panic"), "PANIC"),
    ] {
        let steps = vec![agent("a", "write:x=1")];
        let outcome = bench.run(&Task { steps, gates: vec![reject], ..task("t") });
        assert_eq!(ends(&outcome), (Kind::Rejected, "Rejected", Some(code)));
    }
    let gone = Task { base: Some(Base::Directory("/gone".into())), ..task("t") };
    let refused = submit(&bench.queue, &bench.world, "task-gone", &gone, now()).unwrap_err();
    assert_eq!(refused.code(), "BASE_UNUSABLE");
    assert_eq!(bench.world.base("/base").log, Vec::<String>::new());
}

#[test]
fn gates_are_asked_all_and_fixes_are_seen_by_all() {
    let bench = Bench::new();
    let lint = GateKind::Command {
        command: command("has:style=good"),
        fix: Some(command("write:style=good")),
    };
    let mut feature = Task {
        steps: vec![agent("coder", "write:code=1 write:style=bad metric:speed=5")],
        gates: vec![
            check("tests", "log:tests write:target=built has:code=1"),
            Gate::new("lint", lint).rejected_as("LintFailed"),
            Gate::new("faster", GateKind::Metric { metric: "speed".into(), above: 4.5 }),
        ],
        ..task("feature")
    };
    let outcome = bench.run(&feature);
    assert_eq!(ends(&outcome), (Kind::Landed, "Success", None));
    let files = bench.world.base("/base").files;
    assert_eq!((files["style"].as_str(), files.get("target")), ("good", None));
    assert_eq!(bench.world.said(), ["tests", "tests"], "what was fixed is tested again");

    feature.steps = vec![agent("coder", "write:code=2 write:style=worse metric:speed=4.5")];
    let outcome = bench.run(&feature);
    assert_eq!(outcome.kind, Kind::Rejected);
    let parts: Vec<_> = outcome.parts.iter().map(|p| (p.name.as_str(), p.failed)).collect();
    let no = Some(Kind::Rejected);
    // The fix mends the style; the rest says no, each in its own words.
    assert_eq!(parts, [("coder", None), ("tests", no), ("lint", None), ("faster", no)]);
}

#[test]
fn what_lands_is_what_the_gates_saw_where_it_lands() {
    let bench = Bench::new();
    // While the gate looks, others land: it looks again, at both.
    let moved = Task {
        steps: vec![agent("a", "write:mine=1")],
        gates: vec![check("tests", "log:look outside:other=1")],
        ..task("moved")
    };
    bench.submit("task-moved", &moved);
    let engine = bench.engine(1);
    bench.until("it gives up", || bench.state("task-moved") == JobState::Done);
    engine.stop();
    let outcome = bench.outcome("task-moved");
    assert_eq!(ends(&outcome), (Kind::Refused, "CommitFailed", Some("SEAL_BROKEN")));
    assert!(bench.world.said().len() > 1, "it looked again");
    assert!(!bench.world.base("/base").files.contains_key("mine"));

    let conflict =
        Task { steps: vec![agent("a", "outside:f=theirs write:f=mine")], ..task("conflict") };
    assert_eq!(ends(&bench.run(&conflict)), (Kind::Conflict, "CommitFailed", Some("CONFLICT")));
    let kept = Task {
        steps: vec![agent("a", "outside:f=others write:f=mine")],
        landing: Landing { keep: true, ..Landing::default() },
        ..conflict
    };
    bench.submit("task-kept", &kept);
    let engine = bench.engine(1);
    bench.until("kept", || bench.state("task-kept") == JobState::Done);
    engine.stop();
    assert!(bench.outcome("task-kept").kept.is_some());
    assert_eq!(bench.world.open_sessions().len(), 1);
}

#[test]
fn what_can_be_mended_is_tried_again() {
    let bench = Bench::new();
    let flaky = Task {
        // Fails until others have been here twice.
        steps: vec![agent("a", "outside:n=1 trap")],
        retry: Retry { attempts: 3, ..task("t").retry },
        ..task("flaky")
    };
    let outcome = bench.run(&flaky);
    assert_eq!(outcome.kind, Kind::Stopped);
    assert_eq!(bench.world.base("/base").landing, 3, "three attempts");
    assert_eq!(bench.queue.jobs(true).unwrap()[0].attempt, 3);
    let again =
        bench.events.lock().unwrap().iter().filter(|e| matches!(e, Event::Again { .. })).count();
    assert_eq!(again, 2);
    // An agent that says that it failed is believed.
    let fails = Task { steps: vec![agent("a", "outside:n=1 fail")], ..flaky };
    assert_eq!(bench.run(&fails).kind, Kind::Failed);
    assert_eq!(bench.world.base("/base").landing, 4);
}

#[test]
fn children_land_in_their_parent_by_their_own_results() {
    let bench = Bench::new();
    let one = Child::from(Task { steps: vec![agent("a", "has:p=1 write:one=1")], ..task("one") });
    let bad = Child::from(Task { steps: vec![agent("a", "write:bad=1 fail")], ..task("bad") });
    let two = Child::from(Task {
        steps: vec![agent("a", "write:two=1")],
        gates: vec![check("sees", "has:two=1 has:one=1")],
        ..task("two")
    });
    let parent = |order, land, tasks: Vec<Child>| Task {
        steps: vec![agent("first", "write:p=1")],
        children: Children { order, land, tasks },
        gates: vec![check("all", "has:p=1")],
        ..task("parent")
    };
    for order in [Order::Parallel, Order::Sequence] {
        let bench = Bench::new();
        let tasks = vec![one.clone(), bad.clone(), two.clone()];
        let outcome = bench.run(&parent(order, Land::Each, tasks));
        assert_eq!(outcome.kind, Kind::Landed, "{outcome:#?}");
        assert_eq!(outcome.first_failure(), Some(Kind::Failed), "and one did not");
        let files: Vec<_> = bench.world.base("/base").files.into_keys().collect();
        assert_eq!(files, ["one", "p", "two"]);
        let parts: Vec<_> = outcome.parts.iter().map(|p| p.name.as_str()).collect();
        let expected = ["first", "one/a", "one", "bad/a", "bad", "two/a", "two/sees", "two", "all"];
        assert_eq!(parts, expected);
        let outcome = bench.run(&parent(order, Land::All, vec![one.clone(), bad.clone()]));
        assert_eq!(ends(&outcome), (Kind::Failed, "Failed", Some("AGENT_FAILED")));
        let may = Child { may_fail: true, ..bad.clone() };
        let outcome = bench.run(&parent(order, Land::All, vec![may, two.clone(), one.clone()]));
        assert_eq!(outcome.first_failure(), None);
    }
    let outcome = bench.run(&parent(Order::Parallel, Land::Each, vec![one.clone(), one]));
    assert_eq!(outcome.kind, Kind::Landed, "the same change is none");
}

#[test]
fn the_best_child_lands_and_the_next_best_if_it_cannot() {
    let of = |name: &str, text: &str, gates: Vec<Gate>| {
        let text = format!("write:winner={name} {text}");
        Child::from(Task { steps: vec![agent("a", &text)], gates, ..task(name) })
    };
    let best = |tasks| Task {
        children: Children { order: Order::Parallel, land: Land::Best("score".into()), tasks },
        ..task("best")
    };
    let bench = Bench::new();
    let children = vec![
        of("low", "metric:score=1", vec![]),
        of("rejected", "metric:score=9", vec![check("no", "fail")]),
        of("high", "metric:score=5", vec![]),
        of("equal", "metric:score=5", vec![]),
        of("broken", "metric:score=10 fail", vec![]),
        of("silent", "", vec![]),
    ];
    let outcome = bench.run(&best(children));
    assert_eq!((outcome.kind, outcome.first_failure()), (Kind::Landed, None));
    assert_eq!(bench.world.base("/base").files["winner"], "high");
    let ended = |name: &str| outcome.parts.iter().find(|p| p.name == name).unwrap().failed;
    assert_eq!(ended("low"), Some(Kind::NotChosen));
    assert_eq!(ended("equal"), Some(Kind::NotChosen));
    assert_eq!((ended("rejected"), ended("broken")), (Some(Kind::Rejected), Some(Kind::Failed)));
    let outcome = bench.run(&best(vec![of("broken", "fail", vec![]), of("silent", "", vec![])]));
    assert_eq!(outcome.kind, Kind::Failed);
}

#[test]
fn a_group_is_jobs_on_one_base() {
    let bench = Bench::new();
    let of =
        |name: &str, text: &str| Child::from(Task { steps: vec![agent("a", text)], ..task(name) });
    let tasks = vec![of("bugfix", "write:a=1"), of("refactor", "fail"), of("docs", "write:b=1")];
    let group = Task {
        session: SessionMode::None,
        children: Children { tasks, ..Children::default() },
        ..task("parallel")
    };
    let outcome = bench.run(&group);
    assert_eq!((outcome.kind, outcome.first_failure()), (Kind::Failed, Some(Kind::Failed)));
    let files: Vec<_> = bench.world.base("/base").files.into_keys().collect();
    assert_eq!(files, ["a", "b"]);
    let refused = Task { steps: vec![agent("a", "fail")], ..group };
    assert_eq!(submit(&bench.queue, &bench.world, "x", &refused, 0).unwrap_err().code(), "TASK");
}

#[test]
fn a_person_decides_about_what_they_saw_and_nothing_else() {
    let bench = Bench::new();
    let waits = Task {
        steps: vec![agent("a", "write:a=1")],
        gates: vec![
            check("tests", "log:look"),
            Gate::new("person", GateKind::Person("good?".into())),
        ],
        ..task("waits")
    };
    let asked = |id: &str| {
        let events = bench.events.lock().unwrap();
        events.iter().rev().find_map(|e| match e {
            Event::Waits { job, session, seal } if job == id => {
                Some((session.clone(), seal.clone()))
            }
            _ => None,
        })
    };
    let decide = |id: &str, approved, seal: Option<&str>| {
        let (session, now) = asked(id).unwrap();
        let decision = Decision {
            session,
            seal: seal.map_or(now, str::to_owned),
            approved,
            comment: "because".into(),
            author: "me".into(),
            at: 1,
        };
        bench.queue.decide(&decision).unwrap();
    };
    for (id, approved) in [("task-yes", true), ("task-no", false)] {
        bench.submit(id, &waits);
        let engine = bench.engine(1);
        bench.until("it waits", || bench.state(id) == JobState::Waiting);
        let other = format!("{id}-other");
        bench.submit(&other, &task("unchanged"));
        bench.until("it holds nothing up", || bench.state(&other) == JobState::Done);
        engine.stop();
        // Another process goes on with it.
        let engine = bench.engine(1);
        decide(id, true, Some("something else"));
        bench.until("that was not it", || {
            bench.queue.decisions(&asked(id).unwrap().0).unwrap().len() == 1
                && bench.state(id) == JobState::Waiting
        });
        decide(id, approved, None);
        bench.until("it is done", || bench.state(id) == JobState::Done);
        engine.stop();
        let outcome = bench.outcome(id);
        assert_eq!(outcome.kind.is_success(), approved, "{outcome:#?}");
        assert!(outcome.parts.iter().any(|p| p.name == "person" && p.message == "me: because"));
    }
    // What others land meanwhile is seen by nobody yet: the person is asked again.
    let waits = Task { steps: vec![agent("a", "write:b=1")], ..waits };
    bench.submit("task-again", &waits);
    let engine = bench.engine(1);
    // It is told after it is so.
    bench.until("it asks", || asked("task-again").is_some());
    let first = asked("task-again").unwrap();
    bench.world.outside("/base", "other", "1");
    decide("task-again", true, None);
    bench.until("asked again", || asked("task-again").unwrap() != first);
    bench.until("it waits", || bench.state("task-again") == JobState::Waiting);
    decide("task-again", true, None);
    bench.until("it is done", || bench.state("task-again") == JobState::Done);
    engine.stop();
    assert_eq!(bench.outcome("task-again").kind, Kind::Landed);
}

#[test]
fn what_is_cancelled_ends_at_once() {
    let bench = Bench::new();
    let hangs = Task { steps: vec![agent("a", "write:a=1 hang")], ..task("hangs") };
    bench.submit("task-1", &hangs);
    bench.submit("task-2", &hangs);
    let engine = bench.engine(1);
    bench.until("it runs", || bench.state("task-1") == JobState::Running);
    bench.queue.cancel("task-2").unwrap();
    let begun = Instant::now();
    bench.queue.cancel("task-1").unwrap();
    bench.until("both", || ["task-1", "task-2"].iter().all(|id| bench.state(id) == JobState::Done));
    assert!(begun.elapsed() < Duration::from_secs(5));
    engine.stop();
    for id in ["task-1", "task-2"] {
        assert_eq!(ends(&bench.outcome(id)), (Kind::Cancelled, "Cancelled", Some("CANCELLED")));
    }
    assert_eq!(bench.world.open_sessions(), Vec::<String>::new());
}

#[test]
fn a_stop_puts_back_what_runs_and_counts_no_attempt() {
    let bench = Bench::new();
    bench.submit("task-1", &Task { steps: vec![agent("a", "write:a=1 hang")], ..task("t") });
    let engine = bench.engine(1);
    bench.until("it runs", || bench.world.open_sessions().len() == 1);
    engine.stop();
    assert_eq!(bench.state("task-1"), JobState::Queued);
    assert_eq!(bench.world.open_sessions(), Vec::<String>::new());
    bench.queue.cancel("task-1").unwrap();
    assert_eq!(bench.done("task-1").kind, Kind::Cancelled);
}

#[test]
fn stops_are_no_crashes_however_many() {
    let bench = Bench::new();
    bench.submit("task-1", &Task { steps: vec![agent("a", "write:a=1 hang")], ..task("t") });
    for _ in 0..8 {
        let engine = bench.engine(1);
        bench.until("it runs", || bench.world.open_sessions().len() == 1);
        engine.stop();
    }
    let job = bench.queue.job("task-1").unwrap().unwrap();
    assert_eq!(
        (job.state, job.attempt, job.interrupted, job.setbacks),
        (JobState::Queued, 8, 8, 0)
    );
    bench.queue.cancel("task-1").unwrap();
    assert_eq!(bench.done("task-1").kind, Kind::Cancelled);
}

#[test]
fn a_stop_keeps_work_that_is_done() {
    let bench = Bench::new();
    let steps = vec![agent("a", "write:a=1 log:worked")];
    let gated = Task { steps, gates: vec![check("slow", "hang")], ..task("t") };
    bench.submit("task-1", &gated);
    for _ in 0..2 {
        let engine = bench.engine(1);
        bench.until("the gate looks", || bench.world.open_sessions().len() == 2);
        engine.stop();
        assert_eq!(bench.world.open_sessions().len(), 1, "the session waits for its gates");
    }
    let job = bench.queue.job("task-1").unwrap().unwrap();
    assert_eq!(
        (job.state, job.attempt, job.interrupted, job.setbacks),
        (JobState::Queued, 1, 0, 0)
    );
    assert_eq!(bench.world.said(), ["worked"], "once");
    bench.queue.cancel("task-1").unwrap();
    assert_eq!(bench.done("task-1").kind, Kind::Cancelled);
}

#[test]
fn what_is_no_number_is_no_metric() {
    let bench = Bench::new();
    let steps = vec![agent("a", "write:a=1 metric:bad=inf metric:bad=NaN metric:good=1")];
    let outcome = bench.run(&Task { steps, ..task("t") });
    assert_eq!(
        (outcome.kind, &outcome.parts[0].metrics),
        (Kind::Landed, &vec![("good".into(), 1.0)])
    );
}

#[test]
fn hooks_name_the_end() {
    let bench = Bench::new();
    let deploy = Hook {
        done_as: Some("Deployed".into()),
        failed_as: Some("DeployFailed".into()),
        ..hook("deploy", "has:fix=1 log:$OUTCOME")
    };
    let escalate = Hook { done_as: Some("Escalated".into()), ..hook("alert", "log:$OUTCOME") };
    let hotfix = |text: &str| Task {
        steps: vec![agent("a", text)],
        after: After { landed: vec![deploy.clone()], failed: vec![escalate.clone()] },
        ..task("hotfix")
    };
    assert_eq!(ends(&bench.run(&hotfix("write:fix=1"))), (Kind::Landed, "Deployed", None));
    let escalated = bench.run(&hotfix("fail"));
    assert_eq!(ends(&escalated), (Kind::Failed, "Escalated", Some("AGENT_FAILED")));
    assert_eq!(ends(&bench.run(&hotfix("write:fix=2"))), (Kind::Landed, "DeployFailed", None));
    assert_eq!(bench.world.said(), ["Success", "Failed"]);
}

#[test]
fn a_part_that_runs_is_told_before_it_ends() {
    let bench = Bench::new();
    let lint = GateKind::Command {
        command: command("has:style=good"),
        fix: Some(command("write:style=good")),
    };
    let one = Task {
        steps: vec![agent("a", "write:one=1")],
        gates: vec![check("sees", "has:one=1")],
        ..task("one")
    };
    bench.run(&Task {
        steps: vec![agent("first", "write:style=bad metric:speed=5")],
        children: Children { tasks: vec![one.into()], ..Children::default() },
        gates: vec![
            Gate::new("lint", lint),
            Gate::new("faster", GateKind::Metric { metric: "speed".into(), above: 4.5 }),
        ],
        after: After { landed: vec![hook("deploy", "log:deployed")], ..After::default() },
        ..task("t")
    });
    let (mut running, mut began) = (Vec::new(), Vec::new());
    for event in bench.events.lock().unwrap().iter() {
        match event {
            Event::PartBegan { part, .. } => {
                running.push(part.clone());
                began.push(part.clone());
            }
            Event::Part { part, .. } => {
                let was = running.iter().position(|p| p == part).map(|n| running.remove(n));
                assert_eq!(was.is_some(), part != "faster", "{part}: nothing runs for a metric");
            }
            _ => {}
        }
    }
    assert_eq!(running, Vec::<String>::new(), "each has ended");
    let expected = ["first", "one/a", "one/sees", "lint", "lint: fix", "lint", "deploy"];
    assert_eq!(began, expected);
}
