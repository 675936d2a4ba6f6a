//! Native tools in a branch: on a mount and by `brio session exec`, against the plain directory;
//! and what a room costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use brio_landing::{BeginOptions, Domain, OpenOptions};
use brio_mount::{Mount, Options};
use brio_session::{Fixed, ViewOptions};

use super::measure::{Outcome, command, head, median, ms, row, time};
use super::session::Sessions;
use super::tree;

const FILES: usize = 20_000;
const ROUNDS: usize = 7;
/// Of the workspace that is built: crates, and files of each.
const CRATES: usize = 24;
const MODULES: usize = 40;

pub(crate) fn run() -> Outcome {
    tools()?;
    println!();
    builds()?;
    println!();
    room()
}

/// A command, by the name that the table has for it.
struct Tool {
    name: String,
    argv: Vec<String>,
}

impl Tool {
    fn new(name: &str, argv: &[&str]) -> Self {
        let argv = argv.iter().map(|&a| a.to_owned()).collect();
        Self { name: format!("`{name}`"), argv }
    }

    fn shell(name: &str, script: &str) -> Self {
        Self::new(name, &["sh", "-c", script])
    }
}

/// Where a tool works: a directory as it is, the same mounted, and a session over the same.
struct Places {
    plain: PathBuf,
    mounted: PathBuf,
    sessions: Sessions,
    session: String,
}

impl Places {
    /// Turn by turn, each after one that warmed it. A mount stays for all turns and has the
    /// kernel's caches warm; each `exec` makes one anew.
    fn compare(&self, tool: &Tool) -> Outcome {
        let mut samples = [const { Vec::<Duration>::new() }; 3];
        for round in 0..=ROUNDS {
            let in_place = |dir: &Path| {
                time(|| go(Command::new(&tool.argv[0]).args(&tool.argv[1..]).current_dir(dir)))
            };
            let took = [
                in_place(&self.plain)?.0,
                in_place(&self.mounted)?.0,
                time(|| go(&mut self.exec(&tool.argv)))?.0,
            ];
            if round > 0 {
                samples.iter_mut().zip(took).for_each(|(s, t)| s.push(t));
            }
        }
        let [plain, mounted, exec] = samples.map(|s| median(&s));
        let ratio = |d: Duration| format!("{:.2}", d.as_secs_f64() / plain.as_secs_f64());
        let cells = [ms(plain), ms(mounted), ratio(mounted), ms(exec), ratio(exec)];
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        row(&[&[tool.name.as_str()], &cells[..]].concat());
        Ok(())
    }

    fn exec(&self, argv: &[String]) -> Command {
        let mut brio = self.sessions.brio();
        brio.args(["session", "exec", &self.session, "--grant", "vcs", "--quiet"]);
        if let Some(program) = outside_of_the_system(&argv[0]) {
            brio.arg("--read").arg(program);
        }
        brio.arg("--").args(argv);
        brio
    }
}

/// Runs a tool that may find nothing, and say so by 1.
fn go(tool: &mut Command) -> Outcome {
    let quiet = tool.env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::null());
    let out = quiet.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    if out.status.code().is_some_and(|c| c < 2) {
        return Ok(());
    }
    Err(format!("{tool:?}: {}: {}", out.status, String::from_utf8_lossy(&out.stderr)).into())
}

/// A program that a room does not hold of itself.
fn outside_of_the_system(program: &str) -> Option<&str> {
    let path = Path::new(program);
    (path.is_absolute() && !path.starts_with("/usr") && !path.starts_with("/bin"))
        .then_some(program)
}

fn tools() -> Outcome {
    let [plain, base] = [tempfile::tempdir()?, tempfile::tempdir()?];
    for dir in [plain.path(), base.path()] {
        tree::fill(dir, FILES)?;
        tree::repository(dir)?;
    }
    head(&[
        "20,000 files, median ms",
        "plain directory",
        "mount, warm",
        "ratio",
        "`exec`",
        "ratio",
    ]);
    compare_all(plain.path(), base.path(), &searching())
}

