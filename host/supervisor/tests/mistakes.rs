//! A mistake is told with its line and key, and what to do next; all of them at once.

use std::path::Path;

use brio_supervisor::file::{Format, TaskFileErrors, parse};

const STEP: &str = "[[steps]]\nagent = 'hello'\n";

fn errors(text: &str) -> TaskFileErrors {
    match parse(text, Format::Toml, Path::new("/")) {
        Ok(task) => panic!("{text}\nis read as {task:?}"),
        Err(errors) => errors,
    }
}

/// Each text has one mistake: at this line, with this key and code, and words that say this.
fn one_mistake(cases: &[(&str, usize, &str, &str, &str)]) {
    for &(text, line, key, code, says) in cases {
        let errors = errors(text);
        let shown = errors.to_string();
        assert_eq!(errors.count(), 1, "{text}\n{shown}");
        let error = errors.iter().next().expect("one");
        assert_eq!(error.code(), code, "{text}\n{shown}");
        assert_eq!((error.line(), error.key().unwrap_or_default().as_str()), (Some(line), key));
        assert!(shown.contains(says), "{text}\n{shown}\nshould say {says}");
        assert!(shown.starts_with("TASK_INVALID: ") && !error.next().is_empty(), "{shown}");
    }
}

#[test]
fn keys_and_types() {
    let agnet = "name = 'a'\n[[steps]]\nagnet = 'hello'";
    let twice = "name = 'a'\n[[steps]]\nagent = 'hello'\ntask = 1979-05-27";
    one_mistake(&[
        (
            agnet,
            3,
            "steps[0].agnet",
            "TASK_KEY_UNKNOWN",
            "unknown key `agnet`; did you mean `agent`?",
        ),
        (twice, 4, "steps[0].task", "TASK_TYPE", "a date where a text should be"),
        (&format!("name = 3\n{STEP}"), 1, "name", "TASK_TYPE", "a whole number where a text"),
        (&format!("nam = 'a'\n{STEP}"), 1, "nam", "TASK_KEY_UNKNOWN", "`name`"),
        (&format!("goal = 'a'\n{STEP}"), 1, "", "TASK_KEY_MISSING", "add `name = "),
        (&format!("name = 'a'\nfile = 'x'\n{STEP}"), 2, "file", "TASK_KEY_MISPLACED", "children"),
        (&format!("name = 'a'\npriority = 3e3\n{STEP}"), 2, "priority", "TASK_TYPE", "whole"),
        (
            &format!("name = 'a'\npriority = 3000000000\n{STEP}"),
            2,
            "priority",
            "TASK_VALUE",
            "range",
        ),
        (&format!("name = 'a'\nsession = 'own '\n{STEP}"), 2, "session", "TASK_VALUE", "`own`?"),
        ("name = 'a'\nsteps = []\n", 1, "", "TASK_NOTHING", "[[steps]]"),
        ("name = 'a'\nsteps = 1\n", 2, "steps", "TASK_TYPE", "a list"),
        ("name = 'a'\nsteps = ['hello']\n", 2, "steps[0]", "TASK_TYPE", "a table"),
        ("name = 'a'\nname = 'b'\nsteps = []", 2, "", "TASK_SYNTAX", "duplicate key"),
        ("name = 'a", 1, "", "TASK_SYNTAX", "mend the TOML"),
    ]);
}

#[test]
fn names() {
    let twice = format!("name = 'a'\n{STEP}{STEP}");
    let across = format!("name = 'a'\n{STEP}[[gates]]\nname = 'hello'\nperson = 'Yes?'");
    let children = "name = 'a'\n[[children]]\nname = 'b'\n[[children.steps]]\nagent = 'hello'\n\
                    [[children]]\nname = 'b'\n[[children.steps]]\nagent = 'hello'";
    let hooks = format!(
        "name = 'a'\n{STEP}[[after.landed]]\ncommand = 'x'\n[[after.landed]]\ncommand = 'x'"
    );
    one_mistake(&[
        (&format!("name = ''\n{STEP}"), 1, "name", "TASK_NAME", "letters"),
        (&format!("name = 'a.b'\n{STEP}"), 1, "name", "TASK_NAME", "`a.b`"),
        (&format!("name = '{}'\n{STEP}", "x".repeat(65)), 1, "name", "TASK_NAME", "64"),
        (&twice, 4, "steps[1]", "TASK_NAME_TWICE", "`hello` is the name of a step already"),
        (&across, 4, "gates[0]", "TASK_NAME_TWICE", "a step already"),
        (children, 6, "children[1]", "TASK_NAME_TWICE", "a child already"),
        (&hooks, 6, "after.landed[1]", "TASK_NAME_TWICE", "a hook already"),
        (
            &format!("name = 'a'\n{STEP}failed-as = 'no way'"),
            4,
            "steps[0].failed-as",
            "TASK_NAME",
            "no way",
        ),
        (
            &format!("name = 'a'\n{STEP}[outcomes]\nlanded = '{{}}'"),
            5,
            "outcomes.landed",
            "TASK_NAME",
            "{}",
        ),
        (
            "name = 'a'\n[[children]]\n[[children.steps]]\nagent = 'hello'",
            2,
            "children[0]",
            "TASK_KEY_MISSING",
            "name",
        ),
    ]);
}

