//! `brio project init`

use std::path::{Path, PathBuf};

use brio_host::Brio;
use brio_host::project::NotesAt;
use brio_host::stores::InitStore;

use super::state::{Around, show};
use super::{is_url, server};
use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Makes the project's record where there is none, and says how it is, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The project's directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Keep the record and the notes from now on at this server of the Model Context Protocol
    /// (streamable HTTP), which has the tools read_note, write_note and list_notes; `local`: in
    /// the directory's .brio; `store`: in the store of the project that the directory belongs to
    /// (--store). A server is asked first. What is where they were stays there.
    #[arg(long, value_name = "URL|local|store", conflicts_with = "store")]
    notes: Option<String>,
    /// The name of the project there, for a server that keeps several.
    #[arg(long, value_name = "NAME", requires = "notes")]
    notes_project: Option<String>,
    /// The file with the token that the server wants to see (`Authorization: Bearer`). It is read
    /// when it is shown, by TLS or to this machine only.
    #[arg(long, value_name = "FILE", requires = "notes")]
    notes_token_file: Option<PathBuf>,
    /// http:// to another machine is meant, where everybody on the way can read along.
    #[arg(long, requires = "notes")]
    notes_insecure: bool,
    /// Have the directory belong to a project in a store that many machines can share: a
    /// directory, `file:///DIR`, `s3://BUCKET/PREFIX` (keys and server from the usual AWS
    /// variables and files), or `local`, in the home, which is also the one without a URL. Made
    /// where it is not there; a server is tried out first. From then on sessions begin on the project's head, and land there.
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    store: Option<Option<String>>,
    /// The project's name there, as org/project [default: local/ and the directory's name]
    #[arg(long, value_name = "ORG/PROJECT", requires = "store")]
    name: Option<String>,
}

/// Where the flags of `init` say that the notes are to be.
fn place(init: &Init) -> Result<Option<NotesAt>, Failure> {
    let Some(notes) = init.notes.clone() else { return Ok(None) };
    match notes.as_str() {
        "local" => return Ok(Some(NotesAt::Here)),
        "store" => return Ok(Some(NotesAt::Store)),
        _ => {}
    }
    if !is_url(&notes) {
        let what = format!("`{notes}` is neither a URL nor `local` nor `store`");
        let failure = Failure::new("NOTES_SERVER", what);
        return Err(failure.hint("give one as https://notes.example.com/mcp"));
    }
    let (project, token_file) = (init.notes_project.clone(), init.notes_token_file.clone());
    Ok(Some(NotesAt::Mcp(server(notes, project, token_file, init.notes_insecure)?)))
}

impl Init {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let at = place(&self)?;
        let brio = open::brio(&Places::from_env()?)?;
        let base = base_or_here(self.dir);
        if let Some(store) = self.store {
            return bind(ui, &brio, &base, &InitStore { store, project: self.name });
        }
        let project = match at {
            None => brio.project(&base)?,
            Some(at) => {
                let before = brio.notes_at(&base);
                let project = brio.place_notes(&base, &at)?;
                if before.is_ok_and(|before| before != at) {
                    ui.say("the notes that were written until now stay where they are");
                }
                project
            }
        };
        show(ui, &project.get_session()?, Around::of(&brio, &base)?, false)
    }
}

/// Has a directory belong to a project in a store.
fn bind(ui: &Ui, brio: &Brio, base: &Path, to: &InitStore) -> Result<Exit, Failure> {
    let bound = brio.init_store(base, to)?;
    let here = &bound.here;
    let made = if bound.created { "made" } else { "found" };
    ui.say(format_args!("{made}: project {} in {}", here.name(), here.store()));
    ui.say(format_args!("{} belongs to it", here.base().display()));
    if here.synced()?.is_none() {
        ui.say("`brio project import` stores what the directory holds");
    }
    ui.line(here.name())?;
    Ok(Exit::Ok)
}
