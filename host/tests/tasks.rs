//! Tasks through the whole house: bundled agents, native gates, a real base.
#![allow(clippy::unwrap_used, reason = "tests")]

mod entered;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brio_host::tasks::*;
use brio_host::{
    AgentSource, Brio, CommitOptions, ListFilter, Place, RunRequest, StopToken, Supervisor,
    WorkOptions,
};
use futures_core::Stream;

struct House {
    dir: tempfile::TempDir,
    brio: Brio,
    supervisor: Supervisor,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        fs::create_dir(&base).unwrap();
        fs::write(base.join("a.txt"), "the colour\n").unwrap();
        fs::write(base.join("b.txt"), "other\n").unwrap();
        let brio = Brio::open(dir.path().join("home")).unwrap();
        let env = std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
        let supervisor = brio.supervisor(env).unwrap();
        Self { dir, brio, supervisor }
    }

    fn base(&self) -> PathBuf {
        self.dir.path().join("base")
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.base().join(path)).unwrap()
    }

    /// Submits, works until it has ended, and looks that nothing is left.
    fn run(&self, task: &Task) -> Outcome {
        let id = self.supervisor.submit(task).unwrap();
        let only = Some(id.clone());
        self.supervisor.work(WorkOptions { only, ..WorkOptions::default() }).unwrap().wait();
        let outcome = self.supervisor.wait(&id, &StopToken::default()).unwrap();
        let outcome = outcome.unwrap_or_else(|| panic!("{:?}", self.supervisor.job(&id)));
        assert_eq!(self.open(), Vec::<String>::new(), "no session is left: {outcome:#?}");
        outcome
    }

    /// Works until it has ended, or asks.
    fn work(&self, id: &str) -> Job {
        let only = Some(id.to_owned());
        self.supervisor.work(WorkOptions { only, ..WorkOptions::default() }).unwrap().wait();
        self.supervisor.job(id).unwrap()
    }

    fn open(&self) -> Vec<String> {
        let rows = self.brio.sessions(&ListFilter::default()).unwrap();
        rows.into_iter().map(|row| format!("{} {}", row.id, row.state)).collect()
    }
}

fn task(base: &Path, steps: Vec<Step>) -> Task {
    Task { steps, ..Task::new("task").goal("a goal").base(base) }
}

fn agent(agent: &str, task: &str) -> Step {
    Step::new(agent, Agent::new(agent, task))
}

/// A test's process makes no rooms: those are tried with the binary.
fn sh(script: &str) -> Command {
    Command { unconfined: true, ..Command::shell(script) }
}

fn check(name: &str, script: &str) -> Gate {
    Gate::new(name, sh(script))
}

fn a_task_lands_what_its_gates_saw() {
    let house = House::new();
    let reviewer = Reviewer::new("check-secrets");
    let lint = GateKind::Command {
        command: sh("! grep -n ' $' a.txt"),
        fix: Some(sh("sed -i 's/ *$//' a.txt")),
    };
    let mut feature = task(&house.base(), vec![agent("replace", "s/colour/color  /")]);
    feature.gates = vec![
        check("tests", "echo built > target; grep -q color a.txt"),
        Gate::new("lint", lint),
        Gate::new("secrets", GateKind::Reviewer(reviewer)),
        Gate::new("any", GateKind::Metric { metric: "places".into(), above: 0.0 }),
    ];
    let outcome = house.run(&feature);
    assert_eq!((outcome.kind, outcome.landing), (Kind::Landed, Some(1)), "{outcome:#?}");
    assert_eq!(house.read("a.txt"), "the color\n");
    assert!(!house.base().join("target").exists(), "what a gate writes is nobody's");
    let job = &house.supervisor.jobs(true).unwrap()[0];
    let log = fs::read_to_string(house.supervisor.log(&job.id)).unwrap();
    assert!(log.contains("[lint] 1:the color"), "{log}");

    feature.steps = vec![agent("replace", "s/other/token = \"AKIAQX5ZK3PW7NHT2LDV\"/")];
    let outcome = house.run(&feature);
    assert_eq!((outcome.kind, outcome.name.as_str()), (Kind::Rejected, "Rejected"));
    assert!(outcome.message.contains("tests") || outcome.message.contains("secrets"));
    assert_eq!(house.read("b.txt"), "other\n");
}

