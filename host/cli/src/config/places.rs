//! What the environment says: where the home and the user's file are, and `BRIO_…`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::Source;
use crate::failure::Failure;

/// The environment, read once; tests hand in another one.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// `$BRIO_HOME`, or `brio` in the XDG state directory.
    pub(crate) home: PathBuf,
    /// Which of them it was.
    pub(crate) home_source: Source,
    /// The person's own home directory: a search for a domain stops there.
    pub(crate) user_home: Option<PathBuf>,
    /// `brio/config.toml` in the XDG configuration directory.
    pub(crate) user_file: Option<PathBuf>,
    env: BTreeMap<String, OsString>,
}

impl Places {
    /// From the process's environment.
    pub(crate) fn from_env() -> Result<Self, Failure> {
        Self::new(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v))))
    }

    /// From any environment. A temp directory is never the default: what lies in a session
    /// is not temporary.
    pub(crate) fn new(env: impl Iterator<Item = (String, OsString)>) -> Result<Self, Failure> {
        let env: BTreeMap<_, _> = env.filter(|(_, v)| !v.is_empty()).collect();
        let path = |name: &str| env.get(name).map(PathBuf::from);
        let absolute = |name: &str| path(name).filter(|p| p.is_absolute());
        let user_home = absolute("HOME").or_else(|| absolute("USERPROFILE"));
        let below_home = |rest: &str| user_home.as_ref().map(|h| h.join(rest));
        let state = absolute("XDG_STATE_HOME").or_else(|| below_home(".local/state"));
        let (home, home_source) = match (path("BRIO_HOME"), state) {
            (Some(home), _) => (home, Source::Env("BRIO_HOME")),
            (None, Some(state)) => (state.join("brio"), Source::Default),
            (None, None) => {
                return Err(Failure::new("NO_HOME", "neither BRIO_HOME nor HOME is set")
                    .hint("set BRIO_HOME to a directory of your own"));
            }
        };
        let user_file = absolute("XDG_CONFIG_HOME")
            .or_else(|| below_home(".config"))
            .map(|c| c.join("brio/config.toml"));
        Ok(Self { home, home_source, user_home, user_file, env })
    }

    /// One variable; empty counts as not set.
    pub(crate) fn env(&self, name: &str) -> Result<Option<String>, Failure> {
        match self.env.get(name) {
            None => Ok(None),
            Some(value) => value
                .to_str()
                .map(|v| Some(v.to_owned()))
                .ok_or_else(|| Failure::new("CONFIG", format!("{name} is not UTF-8"))),
        }
    }
}
