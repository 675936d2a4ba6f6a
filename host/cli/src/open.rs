//! Opening Brio as the environment says.

use std::path::Path;

use brio_host::{Brio, Retention, SessionHandle, Supervisor};

use crate::config::{Config, Places};
use crate::failure::Failure;

/// Opens the home.
pub(crate) fn brio(places: &Places) -> Result<Brio, Failure> {
    let mut builder = Brio::builder(&places.home);
    if let Some(dir) = &places.user_home {
        builder = builder.user_home(dir);
    }
    let places = places.clone();
    let retention = move |base: &Path| match Config::load(&places, Some(base), &[]) {
        Ok(config) => config.retention(),
        // A file that cannot be read shortens nobody's undo history.
        Err(e) => {
            tracing::warn!("{}: {}; 30 days and 10 % are kept", e.code, e.message);
            Retention::default()
        }
    };
    Ok(builder.retention(retention).open()?)
}

/// Opens the home and finds a session: in the domain of the current directory, then in the
/// index.
pub(crate) fn session(id: &str) -> Result<SessionHandle, Failure> {
    let brio = brio(&Places::from_env()?)?;
    if id.is_empty() {
        return Err(Failure::new("SESSION_UNKNOWN", "the id is empty")
            .hint("`brio session list` shows the open ones"));
    }
    Ok(brio.find(id, Some(Path::new(".")))?)
}

/// Opens the home, and its tasks.
pub(crate) fn supervisor() -> Result<Supervisor, Failure> {
    let brio = brio(&Places::from_env()?)?;
    Ok(brio.supervisor(std::env::vars_os().collect())?)
}