fn whatever_fails_leaves_no_session() {
    let house = House::new();
    let base = house.base();
    for (step, kind, code) in [
        (agent("replace", "no substitution"), Kind::Failed, "INVALID_TASK"),
        (agent("no-such-agent", ""), Kind::Unusable, "AGENT_UNKNOWN"),
    ] {
        let outcome = house.run(&task(&base, vec![step]));
        assert_eq!((outcome.kind, outcome.code.as_deref()), (kind, Some(code)), "{outcome:#?}");
    }
    let mut hangs = task(&base, vec![agent("replace", "s/colour/color/")]);
    hangs.gates = vec![check("hangs", "sleep 600")];
    hangs.gates[0].limits.time = Some(Duration::from_millis(300));
    let outcome = house.run(&hangs);
    assert_eq!((outcome.kind, outcome.code.as_deref()), (Kind::Rejected, Some("LIMIT_TIME")));
    assert_eq!(house.read("a.txt"), "the colour\n");
}

fn children_branch_the_session_and_the_best_lands() {
    let house = House::new();
    let child = |name: &str, text: &str| Child {
        task: Task {
            base: None,
            name: name.into(),
            ..task(&house.base(), vec![agent("replace", text)])
        },
        may_fail: false,
    };
    let mut best = task(&house.base(), vec![agent("replace", "s/colour/colour too/")]);
    best.children = Children {
        order: Order::Parallel,
        land: Land::Best("places".into()),
        tasks: vec![child("few", "s/colour/few/"), child("many", "s/o/0/")],
    };
    let outcome = house.run(&best);
    assert_eq!((outcome.kind, outcome.first_failure()), (Kind::Landed, None), "{outcome:#?}");
    assert_eq!(house.read("a.txt") + &house.read("b.txt"), "the c0l0ur t00\n0ther\n");
}

fn a_person_is_asked_and_what_they_approved_lands() {
    let house = House::new();
    let mut asks = task(&house.base(), vec![agent("replace", "s/colour/color/")]);
    asks.gates = vec![Gate::new("person", GateKind::Person("good?".into()))];
    for approved in [false, true] {
        let id = house.supervisor.submit(&asks).unwrap();
        let only = || WorkOptions { only: Some(id.clone()), ..WorkOptions::default() };
        house.supervisor.work(only()).unwrap().wait();
        let job = house.supervisor.job(&id).unwrap();
        assert_eq!(job.state, JobState::Waiting);
        let session = job.session.unwrap();
        house.supervisor.decide(&session, approved, "why", "me").unwrap();
        let twice = house.supervisor.decide(&session, approved, "why", "me").unwrap_err();
        assert_eq!(twice.code(), "NOT_WAITING");
        house.supervisor.work(only()).unwrap().wait();
        let outcome = house.supervisor.wait(&id, &StopToken::default()).unwrap().unwrap();
        let kind = if approved { Kind::Landed } else { Kind::Rejected };
        assert_eq!((outcome.kind, house.open().len()), (kind, 0), "{outcome:#?}");
    }
    assert_eq!(house.read("a.txt"), "the color\n");
}

fn who_decides_after_others_landed_is_asked_again() {
    let house = House::new();
    let mut asks = task(&house.base(), vec![agent("replace", "s/colour/color/")]);
    asks.gates = vec![Gate::new("person", GateKind::Person("good?".into()))];
    let id = house.supervisor.submit(&asks).unwrap();
    let work = || {
        let only = WorkOptions { only: Some(id.clone()), ..WorkOptions::default() };
        house.supervisor.work(only).unwrap().wait();
        house.supervisor.job(&id).unwrap()
    };
    let session = work().session.unwrap();
    let other = task(&house.base(), vec![agent("replace", "s/other/another/")]);
    let other = house.supervisor.submit(&other).unwrap();
    let only = WorkOptions { only: Some(other), ..WorkOptions::default() };
    house.supervisor.work(only).unwrap().wait();
    assert_eq!(house.read("b.txt"), "another\n");
    let moved = house.supervisor.decide(&session, true, "", "me").unwrap_err();
    assert_eq!(moved.code(), "SEAL_BROKEN");
    assert_eq!(work().state, JobState::Waiting, "it looked again, and asks again");
    house.supervisor.decide(&session, true, "", "me").unwrap();
    assert_eq!(work().state, JobState::Done);
    assert_eq!(house.read("a.txt") + &house.read("b.txt"), "the color\nanother\n");
    assert_eq!(house.open(), Vec::<String>::new());
}

/// A task that asks a person, and its session, which waits.
fn asks(house: &House) -> (String, String) {
    let mut asks = task(&house.base(), vec![agent("replace", "s/colour/color/")]);
    asks.gates = vec![Gate::new("person", GateKind::Person("good?".into()))];
    let id = house.supervisor.submit(&asks).unwrap();
    let job = house.work(&id);
    assert_eq!(job.state, JobState::Waiting);
    (id, job.session.unwrap())
}

