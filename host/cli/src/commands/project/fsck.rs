//! `brio project fsck`

use std::path::PathBuf;

use brio_host::stores::{Finding, FsckOptions, FsckProgress, Severity};
use serde::Serialize;

use crate::args::base_or_here;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::progress::Shown;
use crate::ui::Ui;
use crate::units::show_size;

/// Check that a store has all that a project needs, and that it is what its name says.
///
/// The head, every landing, every session and every note is looked at. Nothing is ever removed.
/// It fails (status 7) when something that is needed cannot be had.
#[derive(Debug, clap::Args)]
pub(crate) struct Fsck {
    /// A directory that belongs to the project; the current one when left out.
    #[arg(conflicts_with = "project")]
    dir: Option<PathBuf>,
    /// The project, as org/name.
    #[arg(long, value_name = "ORG/NAME")]
    project: Option<String>,
    /// The store that has it [default: local]
    #[arg(long, value_name = "URL", requires = "project")]
    store: Option<String>,
    /// Read every file too, and compare its hash.
    #[arg(long)]
    read_data: bool,
    /// Mend what can be mended: from what is left, and from what this machine keeps.
    #[arg(long)]
    repair: bool,
    /// Print `{schema, project, whole, trees, nodes, blobs, bytes, findings: [{severity, what,
    /// needed_by: [{root, path}], mend, mended}]}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    project: String,
    whole: bool,
    trees: u64,
    nodes: u64,
    blobs: u64,
    bytes: u64,
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    severity: &'static str,
    what: String,
    needed_by: Vec<Needed>,
    mend: bool,
    mended: bool,
}

#[derive(Serialize)]
struct Needed {
    root: String,
    path: Option<String>,
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

impl From<&Finding> for Found {
    fn from(f: &Finding) -> Self {
        let needed = f.needed_by.iter();
        Self {
            severity: severity(f),
            what: f.damage.to_string(),
            needed_by: needed
                .map(|n| Needed { root: n.root.to_string(), path: n.path.clone() })
                .collect(),
            mend: f.mend.is_some(),
            mended: f.mended,
        }
    }
}

impl Fsck {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let (name, store) = (self.project.as_deref(), self.store.as_deref());
        let project = open::project(name, store, &base_or_here(self.dir))?;
        let report = {
            let (_shown, far) = Shown::counting(ui, "fsck", "objects");
            let options = FsckOptions { read_data: self.read_data, repair: self.repair };
            project.fsck(options, move |p| match p {
                FsckProgress::Nodes(n) => far.set(n, 0),
                FsckProgress::Blobs(n, of) => far.set(n, of),
            })?
        };
        let exit = if report.is_whole() { Exit::Ok } else { Exit::Damaged };
        if self.json {
            ui.json(&Json {
                schema: SCHEMA,
                project: project.name().to_owned(),
                whole: report.is_whole(),
                trees: report.trees,
                nodes: report.nodes,
                blobs: report.blobs,
                bytes: report.bytes,
                findings: report.findings.iter().map(Found::from).collect(),
            })?;
            return Ok(exit);
        }
        for f in &report.findings {
            let how = match (f.mended, f.mend) {
                (true, _) => "; mended",
                (false, Some(_)) => "; --repair mends it",
                (false, None) => "",
            };
            ui.line(format_args!("{}: {}{how}", severity(f), f.damage))?;
            for need in &f.needed_by {
                let path = need.path.as_ref().map(|p| format!(", {p}")).unwrap_or_default();
                ui.line(format_args!("  needed by {}{path}", need.root))?;
            }
        }
        let read = if self.read_data {
            format!(", {} read", show_size(report.bytes))
        } else {
            String::new()
        };
        ui.say(format_args!(
            "{}: {} trees, {} nodes, {} files' contents{read}",
            if report.is_whole() { "whole" } else { "damaged" },
            report.trees,
            report.nodes,
            report.blobs
        ));
        Ok(exit)
    }
}
