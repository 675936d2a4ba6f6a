//! Deprecated: the functions of a time when records had ids, for callers that are on their way.
//! Each warns when it is called.

use crate::{Project, ProjectError};

/// What stands for an id where a caller insists on one.
pub const DEFAULT_SESSION: &str = "default-session";

/// As [`Project::init_session`].
///
/// # Errors
/// As [`Project::init_session`].
#[deprecated = "use Project::init_session; there is no id"]
pub fn init_session(project: &Project) -> Result<&'static str, ProjectError> {
    tracing::warn!("init_session() returns no id any more - ignore its value");
    project.init_session().map(|()| DEFAULT_SESSION)
}

/// Always `None`.
#[deprecated = "use Project::get_session; there is no id"]
pub fn get_session_id() -> Option<&'static str> {
    tracing::warn!("getSessionId() is deprecated - use getSession() instead");
    None
}

/// Always the sentinel.
#[deprecated = "use Project::get_session; there is no id"]
pub fn get_current_session_id() -> &'static str {
    tracing::warn!("getCurrentSessionId() is deprecated - use getSession() instead");
    DEFAULT_SESSION
}

/// Does nothing.
#[deprecated = "there is one record, and nothing to choose"]
pub fn set_current_session_id(_: &str) {
    tracing::warn!("setCurrentSessionId() is deprecated - there is one record");
}
