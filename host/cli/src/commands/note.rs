//! `brio note`

use std::io::Read;
use std::path::PathBuf;

use brio_host::project::{NotePath, Notes, Pattern, WriteOptions};
use serde::Serialize;

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;

/// Print a note.
#[derive(Debug, clap::Args)]
pub(crate) struct ReadNote {
    /// Its path in the project, as plans/next.
    path: NotePath,
    #[command(flatten)]
    of: Of,
}

/// Write a note: make it, or replace it as a whole.
#[derive(Debug, clap::Args)]
pub(crate) struct WriteNote {
    /// Its path in the project, as plans/next.
    path: NotePath,
    /// What it says; standard input when left out, or `-`.
    #[arg(allow_hyphen_values = true)]
    text: Option<String>,
    /// Only if the note has this version, as `read --json` tells it; 0: only if there is none.
    #[arg(long, value_name = "N")]
    expected_version: Option<u64>,
    #[command(flatten)]
    of: Of,
}

/// List the notes, those of a pattern or all.
#[derive(Debug, clap::Args)]
pub(crate) struct ListNotes {
    /// As plans/* or **/next; all when left out.
    #[arg(default_value = "**", hide_default_value = true)]
    pattern: Pattern,
    #[command(flatten)]
    of: Of,
}

/// Remove a note. Its history stays.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveNote {
    /// Its path in the project.
    path: NotePath,
    #[command(flatten)]
    of: Of,
}

/// List the versions of a note that are kept, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct NoteHistory {
    /// Its path in the project.
    path: NotePath,
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The project's directory; the current one when left out.
    #[arg(long, value_name = "DIR", conflicts_with = "session")]
    base: Option<PathBuf>,
    /// As this session has them: what is written is seen there at once, by others when it lands,
    /// and by nobody if it is rolled back.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Print JSON: a note is `{schema, path, version, time, content}`, a listing `{schema, notes:
    /// [{path, version, time}]}`, a history `{schema, path, versions: [{version, time, origin,
    /// content}]}`, what was written `{schema, path, version}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Note<'a> {
    schema: u32,
    path: String,
    version: u64,
    time: String,
    content: &'a str,
}

#[derive(Serialize)]
struct Listed {
    path: String,
    version: u64,
    time: String,
}

#[derive(Serialize)]
struct List {
    schema: u32,
    notes: Vec<Listed>,
}

#[derive(Serialize)]
struct Version {
    version: u64,
    time: String,
    /// null: it was not told.
    origin: Option<String>,
    /// null: it was removed.
    content: Option<String>,
}

#[derive(Serialize)]
struct History {
    schema: u32,
    path: String,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Changed {
    schema: u32,
    path: String,
    version: u64,
}

impl Of {
    fn notes(&self) -> Result<std::sync::Arc<dyn Notes>, Failure> {
        if let Some(id) = &self.session {
            return Ok(std::sync::Arc::new(open::session(id)?.notes()?));
        }
        let brio = open::brio(&Places::from_env()?)?;
        Ok(brio.project(&base_or_here(self.base.clone()))?.notes().clone())
    }
}

fn unknown(path: &NotePath) -> Failure {
    let failure = Failure::new("NOTE_UNKNOWN", format!("{path}: there is no such note"));
    failure.exit(Exit::Usage).hint("`brio note list` shows them")
}

fn changed(ui: &Ui, of: &Of, path: &NotePath, version: u64) -> Result<Exit, Failure> {
    if of.json {
        ui.json(&Changed { schema: SCHEMA, path: path.to_string(), version })?;
    }
    Ok(Exit::Ok)
}

impl ReadNote {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let note = self.of.notes()?.read(&self.path)?.ok_or_else(|| unknown(&self.path))?;
        if self.of.json {
            ui.json(&Note {
                schema: SCHEMA,
                path: note.path.to_string(),
                version: note.version,
                time: note.at.to_string(),
                content: &note.content,
            })?;
            return Ok(Exit::Ok);
        }
        ui.foreign(note.content.into_bytes())?;
        Ok(Exit::Ok)
    }
}

impl WriteNote {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let content = match self.text {
            Some(text) if text != "-" => text,
            _ => {
                let mut text = String::new();
                let most = brio_host::project::MAX_CONTENT as u64 + 1;
                std::io::stdin().take(most).read_to_string(&mut text).map_err(|e| {
                    let what = format!("standard input cannot be read as text ({e})");
                    Failure::new("NOTE_TEXT", what).exit(Exit::Usage).hint("a note is UTF-8")
                })?;
                text
            }
        };
        let how =
            WriteOptions { expected_version: self.expected_version, ..WriteOptions::default() };
        let written = self.of.notes()?.write(&self.path, &content, &how)?;
        changed(ui, &self.of, &self.path, written.version)
    }
}

impl ListNotes {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let notes = self.of.notes()?.list(&self.pattern)?;
        if self.of.json {
            let notes = notes.iter().map(|note| Listed {
                path: note.path.to_string(),
                version: note.version,
                time: note.at.to_string(),
            });
            ui.json(&List { schema: SCHEMA, notes: notes.collect() })?;
            return Ok(Exit::Ok);
        }
        for note in notes {
            ui.line(note.path)?;
        }
        Ok(Exit::Ok)
    }
}

impl RemoveNote {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let removed = self.of.notes()?.remove(&self.path, &WriteOptions::default())?;
        let removed = removed.ok_or_else(|| unknown(&self.path))?;
        changed(ui, &self.of, &self.path, removed.version)
    }
}

impl NoteHistory {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let versions = self.of.notes()?.history(&self.path)?;
        if versions.is_empty() {
            return Err(unknown(&self.path));
        }
        if self.of.json {
            let versions = versions.into_iter().map(|v| Version {
                version: v.version,
                time: v.at.to_string(),
                origin: v.origin,
                content: v.content,
            });
            let (path, versions) = (self.path.to_string(), versions.collect());
            ui.json(&History { schema: SCHEMA, path, versions })?;
            return Ok(Exit::Ok);
        }
        for v in versions {
            let what = match &v.content {
                Some(content) => format!("{} bytes", content.len()),
                None => "removed".to_owned(),
            };
            let origin = v.origin.map(|origin| format!(", {origin}")).unwrap_or_default();
            ui.line(format_args!("{:>6}  {}  {what}{origin}", v.version, v.at))?;
        }
        Ok(Exit::Ok)
    }
}