fn an_approval_is_of_what_was_asked_about() {
    let house = House::new();
    let (id, session) = asks(&house);
    let place = Place::Session(house.brio.find(&session, None).unwrap());
    let hello = AgentSource::Named("hello".into());
    assert!(house.brio.run(RunRequest::new(hello, place)).unwrap().report.succeeded());
    let moved = house.supervisor.decide(&session, true, "", "me").unwrap_err();
    assert_eq!(moved.code(), "SEAL_BROKEN");
    assert_eq!(house.work(&id).state, JobState::Waiting, "it asks again");
    house.supervisor.decide(&session, true, "", "me").unwrap();
    assert_eq!(house.work(&id).state, JobState::Done);
    assert_eq!(house.read("a.txt"), "the color\n");
    assert!(house.base().join("hello.txt").exists(), "it was approved of, too");
}

fn a_session_that_is_ended_by_hand_ends_its_task() {
    let house = House::new();
    for lands in [false, true] {
        let (id, session) = asks(&house);
        let handle = house.brio.find(&session, None).unwrap();
        if lands {
            handle.commit(CommitOptions::default()).unwrap();
        } else {
            handle.rollback(false).unwrap();
        }
        assert!(house.supervisor.look_again(&session).unwrap());
        house.work(&id);
        let outcome = house.supervisor.wait(&id, &StopToken::default()).unwrap().unwrap();
        let (kind, code) =
            if lands { (Kind::Landed, None) } else { (Kind::Rejected, Some("ROLLED_BACK")) };
        assert_eq!((outcome.kind, outcome.code.as_deref()), (kind, code), "{outcome:#?}");
    }
}

fn a_group_of_which_a_child_asks_is_waited_for() {
    let house = House::new();
    let one = Task::new("asks").step(agent("replace", "s/colour/color/"));
    let one = one.gate(Gate::new("person", GateKind::Person("good?".into())));
    // It lands nothing: the first one need not look again.
    let two = Task::new("two").step(agent("replace", "s/zzz/z/"));
    let group = Task::group("group").base(house.base()).child(one).child(two);
    let mut run = house.supervisor.start(&group).unwrap();
    let asked = run.events().find_map(|event| match event {
        Event::Waits { session, .. } => Some(session),
        _ => None,
    });
    let waits = house.supervisor.wait(run.id(), &StopToken::default()).unwrap();
    assert_eq!(waits, None, "nothing is left but to ask");
    house.supervisor.decide(&asked.unwrap(), true, "", "me").unwrap();
    let outcome = run.wait().unwrap();
    assert_eq!((outcome.kind, outcome.landing), (Kind::Landed, Some(1)), "{outcome:#?}");
    assert_eq!(house.read("a.txt"), "the color\n");

    // Cancelled while it waits: nobody decides any more.
    fs::write(house.base().join("a.txt"), "the colour\n").unwrap();
    let mut run = house.supervisor.start(&group).unwrap();
    run.events().for_each(drop);
    assert!(run.cancel().unwrap());
    assert_eq!(run.wait().unwrap().kind, Kind::Cancelled);
    assert_eq!(house.open(), Vec::<String>::new());
}

fn what_a_policy_settles_it_settles_under_gates_too() {
    for (policy, kind) in [(Policy::LastWriteWins, Kind::Landed), (Policy::Reject, Kind::Conflict)]
    {
        let house = House::new();
        let edit = format!("echo theirs > {}", house.base().join("a.txt").display());
        let steps = vec![agent("replace", "s/colour/color/"), Step::new("outside", sh(&edit))];
        let landing = Landing { policy, ..Landing::default() };
        let task = task(&house.base(), steps).landing(landing).gate(check("check", "true"));
        let outcome = house.run(&task);
        assert_eq!(outcome.kind, kind, "{outcome:#?}");
        let text = if kind == Kind::Landed { "the color\n" } else { "theirs\n" };
        assert_eq!(house.read("a.txt"), text);
    }
}

fn a_sample_is_made_for_the_task() {
    let house = House::new();
    let mut sample = task(&house.base(), vec![agent("replace", "s/x/y/")]);
    sample.base = Some(Base::Sample([("d/f".to_owned(), "x\n".to_owned())].into()));
    let id = house.supervisor.submit(&sample).unwrap();
    let only = Some(id.clone());
    house.supervisor.work(WorkOptions { only, ..WorkOptions::default() }).unwrap().wait();
    let made = house.dir.path().join("home/samples").join(&id).join("d/f");
    assert_eq!(fs::read_to_string(made).unwrap(), "y\n");
    sample.base = Some(Base::Sample([("../f".to_owned(), String::new())].into()));
    assert_eq!(house.supervisor.submit(&sample).unwrap_err().code(), "BASE_UNUSABLE");
}