#[test]
fn exactly_one_of_several() {
    one_mistake(&[
        (
            "name = 'a'\n[[steps]]\ntask = 'x'",
            2,
            "steps[0]",
            "TASK_CHOICE",
            "none of `agent`, `reviewer`, `command`; give exactly one",
        ),
        (
            "name = 'a'\n[[steps]]\nagent = 'x'\ncommand = 'y'",
            2,
            "steps[0]",
            "TASK_CHOICE",
            "`agent`, `command`; keep one",
        ),
        (
            &format!("name = 'a'\n{STEP}[[gates]]\nname = 'g'"),
            4,
            "gates[0]",
            "TASK_CHOICE",
            "`person`",
        ),
        (
            &format!("name = 'a'\n{STEP}[[gates]]\nperson = 'Yes?'\nreviewer = 'x'"),
            4,
            "gates[0]",
            "TASK_CHOICE",
            "keep one",
        ),
        (
            &format!("name = 'a'\nbase = '.'\n{STEP}[sample.files]\na = 'x'"),
            5,
            "sample",
            "TASK_CHOICE",
            "`base`, `sample`",
        ),
    ]);
}

#[test]
fn what_means_nothing_where_it_stands() {
    let step = |text: &str| format!("name = 'a'\n[[steps]]\n{text}");
    let gate = |text: &str| format!("name = 'a'\n{STEP}[[gates]]\n{text}");
    let code = "TASK_KEY_MISPLACED";
    one_mistake(&[
        (&step("command = 'x'\nargs = []"), 4, "steps[0].args", code, "a command has none"),
        (
            &step("agent = 'x'\nallow-net = true"),
            4,
            "steps[0].allow-net",
            code,
            "an agent has none",
        ),
        (&step("reviewer = 'x'\nenv = {}"), 4, "steps[0].env", code, "a reviewer has none"),
        (&step("command = 'x'\nlimits.memory = 5"), 4, "steps[0].limits.memory", code, "agents"),
        (
            &step("command = 'x'\ngrants = ['session-fs']"),
            4,
            "steps[0].grants[0]",
            "TASK_VALUE",
            "agents",
        ),
        (
            &step("command = 'x'\ngrants = ['vcs', 'project-record']"),
            4,
            "steps[0].grants[1]",
            "TASK_VALUE",
            "agents",
        ),
        (&gate("person = 'x'\nlimits = {}"), 6, "gates[0].limits", code, "nobody is run"),
        (&gate("reviewer = 'x'\nfix = 'y'"), 6, "gates[0].fix", code, "commands"),
        (&gate("command = 'x'\nabove = 1"), 6, "gates[0].above", code, "metrics"),
        (&format!("name = 'a'\norder = 'sequence'\n{STEP}"), 2, "order", code, "no children"),
        (&format!("name = 'a'\n{STEP}[retry]\non = []"), 5, "retry.on", code, "attempts"),
        (
            &step("command = 'x'\nunconfined = true\nallow-net = true"),
            5,
            "steps[0].allow-net",
            code,
            "anyway",
        ),
    ]);
}

#[test]
fn values_with_which_nothing_could_run() {
    let limit = |text: &str| format!("name = 'a'\n{STEP}[limits]\n{text}");
    let step = |text: &str| format!("name = 'a'\n[[steps]]\n{text}");
    let code = "TASK_VALUE";
    one_mistake(&[
        (&limit("timeout = '0s'"), 5, "limits.timeout", code, "0"),
        (&limit("timeout = 0"), 5, "limits.timeout", code, "0"),
        (&limit("memory = 0"), 5, "limits.memory", code, "0"),
        (&limit("disk = '0k'"), 5, "limits.disk", code, "0"),
        (&limit("files = 0"), 5, "limits.files", code, "0"),
        (&limit("files = -1"), 5, "limits.files", code, "1 or more"),
        (&limit("cpu = '5 parsecs'"), 5, "limits.cpu", code, "no unit of time"),
        (&limit("output = 'much'"), 5, "limits.output", code, "256M"),
        (&limit("memory = '99999999999T'"), 5, "limits.memory", code, "too large"),
        (&format!("name = 'a'\n{STEP}[retry]\nattempts = 0"), 5, "retry.attempts", code, "1 to"),
        (&step("command = []"), 3, "steps[0].command", code, "empty"),
        (&step("command = ['']"), 3, "steps[0].command", code, "no program"),
        (&step("command = ' '"), 3, "steps[0].command", code, "no program"),
        (&step("command = ''"), 3, "steps[0].command", "TASK_TYPE", "an empty text"),
        (&step("command = ['a', \"\\u0000\"]"), 3, "steps[0].command[1]", code, "zero byte"),
        (&step("agent = 'x'\nenv = { 'A=B' = '1' }"), 4, "steps[0].env.\"A=B\"", code, "variable"),
        (&step("agent = 'x'\ninput-files = ['']"), 4, "steps[0].input-files[0]", code, "no file"),
        (&step("agent = ''"), 3, "steps[0].agent", "TASK_TYPE", "empty"),
        (
            &format!("name = 'a'\n{STEP}[[after.failed]]\nname = 'x'"),
            4,
            "after.failed[0]",
            "TASK_KEY_MISSING",
            "command",
        ),
    ]);
}

