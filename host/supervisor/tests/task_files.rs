//! What a task file says is what the task is, in TOML and in JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use brio_supervisor::file::{Format, parse, read};
use brio_supervisor::{
    After, Agent, Base, Child, Children, Command, Gate, GateKind, Grants, Hook, Isolation, Land,
    Landing, Limits, Mendable, Names, Network, Order, Policy, Retry, Reviewer, Secret,
    SecretSource, SessionMode, Step, Task, WantedLower,
};

const EVERYTHING: &str = include_str!("everything.toml");

fn agent(agent: &str) -> Step {
    Step::new(agent, Agent::new(agent, ""))
}

fn steps() -> Vec<Step> {
    let coder = Agent {
        agent: "/tasks/agents/coder.wasm".into(),
        task: "do {planner.summary}, {planner.remarks} of {{them}}".into(),
        input_files: vec!["/tasks/notes.txt".into(), "/etc/motd".into()],
        args: Vec::new(),
        env: vec![("A".into(), "1".into()), ("B".into(), "2".into())],
        grants: Grants { session_fs: true, vcs: true, project_record: true },
        network: Network {
            allow_hosts: ["api.example.com", "*.cdn.example.com", "http://localhost:8080"]
                .map(str::to_owned)
                .into(),
            secrets: vec![
                Secret {
                    source: SecretSource::Env("KEY".into()),
                    host: "api.example.com".into(),
                    header: None,
                },
                Secret {
                    source: SecretSource::File("/tasks/key.txt".into()),
                    host: "api.example.com".into(),
                    header: Some("x-api-key".into()),
                },
            ],
        },
    };
    let reviewer = Reviewer {
        agent: "check-secrets".into(),
        task: "look at {coder.summary}".into(),
        args: vec!["--changed".into()],
        network: Network { allow_hosts: vec!["rules.example.com".into()], secrets: Vec::new() },
    };
    let make = Command {
        env: vec![("CC".into(), "cc".into())],
        network: true,
        vcs: true,
        ..Command::shell("make && make install")
    };
    vec![
        Step::new("planner", Agent::new("todo-report", "").arg("*.rs")),
        Step {
            name: "coder".into(),
            kind: coder.into(),
            limits: Limits {
                time: Some(Duration::from_secs(90)),
                cpu: Some(Duration::from_secs(60)),
                memory: Some(256 << 20),
                disk: Some(1024),
                files: Some(7),
                output: Some(1024),
            },
            failed_as: Some("CoderFailed".into()),
        },
        Step::new("check-secrets", reviewer),
        Step::new("make", make),
    ]
}

fn gates() -> Vec<Gate> {
    let style = Reviewer::new("/tasks/other/style.wasm")
        .task("see {make.summary}")
        .allow_host("style.example.com");
    let lint = GateKind::Command {
        command: Command { unconfined: true, ..Command::new(["cargo", "clippy"]) },
        fix: Some(Command { unconfined: true, ..Command::shell("cargo fix") }),
    };
    vec![
        Gate::new("style", style).rejected_as("Ugly"),
        Gate::new("lint", lint)
            .limits(Limits { time: Some(Duration::from_secs(30)), ..Limits::default() }),
        Gate::new("person", GateKind::Person("Ship it?".into())),
        Gate::new("score", GateKind::Metric { metric: "score".into(), above: 2.0 }),
    ]
}

fn everything() -> Task {
    let one = Task::new("one").step(agent("replace"));
    let two = Task::new("two").step(Step::new("true", Command::new(["true"])));
    let tasks = vec![Child { task: one, may_fail: true }, Child { task: two, may_fail: false }];
    Task {
        goal: Some("All there is to say".into()),
        base: Some(Base::Directory("/tasks/../project".into())),
        priority: -3,
        steps: steps(),
        children: Children { order: Order::Sequence, land: Land::Best("score".into()), tasks },
        gates: gates(),
        landing: Landing {
            policy: Policy::LastWriteWins,
            isolation: Isolation::Serializable,
            keep: true,
            lower: WantedLower::Frozen,
            exclude: vec!["target/".into()],
            message: Some("It is done".into()),
        },
        limits: Limits { time: Some(Duration::from_secs(300)), ..Limits::default() },
        retry: Retry {
            attempts: 4,
            back_off: Duration::from_millis(250),
            on: vec![
                Mendable::Conflict,
                Mendable::Failed,
                Mendable::Stopped,
                Mendable::Refused,
                Mendable::Rejected,
            ],
        },
        after: After {
            landed: vec![Hook {
                name: "deploy".into(),
                command: Command::new(["./deploy.sh", "now"]),
                limits: Limits { time: Some(Duration::from_secs(3600)), ..Limits::default() },
                done_as: Some("Deployed".into()),
                failed_as: Some("DeployFailed".into()),
            }],
            failed: vec![Hook::new("notify", Command::shell("notify"))],
        },
        names: Names {
            landed: "L".into(),
            failed: "F".into(),
            rejected: "R".into(),
            not_landed: "N".into(),
        },
        ..Task::new("everything")
    }
}

