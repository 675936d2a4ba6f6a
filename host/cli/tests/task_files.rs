//! `brio task check` and `brio task schema`: a task file is right, or all its mistakes are told.

mod common;

use std::fs;
use std::path::Path;

use common::TestEnvironment;
use serde_json::Value;

const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../example-agents/recipes");

#[test]
fn every_recipe_is_without_mistakes() {
    let env = TestEnvironment::new();
    let mut checked = 0;
    for file in fs::read_dir(RECIPES).expect("the recipes") {
        let file = file.expect("a file").path();
        let file = file.to_str().expect("UTF-8");
        let ran = env.brio(&["task", "check", file]);
        assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("no mistakes"), "{}", ran.stderr);
        let (status, document) = env.json(&["task", "check", "--json", file]);
        assert_eq!((status, &document["schema"]), (0, &1.into()));
        assert!(document["task"].is_string() && document["errors"] == Value::Array(vec![]));
        checked += 1;
    }
    assert_eq!(checked, 12);
    assert!(!env.home().exists(), "nothing is begun, and nothing kept");
}

#[test]
fn one_mistake_is_the_error_and_says_what_to_do() {
    let env = TestEnvironment::new();
    env.write("task.toml", "name = 'a'\n[[steps]]\nagnet = 'hello'\n");
    let text = env.error(&["task", "check", "task.toml"], 2, "TASK_INVALID");
    assert_eq!(
        text,
        "error: TASK_INVALID: task.toml:3:1: steps[0].agnet: unknown key `agnet`\n\
         hint: did you mean `agent`?\n"
    );
    let text = env.error(&["task", "check", "missing.toml"], 2, "TASK_UNREADABLE");
    assert!(text.contains("missing.toml") && text.contains("hint: "), "{text}");
    env.error(&["task", "check", "src"], 2, "TASK_UNREADABLE");
}

#[test]
fn several_mistakes_are_a_line_each() {
    let env = TestEnvironment::new();
    env.write("child.toml", "name = 'b'\n[[steps]]\nagent = 3\n");
    env.write("task.toml", "name = 'a b'\nsession = 'non'\n[[children]]\nfile = 'child.toml'\n");
    let text = env.error(&["task", "check", "task.toml"], 2, "TASK_INVALID");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].ends_with("there are 3 mistakes"), "{text}");
    assert!(lines[1].starts_with("  task.toml:1:1: name: "), "{text}");
    assert!(lines[2].starts_with("  task.toml:2:1: session: "), "{text}");
    assert!(lines[3].starts_with("  child.toml:3:1: steps[0].agent: "), "{text}");
    let (status, document) = env.json(&["task", "check", "task.toml", "--json"]);
    assert_eq!((status, document["task"].is_null()), (2, true));
    let errors = document["errors"].as_array().expect("a list");
    let keys: Vec<_> = errors.iter().map(|e| e["key"].as_str().expect("a key")).collect();
    assert_eq!(keys, ["name", "session", "steps[0].agent"]);
    assert_eq!((&errors[2]["file"], &errors[2]["line"]), (&"child.toml".into(), &3.into()));
    assert_eq!(errors[1]["code"], "TASK_VALUE");
    assert_eq!(errors[1]["hint"], "did you mean `none`?");
}

#[test]
fn json_is_told_by_its_name() {
    let env = TestEnvironment::new();
    env.write("task.json", r#"{"name": "a", "steps": [{"agent": "hello"}]}"#);
    env.ok(&["task", "check", "task.json"]);
    env.write("task.json", "{\"name\": \"a\",\n \"steps\": [}");
    let text = env.error(&["task", "check", "task.json"], 2, "TASK_INVALID");
    assert!(text.contains("task.json:2:") && text.contains("mend the JSON"), "{text}");
}

#[test]
fn what_a_file_says_cannot_write_to_the_terminal() {
    let env = TestEnvironment::new();
    env.write("task.json", r#"{"name": "a", "\u001b[31m": 1, "steps": [{"agent": "hello"}]}"#);
    let text = env.error(&["task", "check", "task.json"], 2, "TASK_INVALID");
    assert!(!text.contains('\u{1b}') && text.contains("[31m"), "{text}");
}

#[test]
fn the_schema_is_printed_and_describes_its_keys() {
    let env = TestEnvironment::new();
    let schema: Value = serde_json::from_str(&env.ok(&["task", "schema"])).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for key in ["name", "base", "steps", "gates", "children", "landing", "retry"] {
        assert!(schema["properties"][key]["description"].is_string(), "{key}");
    }
    assert!(Path::new(RECIPES).is_dir() && schema["additionalProperties"] == Value::Bool(false));
}
