//! Whose notes and record a tool is about: the one place where that is asked for.

use brio_host::project::Project;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mcp::desk::Desk;
use crate::mcp::failure::Failure;

/// Part of the input of each of these tools.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Whose {
    /// The project's directory: absolute, or relative to the server's first base. That base when
    /// left out.
    #[serde(alias = "project")]
    base: Option<String>,
}

impl Whose {
    pub(super) fn project(&self, desk: &Desk) -> Result<Project, Failure> {
        desk.project(self.base.as_deref())
    }
}
