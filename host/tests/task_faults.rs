//! Each recipe with each way in which an agent, a reviewer, a command or the landing can fail, in
//! each of its parts: nothing of it is half done, and no session is left.
#![allow(clippy::unwrap_used, reason = "tests")]

mod entered;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use brio_host::tasks::*;
use brio_host::{Brio, ListFilter, Supervisor};
use brio_session::{Door, Hook, Op, Verdict};
use rustix::io::Errno;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn guest(name: &str) -> PathBuf {
    Path::new(ROOT).join("example-agents/prebuilt/test").join(name).with_extension("wasm")
}

/// The recipes as their files say, but that commands are not confined: not everybody who tests may
/// make rooms.
fn recipes() -> Vec<Task> {
    let dir = Path::new(ROOT).join("example-agents/recipes");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| file::read(path).unwrap_or_else(|e| panic!("{e}"));
    let mut tasks: Vec<_> = files.iter().map(read).collect();
    tasks.iter_mut().for_each(loosen);
    tasks
}

fn loosen(task: &mut Task) {
    for step in &mut task.steps {
        if let StepKind::Command(command) = &mut step.kind {
            command.unconfined = true;
        }
    }
    for gate in &mut task.gates {
        if let GateKind::Command { command, fix } = &mut gate.kind {
            command.unconfined = true;
            fix.iter_mut().for_each(|fix| fix.unconfined = true);
        }
    }
    for hook in task.after.landed.iter_mut().chain(&mut task.after.failed) {
        hook.command.unconfined = true;
    }
    task.children.tasks.iter_mut().for_each(|child| loosen(&mut child.task));
}

/// All of them in the long run: `BRIO_FAULTS=1`.
fn all() -> bool {
    std::env::var_os("BRIO_FAULTS").is_some_and(|v| v == "1")
}

fn sh(line: &str) -> Command {
    Command { unconfined: true, ..Command::shell(line) }
}

/// A part that fails, with what it may use, and the kind that a step ends with.
fn faults() -> Vec<(&'static str, StepKind, Limits, Kind)> {
    let none = Limits::default();
    let time = Limits { time: Some(Duration::from_millis(150)), ..none };
    let cpu = Limits { cpu: Some(Duration::from_millis(100)), ..none };
    let memory = Limits { memory: Some(16 << 20), ..none };
    let files = Limits { files: Some(10), ..none };
    let agent = |file: PathBuf, arg: &str| StepKind::from(Agent::new(file, "").arg(arg));
    let judge = |what: &str| StepKind::from(Reviewer::new(guest("judge")).task(what));
    let bad = |file: &str| StepKind::from(Agent::new(file, "no substitution"));
    vec![
        ("it says so", bad("replace"), none, Kind::Failed),
        ("there is none", bad("no-such-agent"), none, Kind::Unusable),
        ("no file", bad("/no/such.wasm"), none, Kind::Unusable),
        ("no WebAssembly", agent(Path::new(ROOT).join("Cargo.toml"), ""), none, Kind::Unusable),
        ("a trap", agent(guest("panic"), ""), none, Kind::Stopped),
        ("a loop, time", agent(guest("spin"), ""), time, Kind::Stopped),
        ("a loop, processor", agent(guest("spin"), ""), cpu, Kind::Stopped),
        ("memory", agent(guest("hog"), ""), memory, Kind::Stopped),
        ("files", agent(guest("spammer"), "files"), files, Kind::Stopped),
        ("a rejection", judge("reject"), none, Kind::Rejected),
        ("a reviewer's failure", judge("fail"), none, Kind::Rejected),
        ("a reviewer's trap", judge("panic"), none, Kind::Stopped),
        ("a reviewer's loop", judge("spin"), time, Kind::Stopped),
        ("a reviewer's exit", judge("exit"), none, Kind::Failed),
        ("no reviewer", Reviewer::new("hello").into(), none, Kind::Unusable),
        ("a status", sh("echo half > half; exit 7").into(), none, Kind::Failed),
        ("a signal", sh("kill -9 $$").into(), none, Kind::Stopped),
        ("a hang", sh("sleep 600").into(), time, Kind::Stopped),
        (
            "no program",
            Command { argv: vec!["/no/such".into()], ..sh("") }.into(),
            none,
            Kind::Failed,
        ),
    ]
}

/// The parts of a task, its children's too.
fn parts(task: &mut Task) -> Vec<Part<'_>> {
    let mut all: Vec<_> = task.steps.iter_mut().map(Part::Step).collect();
    all.extend(task.gates.iter_mut().map(Part::Gate));
    all.extend(task.children.tasks.iter_mut().flat_map(|child| parts(&mut child.task)));
    all
}

enum Part<'a> {
    Step(&'a mut Step),
    Gate(&'a mut Gate),
}

impl Part<'_> {
    /// False: there is no gate of that kind.
    fn fail(self, kind: &StepKind, limits: Limits) -> bool {
        match self {
            Self::Step(step) => {
                (step.kind, step.limits) = (kind.clone(), limits);
            }
            Self::Gate(gate) => {
                gate.kind = match kind.clone() {
                    StepKind::Agent(_) => return false,
                    StepKind::Reviewer(reviewer) => reviewer.into(),
                    StepKind::Command(command) => command.into(),
                };
                gate.limits = limits;
            }
        }
        true
    }
}

/// Fails one operation, the `until`-th: before it is done (0) or after (1).
#[derive(Default)]
struct Faulty {
    until: AtomicI64,
    passed: AtomicI64,
    how: AtomicI64,
}

