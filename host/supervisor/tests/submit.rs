//! What is refused before anything of it is there, and what a group hands down.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use brio_supervisor::*;
use common::*;

fn not_utf8() -> PathBuf {
    OsStr::from_bytes(b"/b\xffse").into()
}

fn person(name: &str) -> Gate {
    Gate::new(name, GateKind::Person("good?".into()))
}

fn nothing() -> Command {
    Command::new::<String>([])
}

#[test]
fn what_cannot_be_carried_out_is_refused_before_anything_is_made() {
    let bench = Bench::new();
    let hook = || Hook::new("hook", Command::new(["true"]));
    let group = |child: Task| Task::group("group").child(child);
    let of = |step: Step| Task::new("t").step(step);
    let threshold = |above| GateKind::Metric { metric: "m".into(), above };
    let agent_of = |agent: Agent| of(Step::new("s", agent));
    let refused = [
        ("no base", Task::new("t").step(agent("a", "say:x"))),
        ("/b\u{fffd}se is not UTF-8", Task::new("t").base(not_utf8())),
        ("the agent /b\u{fffd}se", agent_of(Agent::new(not_utf8(), ""))),
        ("the reviewer", Task::new("t").gate(Gate::new("g", Reviewer::new(not_utf8())))),
        (
            "the input file",
            agent_of(Agent { input_files: vec![not_utf8()], ..Agent::new("a", "") }),
        ),
        ("no name of a task", Task::new("")),
        ("no name of a task", Task::new("a.b")),
        ("no name of a task", Task::new("t").child(Task::new("{a}"))),
        ("a step of it has no name", of(agent("", "say:x"))),
        ("a gate of it has no name", Task::new("t").gate(review("", "say:x"))),
        (
            "a hook of it has no name",
            Task::new("t").after_failed(Hook { name: "".into(), ..hook() }),
        ),
        ("no program", of(Step::new("s", nothing()))),
        ("no program", of(Step::new("s", Command::new([""])))),
        ("no program", Task::new("t").gate(Gate::new("g", nothing()))),
        ("no program", Task::new("t").after_landed(Hook::new("h", nothing()))),
        ("no program", Task::new("t").child(of(Step::new("s", nothing())))),
        ("zero byte", of(Step::new("s", Command::new(["a", "b\0"])))),
        ("asked twice", Task::new("t").gate(person("a")).gate(person("b"))),
        ("for a whole task", Task::new("t").child(Task::new("c").gate(person("p")))),
        ("for a whole task", group(Task::new("t").child(Task::new("c").gate(person("p"))))),
        ("asked twice", group(Task::new("t").gate(person("a")).gate(person("b")))),
        ("no threshold", Task::new("t").gate(Gate::new("g", threshold(f64::NAN)))),
        ("ends with its parent", Task::new("t").child(Task::new("c").after_landed(hook()))),
        ("nothing is done after", group(Task::new("c")).after_landed(hook())),
        ("nothing is done after", group(Task::new("c")).after_failed(hook())),
        ("cannot be a child", group(Task::group("c"))),
        ("neither steps nor gates", group(Task::new("c")).gate(person("p"))),
        ("at once", group(Task::new("c")).order(Order::Sequence)),
    ];
    for (n, (says, task)) in refused.into_iter().enumerate() {
        // Some have no base of their own to be wrong.
        let task = match task.base {
            None if says != "no base" => task.sample([("a", "b")]),
            _ => task,
        };
        let error = submit(&bench.queue, &bench.world, "task-1", &task, now()).unwrap_err();
        assert_eq!(error.code(), "TASK", "{n}: {error}");
        assert!(
            error.to_string().starts_with("TASK: ") && error.to_string().contains(says),
            "{error}"
        );
        assert!(error.to_string().contains(';'), "what to do: {error}");
        assert_eq!(bench.queue.jobs(true).unwrap(), []);
        assert_eq!(bench.world.calls(), 0, "nothing was made: {error}");
    }
    // A person may be asked in a group's child: that is a whole task.
    bench.submit("task-2", &group(task("c").gate(person("p"))).base("/base"));
}

#[test]
fn a_groups_priority_is_its_childrens_where_they_have_none() {
    let bench = Bench::new();
    let group = Task::group("g").base("/base").priority(3);
    bench.submit("task-g", &group.child(Task::new("a")).child(Task::new("b").priority(-1)));
    let jobs = bench.queue.jobs(true).unwrap();
    let of: Vec<_> = jobs.iter().map(|job| (job.name.as_str(), job.priority)).collect();
    assert_eq!(of, [("g", 3), ("a", 3), ("b", -1)]);
    for job in jobs {
        let task: Task = serde_json::from_str(&job.task).unwrap();
        assert_eq!(task.priority, job.priority);
    }
}
