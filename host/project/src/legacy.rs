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

#[cfg(all(test, unix))]
mod tests {
    #![allow(deprecated, reason = "they are what is tested")]

    use std::sync::Arc;
    use std::time::SystemTime;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::*;
    use crate::{DirNotes, DirOptions};

    // with the warnings in `tests/legacy.rs`, which needs the feature.
    #[test]
    fn the_adapter_gives_the_sentinel_and_null() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(tmp.path(), ambient_authority()).unwrap();
        let notes = DirNotes::open(dir, DirOptions::new(SystemTime::now)).unwrap();
        let project = Project::new(Arc::new(notes), SystemTime::now);
        assert_eq!(init_session(&project).unwrap(), "default-session");
        assert!(project.load_session().unwrap().is_some());
        set_current_session_id("other");
        assert_eq!(get_current_session_id(), "default-session");
        assert_eq!(get_session_id(), None);
    }
}
