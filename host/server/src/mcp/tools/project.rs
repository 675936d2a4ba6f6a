//! Whose notes and record a tool is about: the one place where that is asked for.

use brio_host::project::{NotePath, Project};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::desk::{Desk, Owner};
use crate::mcp::failure::Failure;

/// Part of the input of each of these tools.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Whose {
    /// An open session, whose they are then: what is written is seen by others when it lands, and
    /// gone if it is rolled back. A unique beginning of its id is enough.
    session: Option<String>,
    /// Without `session`: the project's directory, absolute or relative to the server's first
    /// base. That base when left out.
    #[serde(alias = "project")]
    base: Option<String>,
}

impl Whose {
    pub(super) fn project(&self, desk: &Desk) -> Result<Project, Failure> {
        desk.project(&self.owner(desk)?)
    }

    fn owner(&self, desk: &Desk) -> Result<Owner, Failure> {
        match (&self.session, &self.base) {
            (Some(_), Some(_)) => {
                let what = "base and session: notes are a project's or a session's";
                Err(Failure::new("USAGE", what).hint("leave one out"))
            }
            (Some(session), None) => desk.session(session).map(Owner::Session),
            (None, base) => desk.base(base.as_deref()).map(Owner::Base),
        }
    }

    /// Writes a note, and tells of it; `there`: whether there is one then.
    pub(super) fn change<T>(
        &self,
        desk: &Desk,
        (path, there): (&NotePath, bool),
        change: impl Fn(&Project) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let owner = self.owner(desk)?;
        let project = desk.project(&owner)?;
        let done = Desk::patiently(|| change(&project))?;
        desk.note_written(&owner, path.clone(), there);
        Ok(done)
    }
}