/// A TOML text as JSON.
fn as_json(text: &str) -> String {
    let value: serde_json::Value = toml::from_str(text).expect("TOML");
    serde_json::to_string_pretty(&value).expect("JSON")
}

#[test]
fn every_key_is_read_from_toml_and_from_json() {
    let dir = Path::new("/tasks");
    for (text, format) in
        [(EVERYTHING.to_owned(), Format::Toml), (as_json(EVERYTHING), Format::Json)]
    {
        let read = parse(&text, format, dir).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(read, everything());
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = "name = 'a'\n[[steps]]\nagent = 'hello'";
    let read = parse(text, Format::Toml, Path::new("/")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(read, Task::new("a").step(agent("hello")));
}

#[test]
fn a_group_is_only_its_children() {
    let text = "name = 'g'\nsession = 'none'\nbase = '/b'\n[[children]]\nname = 'c'\n\
                [[children.steps]]\nagent = 'hello'";
    let read = parse(text, Format::Toml, Path::new("/")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((read.session, read.children.tasks.len()), (SessionMode::None, 1));
    assert_eq!(read.children.tasks[0].task.session, SessionMode::Own);
}

#[test]
fn a_sample_is_files_by_path() {
    let text = "name = 's'\n[[steps]]\nagent = 'hello'\n[sample.files]\n'a/b' = 'x'\n'c' = ''";
    let read = parse(text, Format::Toml, Path::new("/")).unwrap_or_else(|e| panic!("{e}"));
    let files = [("a/b".to_owned(), "x".to_owned()), ("c".to_owned(), String::new())];
    assert_eq!(read.base, Some(Base::Sample(files.into())));
}

/// The example files, by name.
fn recipes() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-agents/recipes");
    let files = std::fs::read_dir(dir).expect("the recipes");
    let mut files: Vec<_> = files.map(|f| f.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn every_recipe_is_a_task_with_its_own_base() {
    let wanted = [
        "experiment",
        "experiment-threshold",
        "feature",
        "feature-branch",
        "hotfix",
        "nested",
        "parallel",
        "parallel-review",
        "pick-best",
        "pipeline",
        "shared-session",
        "single",
    ];
    let mut found: Vec<_> =
        recipes().iter().map(|f| f.file_stem().expect("a name").to_owned()).collect();
    found.sort();
    assert_eq!(found, wanted);
    for file in recipes() {
        let task = read(&file).unwrap_or_else(|e| panic!("{e}"));
        assert!(matches!(task.base, Some(Base::Sample(_))), "{}", file.display());
        let text = std::fs::read_to_string(&file).expect("read");
        let json = parse(&as_json(&text), Format::Json, Path::new("/"));
        assert_eq!(json.unwrap_or_else(|e| panic!("{e}")), task, "the same in JSON");
    }
}

#[test]
fn the_ends_of_the_recipes_are_called_as_the_contract_calls_them() {
    for (recipe, names) in [
        ("experiment", &["Success", "FailedTests", "ImplementationError"][..]),
        ("experiment-threshold", &["Kept", "Discarded", "Failed"]),
        ("hotfix", &["Deployed", "Escalated"]),
        ("parallel-review", &["Approved", "Rejected"]),
        (
            "feature",
            &["Success", "Failed", "TestsFailed", "LintFailed", "Rejected", "CommitFailed"],
        ),
    ] {
        let file = recipes().into_iter().find(|f| f.file_stem().is_some_and(|s| s == recipe));
        let task = read(&file.expect("it is there")).unwrap_or_else(|e| panic!("{e}"));
        let hooks = task.after.landed.iter().chain(&task.after.failed);
        let ends: Vec<_> =
            [&task.names.landed, &task.names.failed, &task.names.rejected, &task.names.not_landed]
                .into_iter()
                .chain(task.steps.iter().filter_map(|s| s.failed_as.as_ref()))
                .chain(task.gates.iter().filter_map(|g| g.rejected_as.as_ref()))
                .chain(hooks.flat_map(|h| [&h.done_as, &h.failed_as]).flatten())
                .collect();
        for name in names {
            assert!(ends.iter().any(|end| end == name), "{recipe}: {name} of {ends:?}");
        }
    }
}
