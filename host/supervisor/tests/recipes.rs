//! What a call of `recipes` makes is what the recipe's file says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brio_supervisor::{
    Agent, Base, Child, Command, Gate, Landing, Limits, Reviewer, Step, Task, file, recipes,
};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-agents/recipes")
}

fn replace(step: &str, task: &str) -> Step {
    Step::new(step, Agent::new("replace", task))
}

fn way(name: &str, step: Step) -> Task {
    Task::new(name).step(step)
}

fn secrets() -> Reviewer {
    Reviewer::new("check-secrets").arg("--changed")
}

fn calls() -> BTreeMap<&'static str, Task> {
    let hello = |args: &str| Agent::new("hello", args);
    let english = || Gate::new("english", Command::new(["grep", "-q", "Hello", "greeting.txt"]));
    let seconds = |n| Limits { time: Some(std::time::Duration::from_secs(n)), ..Limits::default() };
    let american = || Step::new("replace", Agent::new("replace", "s/colour/color/").arg("*.md"));
    let patch = "--- a/price.sh\n+++ b/price.sh\n@@ -1 +1 @@\n-echo -5\n+echo 5\n";
    BTreeMap::from([
        ("single", recipes::single("american-spelling", american()).goal("Spell as Americans do")),
        (
            "parallel",
            recipes::parallel(
                "spring-cleaning",
                [
                    way("bugfix", Step::new("replace", Agent::new("replace", "s/recieve/receive/").arg("*.txt"))),
                    way("refactor", Step::new("replace", Agent::new("replace", "s/get_colour/colour/").arg("*.py"))),
                    way("docs", Step::new("todo-report", Agent::new("todo-report", ""))),
                ],
            )
            .goal("What nobody had time for"),
        ),
        (
            "nested",
            recipes::nested(
                "try-two-ways",
                Step::new("prepare", hello("visitors").arg("greeting.txt")),
                [
                    Child::optional(way("experiment-1", replace("replace", "s/Hello/Bonjour/")).gate(english())),
                    way("experiment-2", replace("replace", "s/visitors/dear visitors/")).gate(english()).into(),
                ],
            )
            .goal("Greet the visitors, one way or the other"),
        ),
        (
            "pick-best",
            recipes::pick_best(
                "pick-best",
                "places",
                [
                    way("careful", replace("replace", "s/colour/color/")),
                    way("thorough", replace("replace", "s/colour/color/\ns/grey/gray/\n")),
                ],
            )
            .goal("Spell as Americans do, as thoroughly as can be"),
        ),
        (
            "feature-branch",
            recipes::feature_branch("feature-greeting", Step::new("coder", hello("whoever comes")), secrets())
                .goal("Greet whoever comes")
                .landing(Landing { message: Some("Add a greeting".into()), ..Landing::default() }),
        ),
        (
            "experiment",
            recipes::experiment(
                "experiment",
                Step::new("implement", Agent::new("replace", "s/colour/color/").arg("*.sh").arg("!test.sh")),
                Command::new(["sh", "test.sh"]),
            )
            .goal("Does it still work in American?"),
        ),
        (
            "experiment-threshold",
            recipes::experiment_above("experiment-threshold", replace("improve", "s/colour/color/"), "places", 2.0)
                .goal("Spell as Americans do, if there is enough to do"),
        ),
        (
            "parallel-review",
            recipes::parallel_review(
                "parallel-review",
                Step::new("coder", hello("everybody").arg("src/greeting.txt")),
                [
                    Gate::new("security", secrets()),
                    Gate::new("performance", Command::shell("test \"$(wc -c < src/greeting.txt)\" -lt 1000")),
                    Gate::new("style", Command::shell("! grep -n \" $\" src/greeting.txt")),
                    Gate::new("logic", Command::new(["grep", "-q", "^Hello", "src/greeting.txt"])),
                ],
            )
            .goal("A greeting that everybody can live with"),
        ),
        (
            "hotfix",
            recipes::hotfix(
                "hotfix",
                Step::new("fix", Agent::new("apply-patch", patch)),
                Gate::new("critical-test", Command::shell("test \"$(sh price.sh)\" -ge 0")).limits(seconds(10)),
                Command::shell("echo \"landing $BRIO_LANDING goes out\""),
                Command::shell("echo \"somebody must look: $BRIO_OUTCOME\""),
            )
            .goal("The price must not be negative"),
        ),
        (
            "shared-session",
            recipes::shared_session(
                "shared-session",
                [
                    Step::new("coder", Agent::new("license-header", "Free to use by anyone.").arg("*.sh")),
                    Step::new("reviewer", secrets()),
                    Step::new(
                        "tester",
                        Command::shell("grep -q \"Free to use\" hello.sh && test \"$(sh hello.sh)\" = \"hello\""),
                    ),
                ],
            )
            .goal("A licence header in every script"),
        ),
        (
            "pipeline",
            recipes::pipeline(
                "pipeline",
                Agent::new("todo-report", "").arg("*.py"),
                Agent::new("replace", "s|Nothing is known.|{planner.summary}.|").arg("CHANGELOG.md"),
                secrets(),
            )
            .goal("The changelog says what is left to do"),
        ),
        (
            "feature",
            recipes::feature(
                "feature",
                Step::new("implement", Agent::new("replace", "s/five/six   /").arg("shop.sh")),
                Gate::new("tests", Command::new(["sh", "test.sh"])).limits(seconds(60)),
                (Command::shell("! grep -n \" $\" shop.sh"), Some(Command::shell("sed -i 's/ *$//' shop.sh"))),
                Some(Reviewer::new("check-secrets")),
            )
            .goal("The shop closes at six"),
        ),
    ])
}

// B-040 to B-043, B-050 to B-053, B-103, B-104, B-120 to B-122.
#[test]
fn a_call_makes_what_the_file_says() {
    let calls = calls();
    let mut files = 0;
    for entry in std::fs::read_dir(dir()).expect("the recipes") {
        let path = entry.expect("a recipe").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let said = file::read(&path).unwrap_or_else(|e| panic!("{e}"));
        assert!(matches!(said.base, Some(Base::Sample(_))), "{name} makes its own base");
        let called = calls.get(&*name).unwrap_or_else(|| panic!("no call for {name}"));
        assert_eq!(*called, Task { base: None, ..said }, "{name}");
        files += 1;
    }
    assert_eq!(files, calls.len());
}