impl Hook for Faulty {
    fn verdict(&self, _: Op) -> Verdict {
        self.passed.fetch_add(1, Ordering::SeqCst);
        match self.until.fetch_sub(1, Ordering::SeqCst) {
            1 if self.how.load(Ordering::SeqCst) == 0 => Verdict::Fail(Errno::IO.raw_os_error()),
            1 => Verdict::FailAfter(Errno::NOSPC.raw_os_error()),
            _ => Verdict::Go,
        }
    }
}

struct House {
    dir: tempfile::TempDir,
    brio: Brio,
    supervisor: Supervisor,
    door: Arc<Faulty>,
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

impl House {
    /// Agents are compiled once for all houses: `cache` is theirs.
    fn new(cache: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        std::os::unix::fs::symlink(cache, dir.path().join("home/cache")).unwrap();
        let door = Arc::new(Faulty::default());
        let builder = Brio::builder(dir.path().join("home"));
        let brio = builder.door(Door::with_hook(door.clone())).open().unwrap();
        let env = std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
        let supervisor = brio.supervisor(env).unwrap();
        Self { dir, brio, supervisor, door }
    }

    /// Runs a recipe on its sample; how it ended, and what the base was and is.
    fn run(&self, task: &Task, name: &str) -> (Outcome, Files, Files) {
        let base = self.dir.path().join(name);
        let Some(Base::Sample(files)) = &task.base else { panic!("a sample") };
        for (path, text) in files {
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let before = content(&base);
        let outcome = self.supervisor.start(&task.clone().base(&base)).unwrap().wait().unwrap();
        let kept = outcome.kept.iter().cloned().collect::<Vec<_>>();
        let open = self.brio.sessions(&ListFilter::default()).unwrap();
        let open: Vec<_> = open.into_iter().map(|row| row.id).collect();
        assert_eq!(open, kept, "{name}: no session is left: {outcome:#?}");
        (outcome, before, content(&base))
    }
}

fn content(base: &Path) -> Files {
    let mut found = Files::new();
    let mut open = vec![base.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != ".brio" {
                    open.push(path);
                }
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(base).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

// T10, B-040 to B-043, B-050 to B-053, B-103, B-104, B-120 to B-122.
fn whatever_fails_in_a_part_of_a_recipe() {
    let cache = tempfile::tempdir().unwrap();
    let (mut tried, mut of) = (0, 0);
    for recipe in recipes() {
        for (what, kind, limits, ends) in faults() {
            let house = House::new(cache.path());
            for n in 0..parts(&mut recipe.clone()).len() {
                let mut task = recipe.clone();
                let part = parts(&mut task).swap_remove(n);
                let is_gate = matches!(part, Part::Gate(_));
                if !part.fail(&kind, limits) {
                    continue;
                }
                of += 1;
                if !all() && of % 4 != 0 {
                    continue;
                }
                tried += 1;
                let name = format!("{}-{tried}", recipe.name);
                let (outcome, before, after) = house.run(&task, &name);
                let label = format!("{name}, part {n}: {what}: {outcome:#?}");
                assert!(!after.keys().any(|p| p.ends_with("judged.txt")), "{label}");
                assert!(!after.keys().any(|p| p.ends_with("half")), "{label}");
                // A group's other children land by their own results.
                if !outcome.kind.is_success() && recipe.session == SessionMode::Own {
                    assert_eq!(before, after, "{label}");
                }
                if task.children.tasks.is_empty() {
                    let ends = if is_gate { Kind::Rejected } else { ends };
                    assert_eq!(outcome.kind, ends, "{label}");
                    assert_ne!(outcome.name, recipe.names.landed, "{label}");
                } else {
                    assert!(outcome.parts.iter().any(|p| p.failed.is_some()), "{label}");
                }
            }
        }
    }
    eprintln!("{tried} of {of} faults");
    assert!(of > 500 && tried >= of / 4, "{of}");
}

// T2, T10: whichever operation of a job on a disk fails.
fn whatever_fails_of_the_disk() {
    let cache = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for recipe in recipes() {
        let house = House::new(cache.path());
        house.door.passed.store(0, Ordering::SeqCst);
        let (whole, _, landed) = house.run(&recipe, &format!("{}-whole", recipe.name));
        assert!(whole.kind.is_success(), "{whole:#?}");
        let points = if all() { 40 } else { 4 };
        let operations = house.door.passed.load(Ordering::SeqCst);
        for k in (1..=operations).step_by(usize::try_from(operations / points).unwrap().max(1)) {
            for how in [0, 1] {
                house.door.how.store(how, Ordering::SeqCst);
                house.door.until.store(k, Ordering::SeqCst);
                let name = format!("{}-{k}-{how}", recipe.name);
                let (outcome, before, after) = house.run(&recipe, &name);
                house.door.until.store(0, Ordering::SeqCst);
                let label = format!("{name}: {outcome:#?}");
                assert!(after == before || after == landed || whole.parts.len() > 2, "{label}");
                if !outcome.kind.is_success() && recipe.session == SessionMode::Own {
                    assert_eq!(before, after, "{label}");
                }
                tried += 1;
            }
        }
    }
    eprintln!("{tried} faults of a disk");
    assert!(tried > 50, "{tried}");
}

fn main() {
    entered::run(&[
        ("whatever_fails_in_a_part_of_a_recipe", whatever_fails_in_a_part_of_a_recipe),
        ("whatever_fails_of_the_disk", whatever_fails_of_the_disk),
    ]);
}