#[test]
fn quotes_of_what_has_not_been_said() {
    let two = |task: &str| {
        format!(
            "name = 'a'\n[[steps]]\nname = 'coder'\nagent = 'x'\n[[steps]]\nname = 'test'\n\
             command = 'y'\n[[steps]]\nname = 'last'\nagent = 'z'\ntask = '{task}'"
        )
    };
    let early = "name = 'a'\n[[steps]]\nagent = 'x'\ntask = '{y.summary}'\n[[steps]]\nagent = 'y'";
    let gate = format!("name = 'a'\n{STEP}[[gates]]\nreviewer = 'x'\ntask = '{{helo.summary}}'");
    let (key, code) = ("steps[2].task", "TASK_QUOTE");
    one_mistake(&[
        (early, 4, "steps[0].task", code, "comes later; quote a step before it"),
        (&two("{last.summary}"), 11, key, code, "the step itself"),
        (&two("{codr.summary}"), 11, key, code, "did you mean `coder`?"),
        (&two("{nobody.summary}"), 11, key, code, "such as test, coder"),
        (&two("{test.score}"), 11, key, code, "only agents report metrics"),
        (&two("{coder}"), 11, key, "TASK_VALUE", "write `{{`"),
        (&two("a { b"), 11, key, "TASK_VALUE", "`{ b` quotes nothing"),
        (&gate, 6, "gates[0].task", code, "did you mean `hello`?"),
    ]);
    let good = two("{coder.summary} {coder.score} {test.summary} {{x}}");
    let _ = parse(&good, Format::Toml, Path::new("/")).expect("good");
}

#[test]
fn metrics_that_nobody_could_report() {
    let best = "name = 'a'\nland = 'best'\nmetric = 'm'\n[[children]]\nname = 'b'\n\
                [[children.steps]]\ncommand = 'x'";
    let without = best.replace("metric = 'm'\n", "").replace("command", "agent");
    let gate = "name = 'a'\n[[steps]]\ncommand = 'x'\n[[gates]]\nmetric = 'm'\nabove = 1";
    one_mistake(&[
        (best, 2, "land", "TASK_NO_METRIC", "no child could report `m`"),
        (&without, 1, "", "TASK_KEY_MISSING", "metric = "),
        (gate, 5, "gates[0].metric", "TASK_NO_METRIC", "no step could report `m`"),
        (
            &gate.replace("\nabove = 1", "").replace("command", "agent"),
            4,
            "gates[0]",
            "TASK_KEY_MISSING",
            "above",
        ),
        (
            &gate.replace("= 1", "= nan").replace("command", "agent"),
            6,
            "gates[0].above",
            "TASK_TYPE",
            "finite",
        ),
    ]);
}

#[test]
fn one_decision_answers_one_question() {
    let asks = |name: &str| format!("[[gates]]\nname = '{name}'\nperson = 'Yes?'\n");
    let one = format!("name = 'a'\n{STEP}{}", asks("b"));
    let _ = parse(&one, Format::Toml, Path::new("/")).expect("one is good");
    let two = format!("{one}{}", asks("c"));
    one_mistake(&[(&two, 9, "gates[1].person", "TASK_VALUE", "ask everything in one gate")]);
}