fn a_run_tells_what_happens_and_ends() {
    let house = House::new();
    let spell = task(&house.base(), vec![agent("replace", "s/colour/color/")]);
    let mut run = house.supervisor.start(&spell).unwrap();
    let events: Vec<_> = run.events().collect();
    assert!(matches!(&events[0], Event::Began { job, attempt: 1, .. } if job == run.id()));
    assert!(events.iter().any(|e| matches!(e, Event::Part { failed: None, .. })), "{events:?}");
    let Some(Event::Ended { outcome: told, .. }) = events.last() else { panic!("{events:?}") };
    let outcome = run.wait().unwrap();
    assert_eq!((&outcome, outcome.kind), (told, Kind::Landed));
    assert_eq!(house.read("a.txt"), "the color\n");

    // As async code takes them.
    let mut run = house.supervisor.start(&spell).unwrap();
    let mut seen = 0;
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match std::pin::Pin::new(run.events()).poll_next(&mut context) {
            std::task::Poll::Ready(Some(_)) => seen += 1,
            std::task::Poll::Ready(None) => break,
            std::task::Poll::Pending => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    assert!(seen >= 2, "{seen}");
    assert_eq!(run.wait().unwrap().kind, Kind::Unchanged);
}

fn a_run_is_cancelled_or_left_to_the_next() {
    let house = House::new();
    let mut waits = task(&house.base(), vec![agent("replace", "s/colour/color/")]);
    waits.gates = vec![check("slow", "sleep 600")];
    let mut run = house.supervisor.start(&waits).unwrap();
    let began = run.events().next();
    assert!(matches!(began, Some(Event::Began { .. })), "{began:?}");
    assert!(run.cancel().unwrap());
    assert_eq!(run.wait().unwrap().kind, Kind::Cancelled);
    assert_eq!(house.open(), Vec::<String>::new());

    let mut run = house.supervisor.start(&waits).unwrap();
    let began = run.events().next();
    assert!(matches!(began, Some(Event::Began { .. })), "{began:?}");
    let id = run.id().to_owned();
    drop(run);
    assert_eq!(house.supervisor.job(&id).unwrap().state, JobState::Queued);
    assert_eq!(house.open(), Vec::<String>::new(), "nothing of it is left meanwhile");
}

fn what_a_part_prints_without_end_does_not_fill_the_home() {
    let house = House::new();
    let loud = sh("yes | head -c 40000000; echo the end; yes 2>/dev/null | head -c 3000000 >&2");
    let task = task(&house.base(), vec![Step::new("loud", loud)]);
    let outcome = house.run(&task);
    assert!(outcome.message.len() <= 16 << 10, "{}", outcome.message.len());
    assert!(outcome.message.contains("y\nthe end\ny\n"), "the end of both: {}", outcome.message);
    let id = house.supervisor.jobs(true).unwrap().remove(0).id;
    let log = fs::read_to_string(house.supervisor.log(&id)).unwrap();
    assert!(log.len() < 18 << 20, "{}", log.len());
    let end: Vec<_> = log.lines().rev().take(2).collect();
    assert_eq!(end, ["[loud] ends well", "[loud] y"]);
    assert_eq!(log.lines().filter(|line| line.ends_with("bytes are left out here)")).count(), 1);
}

fn main() {
    entered::run(&[
        ("a_task_lands_what_its_gates_saw", a_task_lands_what_its_gates_saw),
        ("whatever_fails_leaves_no_session", whatever_fails_leaves_no_session),
        (
            "children_branch_the_session_and_the_best_lands",
            children_branch_the_session_and_the_best_lands,
        ),
        (
            "a_person_is_asked_and_what_they_approved_lands",
            a_person_is_asked_and_what_they_approved_lands,
        ),
        (
            "who_decides_after_others_landed_is_asked_again",
            who_decides_after_others_landed_is_asked_again,
        ),
        ("an_approval_is_of_what_was_asked_about", an_approval_is_of_what_was_asked_about),
        (
            "a_session_that_is_ended_by_hand_ends_its_task",
            a_session_that_is_ended_by_hand_ends_its_task,
        ),
        (
            "a_group_of_which_a_child_asks_is_waited_for",
            a_group_of_which_a_child_asks_is_waited_for,
        ),
        (
            "what_a_policy_settles_it_settles_under_gates_too",
            what_a_policy_settles_it_settles_under_gates_too,
        ),
        ("a_sample_is_made_for_the_task", a_sample_is_made_for_the_task),
        ("a_run_tells_what_happens_and_ends", a_run_tells_what_happens_and_ends),
        ("a_run_is_cancelled_or_left_to_the_next", a_run_is_cancelled_or_left_to_the_next),
        (
            "what_a_part_prints_without_end_does_not_fill_the_home",
            what_a_part_prints_without_end_does_not_fill_the_home,
        ),
    ]);
}
