//! The commands that show what Brio is, and how it behaves in a pipe.

mod common;

use std::process::Stdio;

use common::TestEnvironment;

#[test]
fn the_demo_is_quick_fits_a_screen_and_leaves_nothing() {
    let env = TestEnvironment::new();
    let begun = std::time::Instant::now();
    let out = env.ok(&["demo"]);
    assert!(out.lines().count() <= 30, "one screen: {out}");
    for word in
        ["landed as landing 1", "byte for byte as before", "CONFLICT", "src/mix.rs", "LIMIT_DISK"]
    {
        assert!(out.contains(word), "{word}: {out}");
    }
    // The promise is for a release build; this one is not optimised.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    assert!(!env.home().exists(), "it has a home of its own");
    let left = std::fs::read_dir(env.path()).expect("a directory").count();
    assert_eq!(left, 1, "only the base");
}

#[test]
fn agent_list_names_the_bundled_agents() {
    let env = TestEnvironment::new();
    let out = env.ok(&["agent", "list"]);
    for name in [
        "apply-patch",
        "check-secrets",
        "hello",
        "license-header",
        "llm-coder",
        "replace",
        "todo-report",
    ] {
        assert!(
            out.lines().any(|l| l.starts_with(name) && l.len() > name.len() + 10),
            "{name}: {out}"
        );
    }
}

#[test]
fn config_show_says_where_values_come_from() {
    let env = TestEnvironment::new();
    env.write("brio.toml", "files = 7\nmemory = \"3M\"\n");
    let mut command = env.command(&["config", "show"]);
    let ran = common::ran(command.env("BRIO_MEMORY", "2M").output().expect("runs"));
    let line = |key: &str| {
        let found = ran.stdout.lines().find(|l| l.starts_with(key));
        found
            .unwrap_or_else(|| panic!("{key}: {}", ran.stdout))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(line("home").ends_with("# BRIO_HOME"), "{}", line("home"));
    assert_eq!(line("memory"), "memory = 2M # BRIO_MEMORY");
    assert!(line("files").starts_with("files = 7 #") && line("files").ends_with("brio.toml"));
    assert_eq!(line("timeout"), "timeout = 10m # default");
}

#[test]
fn completions_and_manual() {
    let env = TestEnvironment::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(env.ok(&["completions", shell]).contains("rollback"), "{shell}");
    }
    let page = env.ok(&["man"]);
    assert!(page.starts_with(".ie") || page.contains(".TH brio"), "{page}");
    for word in ["preopen", "accept", "adopt"] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn every_command_has_help() {
    let env = TestEnvironment::new();
    let commands: [&[&str]; 17] = [
        &[],
        &["demo"],
        &["run"],
        &["session"],
        &["session", "begin"],
        &["session", "list"],
        &["session", "show"],
        &["session", "diff"],
        &["session", "commit"],
        &["session", "rollback"],
        &["recover"],
        &["agent", "list"],
        &["agent", "check"],
        &["config", "show"],
        &["completions"],
        &["man"],
        &["agent"],
    ];
    for command in commands {
        let mut args = command.to_vec();
        args.push("--help");
        assert!(env.ok(&args).contains("Usage: brio"), "{args:?}");
    }
    assert!(env.ok(&["--version"]).starts_with("brio "));
}

#[test]
fn quiet_leaves_only_data_and_errors() {
    let env = TestEnvironment::new();
    let ran = env.brio(&["run", "hello", "--quiet"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let ran = env.brio(&["-q", "run", "no-such-agent"]);
    assert!(ran.stderr.starts_with("error: "));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let env = TestEnvironment::new();
    let mut child = env
        .command(&["man"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let ran = common::ran(child.wait_with_output().expect("ends"));
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}

#[test]
fn recover_says_that_there_is_nothing() {
    let env = TestEnvironment::new();
    env.error(&["recover"], 2, "NO_DOMAIN");
    env.ok(&["run", "hello"]);
    let ran = env.brio(&["recover"]);
    assert_eq!(ran.status, 0);
    assert!(ran.stderr.contains("nothing to recover"), "{}", ran.stderr);
}

// T16, B-003: a session begins in far under 100 ms, process start included.
#[test]
fn begin_is_quick() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let mut best = std::time::Duration::MAX;
    let mut ids = vec![id];
    for _ in 0..5 {
        let begun = std::time::Instant::now();
        ids.push(env.begin());
        best = best.min(begun.elapsed());
    }
    assert!(best.as_millis() < 100, "{best:?}");
    for id in ids {
        env.ok(&["session", "rollback", &id]);
    }
}
