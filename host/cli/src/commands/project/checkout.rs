//! `brio project checkout`

use std::path::{Path, PathBuf};

use brio_host::stores::CheckoutRequest;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json::SCHEMA;
use crate::open;
use crate::progress::Shown;
use crate::ui::Ui;
use crate::units::show_size;

/// Make an empty or new directory what a tree of a project is.
///
/// Without a tree it is the head's, and the directory belongs to the project from then on. Files
/// that were read before share their blocks with the cache where the file system can. A checkout
/// that is interrupted goes on when it is made again.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct Checkout {
    /// The tree, as `sha256:…`; the head's when left out.
    tree: Option<String>,
    /// The directory.
    dir: PathBuf,
    /// The project, as org/name; that of the current directory when left out.
    #[arg(long, value_name = "ORG/NAME")]
    project: Option<String>,
    /// The store that has it: a directory, `file:///…` or `s3://bucket/prefix` [default: local]
    #[arg(long, value_name = "URL", requires = "project")]
    store: Option<String>,
    /// Give files the set-user-id and set-group-id bits that they have in the project: its
    /// writers can have programs run as you then.
    #[arg(long)]
    set_ids: bool,
    /// Print `{schema, project, tree, directory, files, bytes, kept, shared, without_set_ids}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    project: String,
    tree: String,
    directory: String,
    files: u64,
    bytes: u64,
    kept: u64,
    shared: u64,
    without_set_ids: u64,
}

impl Checkout {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch()?;
        let (name, store) = (self.project.as_deref(), self.store.as_deref());
        let project = open::project(name, store, Path::new("."))?;
        let bound = self.tree.is_none();
        let (tree, done) = {
            let (_shown, watch) = Shown::files(ui, &interrupt, "checkout");
            let request = CheckoutRequest { tree: self.tree, set_ids: self.set_ids, watch };
            project.checkout(&self.dir, &request)?
        };
        if self.json {
            ui.json(&Json {
                schema: SCHEMA,
                project: project.name().to_owned(),
                tree: tree.to_string(),
                directory: self.dir.display().to_string(),
                files: done.files,
                bytes: done.bytes,
                kept: done.kept,
                shared: done.shared,
                without_set_ids: done.without_set_ids,
            })?;
            return Ok(Exit::Ok);
        }
        let what = format!("{} files, {}", done.files, show_size(done.bytes));
        ui.say(format_args!("checked out: {} ({what})", self.dir.display()));
        if done.without_set_ids > 0 {
            ui.say(format_args!(
                "{} files are without their set-id bits; --set-ids gives them",
                done.without_set_ids
            ));
        }
        if bound {
            ui.say(format_args!("it belongs to {} now", project.name()));
        }
        ui.line(tree)?;
        Ok(Exit::Ok)
    }
}