/// What only reads.
fn searching() -> Vec<Tool> {
    let mut tools = vec![Tool::new("git status", &["git", "status", "--short"])];
    match found_in_path("rg") {
        Some(rg) => tools.push(Tool::new("rg TEXT", &[&rg.to_string_lossy(), "no such text"])),
        None => eprintln!("rg: not measured: it is not in PATH"),
    }
    tools.extend([
        Tool::new("grep -r TEXT", &["grep", "-rq", "no such text", "--exclude-dir=.git", "."]),
        Tool::new("find -name", &["find", ".", "-name", "*.none"]),
        // To a pipe: what goes to /dev/null is not even read.
        Tool::shell("tar -c", "tar -c --exclude=.git . | wc -c"),
    ]);
    tools
}

fn found_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file())
}

/// The same directory twice, both built where they lie, so that what a build left behind is
/// warm in the session too.
fn builds() -> Outcome {
    let [plain, base] = [tempfile::tempdir()?, tempfile::tempdir()?];
    for dir in [plain.path(), base.path()] {
        workspace(dir)?;
        command("cargo", &["build", "--offline", "--quiet"], dir)?;
    }
    let build = "cargo build --offline --quiet";
    let touch = format!("touch {} && {build}", module(CRATES / 2, 0).display());
    let tools = [
        Tool::shell("cargo build, nothing to do", build),
        Tool::shell("cargo build, one file touched", &touch),
    ];
    let title = format!("{CRATES} crates of {MODULES} files, median ms");
    head(&[&title, "plain directory", "mount, warm", "ratio", "`exec`", "ratio"]);
    compare_all(plain.path(), base.path(), &tools)
}

/// A workspace whose crates use each other in a row.
fn workspace(dir: &Path) -> Outcome {
    let manifest = |i: usize| {
        let uses = i.checked_sub(1).map_or(String::new(), |u| {
            format!("[dependencies]\nc{u} = {{ path = \"../c{u}\" }}\n")
        });
        format!("[package]\nname = \"c{i}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{uses}")
    };
    fs::write(dir.join("Cargo.toml"), "[workspace]\nresolver = \"2\"\nmembers = [\"c*\"]\n")?;
    for i in 0..CRATES {
        fs::create_dir_all(dir.join(format!("c{i}/src")))?;
        fs::write(dir.join(format!("c{i}/Cargo.toml")), manifest(i))?;
        let mut lib = String::new();
        for m in 0..MODULES {
            lib += &format!("pub mod m{m};\n");
            let code = "pub fn f(x: u64) -> u64 { x.rotate_left(7) ^ 42 }\n";
            fs::write(dir.join(module(i, m)), code)?;
        }
        fs::write(dir.join(format!("c{i}/src/lib.rs")), lib)?;
    }
    Ok(())
}

fn module(of: usize, m: usize) -> PathBuf {
    format!("c{of}/src/m{m}.rs").into()
}

fn compare_all(plain: &Path, base: &Path, tools: &[Tool]) -> Outcome {
    let sessions = Sessions::new(base)?;
    let session = sessions.begin()?;
    let (domain, _) = Domain::open(base, OpenOptions::default())?;
    let for_mount = domain.begin(BeginOptions::default())?;
    let options = ViewOptions { vcs: true, ..ViewOptions::default() };
    let writer = for_mount.writer("bench", options)?;
    let at = tempfile::tempdir()?;
    let mount = Mount::at(at.path(), Fixed(writer.view().clone()), &Options::default())?;
    let places = Places { plain: plain.into(), mounted: at.path().into(), sessions, session };
    tools.iter().try_for_each(|tool| places.compare(tool))?;
    mount.unmount()?;
    Ok(())
}

fn room() -> Outcome {
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), 100)?;
    let sessions = Sessions::new(base.path())?;
    let id = sessions.begin()?;
    let samples = |args: &[&str]| -> Outcome<Vec<_>> {
        (0..21).map(|_| Ok(time(|| sessions.run(args))?.0)).collect()
    };
    let confined = samples(&["session", "exec", &id, "--", "true"])?;
    let unconfined = samples(&["session", "exec", &id, "--unconfined", "--", "true"])?;
    let show = samples(&["session", "show", &id])?;
    head(&["`true` in a session, as a process", "median ms"]);
    row(&["`brio session exec`: a room, the mount, and their end", &ms(median(&confined))]);
    row(&["`brio session exec --unconfined`: the mount", &ms(median(&unconfined))]);
    row(&["`brio session show`: neither", &ms(median(&show))]);
    Ok(())
}