#[test]
fn groups_and_children() {
    let child = "[[children]]\nname = 'b'\n[[children.steps]]\nagent = 'hello'\n";
    let group = |text: &str| format!("name = 'a'\nsession = 'none'\n{text}");
    let whole = "name = 'a'\n[[children]]\nname = 'b'\n";
    let whole = |text: &str| format!("{whole}{text}\nsteps = [{{ agent = 'x' }}]");
    let code = "TASK_KEY_MISPLACED";
    one_mistake(&[
        (&group(&format!("{child}{STEP}")), 7, "steps", code, "only children"),
        (&group(&format!("{child}[[gates]]\nperson = 'x'")), 7, "gates", code, "only children"),
        (&group(&format!("{child}[landing]")), 7, "landing", code, "only children"),
        (&group(&format!("{child}[[after.landed]]\ncommand = 'x'")), 7, "after", code, "only"),
        (&group(&format!("land = 'all'\n{child}")), 3, "land", code, "each on its own"),
        (&group(&format!("order = 'sequence'\n{child}")), 3, "order", code, "at once"),
        (&group(""), 1, "", "TASK_NOTHING", "nothing"),
        (
            &format!(
                "name = 'a'\n{}",
                child.replace("[[children.steps]]", "base = '.'\n[[children.steps]]")
            ),
            4,
            "children[0].base",
            code,
            "a child works where its parent does",
        ),
        ("name = 'a'\n[[children]]\nname = 'b'", 2, "children[0]", "TASK_NOTHING", "nothing"),
        (
            "name = 'a'\n[[children]]\nname = 'b'\nsession = 'none'\n[[children.children]]\n\
             name = 'c'\n[[children.children.steps]]\nagent = 'hello'",
            4,
            "children[0].session",
            "TASK_VALUE",
            "a group is no child",
        ),
        (&whole("priority = 1"), 4, "children[0].priority", code, "with its parent"),
        (&whole("retry = { attempts = 2 }"), 4, "children[0].retry", code, "its parent"),
        (
            &whole("gates = [{ person = 'Yes?' }]"),
            4,
            "children[0].gates[0].person",
            code,
            "for a whole task",
        ),
    ]);
}

#[test]
fn samples_that_leave_their_directory() {
    for path in ["/etc/passwd", "../x", "a/../../x", "", "a//b", ".brio/x", "a/."] {
        let text = format!("name = 'a'\n{STEP}[sample.files]\n'{path}' = 'x'");
        let errors = errors(&text);
        let error = errors.iter().next().expect("one");
        assert_eq!((errors.count(), error.code(), error.line()), (1, "TASK_SAMPLE_PATH", Some(5)));
    }
    let inside = format!("name = 'a'\n{STEP}[sample.files]\na = 'x'\n'a!' = ''\n'a/b' = 'x'");
    let errors = errors(&inside);
    assert_eq!((errors.count(), errors.iter().next().and_then(|e| e.line())), (1, Some(5)));
}

#[test]
fn all_mistakes_are_told_at_once_and_none_that_only_follows() {
    let text = "nam = 'x'\norder = 'paralel'\n[[steps]]\nagnet = 'hello'\n[[steps]]\nname = 'a b'\n\
                agent = 'hello'\ntask = '{coder.summary} {{'\n[[gates]]\ncommand = []\n[limits]\n\
                memory = 0\ntimeout = 'soon'\n[sample.files]\n'/a' = ''";
    let errors = errors(text);
    let told: Vec<_> = errors
        .iter()
        .map(|e| (e.line().expect("a line"), e.code(), e.key().expect("a key")))
        .collect();
    let told: Vec<_> = told.iter().map(|(line, code, key)| (*line, *code, key.as_str())).collect();
    // Which step `coder` is cannot be told before `agnet` is mended.
    assert_eq!(
        told,
        [
            (1, "TASK_KEY_UNKNOWN", "nam"),
            (2, "TASK_VALUE", "order"),
            (4, "TASK_KEY_UNKNOWN", "steps[0].agnet"),
            (6, "TASK_NAME", "steps[1].name"),
            (10, "TASK_VALUE", "gates[0].command"),
            (12, "TASK_VALUE", "limits.memory"),
            (13, "TASK_VALUE", "limits.timeout"),
            (15, "TASK_SAMPLE_PATH", "sample.files.\"/a\""),
        ]
    );
    assert!(errors.to_string().starts_with("TASK_INVALID:\n1:1: nam: unknown key"), "{errors}");
}

#[test]
fn json_has_places_too() {
    let text = "{\n  \"name\": \"a\",\n  \"steps\": [\n    {\"agent\": \"x\", \"tsak\": null}\n  ],\n  \"name\": \"b\", \"goal\": null\n}";
    let errors = parse(text, Format::Json, Path::new("/")).expect_err("mistakes");
    let told: Vec<_> = errors.iter().map(|e| (e.line(), e.column(), e.code())).collect();
    assert_eq!(
        told,
        [
            (Some(4), Some(20), "TASK_KEY_UNKNOWN"),
            (Some(6), Some(3), "TASK_KEY_TWICE"),
            (Some(6), Some(16), "TASK_TYPE"),
        ]
    );
    for (text, line) in [("", 1), ("[]", 1), ("{\n\"a\" 1}", 2), ("{\n\n", 3)] {
        let errors = parse(text, Format::Json, Path::new("/")).expect_err("broken");
        assert_eq!(errors.iter().next().and_then(|e| e.line()), Some(line), "{text}: {errors}");
    }
}
