//! `brio session push`

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;
use crate::units::show_size;

/// Bring a session to its project's store as it is now, so that any machine that reaches the
/// store can go on with it by its id.
///
/// Its contents, its goal, what was said and decided in it travel along. The session stays open
/// here; of two machines that go on with it the second that pushes is told (CONFLICT).
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Print `{schema, session, project, store, tree, base, seq, objects, bytes}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    session: String,
    project: String,
    store: String,
    tree: String,
    base: String,
    seq: u64,
    objects: u64,
    bytes: u64,
}

impl Push {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let done = session.push()?;
        if self.json {
            ui.json(&Json {
                schema: SCHEMA,
                session: done.session.to_string(),
                project: done.project,
                store: done.store,
                tree: done.tree.to_string(),
                base: done.base.to_string(),
                seq: done.seq,
                objects: done.objects,
                bytes: done.bytes,
            })?;
            return Ok(Exit::Ok);
        }
        match session.note_changes()?.len() {
            0 => {}
            n => ui.warn(format_args!(
                "notes that were written in it stay on this machine until it lands here: {n}"
            )),
        }
        ui.say(format_args!(
            "pushed: {} to {} in {} ({} sent)",
            done.session,
            done.project,
            done.store,
            show_size(done.bytes)
        ));
        ui.line(done.tree)?;
        Ok(Exit::Ok)
    }
}
