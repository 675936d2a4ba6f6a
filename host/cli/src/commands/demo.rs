//! `brio demo`

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use brio_host::{
    AgentSource, Brio, CommitOptions, Ending, Metadata, Place, Ran, RunRequest, SessionGuard,
};

use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::summary::diffstat;
use crate::ui::Ui;

/// See in a few seconds what Brio does, in a temporary directory with a home of its own.
///
/// An agent lands; one fails and leaves no trace; two race for one file; one meets a limit.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {}

const FILES: [(&str, &str); 3] = [
    ("README.md", "# Paint\n\nMixes a colour from two others.\n"),
    (
        "src/mix.rs",
        "// TODO: more than two\npub fn mix(colour: u32, with: u32) -> u32 {\n    (colour + with) / 2\n}\n",
    ),
    ("src/name.rs", "pub fn name(colour: u32) -> String {\n    format!(\"#{colour:06x}\")\n}\n"),
];

/// The first file would apply, the second does not.
const PATCH: &str = "\
--- a/README.md
+++ b/README.md
@@ -1,3 +1,3 @@
-# Paint
+# Paints
 
 Mixes a color from two others.
--- a/src/name.rs
+++ b/src/name.rs
@@ -1 +1 @@
-pub fn nothing_of_the_kind() {}
+pub fn something_else() {}
";

impl Demo {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let begun = Instant::now();
        let stage = Stage::new()?;
        ui.line("brio demo: a project of three files, in a temporary directory")?;

        ui.line("\n1. An agent works in a branch of the project, and lands.")?;
        let ran = stage.run(ui, "replace", "s/colour/color/", None)?;
        ui.data(diffstat(&ran.changes, 5))?;
        landed(ui, &ran)?;

        ui.line("\n2. An agent fails, and leaves no trace.")?;
        let before = stage.contents()?;
        let ran = stage.run(ui, "apply-patch", PATCH, None)?;
        failed(ui, &ran)?;
        let same = if stage.contents()? == before { "byte for byte as before" } else { "CHANGED" };
        ui.line(format_args!("  rolled back; the project is {same}"))?;

        ui.line("\n3. Two agents race for one file: both begin, both finish, one is first.")?;
        stage.race(ui)?;

        ui.line("\n4. An agent meets a limit, and is stopped.")?;
        let ran = stage.run(ui, "todo-report", "", Some(16))?;
        failed(ui, &ran)?;

        let seconds = begun.elapsed().as_secs_f64();
        ui.line(format_args!("\nAll that took {seconds:.1} s, and the directory is gone again."))?;
        ui.line("Next: cd into a project of yours, then `brio run todo-report --keep`")?;
        Ok(Exit::Ok)
    }
}

struct Stage {
    // Removed when it is dropped, however the demo ends.
    _dir: tempfile::TempDir,
    base: PathBuf,
    brio: Brio,
}

impl Stage {
    fn new() -> Result<Self, Failure> {
        let io = |e: std::io::Error| Failure::new("IO", format!("temporary directory: {e}"));
        let dir = tempfile::Builder::new().prefix("brio-demo-").tempdir().map_err(io)?;
        let base = dir.path().join("project");
        for (path, text) in FILES {
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&base)).map_err(io)?;
            fs::write(path, text).map_err(io)?;
        }
        let brio = Brio::builder(dir.path().join("home")).user_home(dir.path()).open()?;
        Ok(Self { brio, base, _dir: dir })
    }

    fn begin(&self, goal: &str) -> Place {
        let metadata = Metadata { goal: Some(goal.to_owned()), ..Metadata::default() };
        Place::Begin { base: self.base.clone(), metadata }
    }

    fn run(&self, ui: &Ui, agent: &str, task: &str, disk: Option<u64>) -> Result<Ran, Failure> {
        let shown = match (task.lines().count(), disk) {
            (_, Some(disk)) => format!("--disk {disk}"),
            (1, None) => format!("--task '{task}'"),
            (_, None) => "--task \"$(cat change.patch)\"".to_owned(),
        };
        ui.line(format_args!("  $ brio run {agent} {shown}"))?;
        let mut request = RunRequest::new(
            AgentSource::Named(agent.into()),
            self.begin(task.lines().next().unwrap_or(agent)),
        );
        request.description = task.to_owned();
        request.disk = disk;
        Ok(self.brio.run(request)?)
    }

    fn race(&self, ui: &Ui) -> Result<(), Failure> {
        let tasks = ["s/color/tint/", "s/color/hue/"];
        let mut sessions = Vec::new();
        for task in tasks {
            let metadata = Metadata { goal: Some(task.to_owned()), ..Metadata::default() };
            sessions.push(SessionGuard::new(self.brio.begin(&self.base, metadata)?));
        }
        for (task, session) in tasks.iter().zip(&sessions) {
            let place = Place::Session(session.session().clone());
            let mut request = RunRequest::new(AgentSource::Named("replace".into()), place);
            request.description = (*task).to_owned();
            request.args = vec!["src/mix.rs".into()];
            self.brio.run(request)?;
        }
        for (task, session) in tasks.iter().zip(&sessions) {
            match session.session().commit(CommitOptions::default()) {
                Ok(done) => ui.line(format_args!(
                    "  {task:<14} landed as landing {}",
                    done.landing.unwrap_or_default()
                ))?,
                Err(e) => {
                    let failure = Failure::from(&e);
                    ui.line(format_args!("  {task:<14} {}", failure.code))?;
                    for conflict in e.conflicts() {
                        ui.line(format_args!("    {}", shorten(&conflict.to_string())))?;
                    }
                }
            }
        }
        ui.line("  the second session would be kept, to look at or try again; the project has the first")
    }

    /// Every file of the project, without Brio's state.
    fn contents(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>, Failure> {
        let mut all = BTreeMap::new();
        read(&self.base, &mut all).map_err(|e| Failure::new("IO", e.to_string()))?;
        Ok(all)
    }
}

fn read(dir: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() == brio_host::STATE_DIR {
            continue;
        }
        if entry.file_type()?.is_dir() {
            read(&entry.path(), all)?;
        } else {
            all.insert(entry.path(), fs::read(entry.path())?);
        }
    }
    Ok(())
}

fn landed(ui: &Ui, ran: &Ran) -> Result<(), Failure> {
    match &ran.ending {
        Ending::Landed(done) => ui.line(format_args!(
            "  landed as landing {}, all of it at once",
            done.landing.unwrap_or_default()
        )),
        _ => failed(ui, ran),
    }
}

fn failed(ui: &Ui, ran: &Ran) -> Result<(), Failure> {
    let text = match super::run::failure(ran, false, Path::new("")) {
        Some(f) => format!("{}{}", f.code, f.message),
        None => "it did not fail".to_owned(),
    };
    ui.line(format_args!("  {}", shorten(&one_line(&text))))
}

/// One line of a terminal, and ids as people say them.
fn shorten(text: &str) -> String {
    let text: Vec<_> = text
        .split(' ')
        .map(|word| {
            let end = if word.ends_with(',') { "," } else { "" };
            if word.starts_with("sess-") {
                format!("{}{end}", &word[..13.min(word.len())])
            } else {
                word.to_owned()
            }
        })
        .collect();
    let text = text.join(" ");
    if text.chars().count() <= 100 { text } else { text.chars().take(99).chain(['…']).collect() }
}
