//! Where an agent's code runs: in this process, or in a worker that holds nothing.

use std::fmt;
use std::str::FromStr;

use brio_confine::{Report, RoomError};

use crate::{Brio, RunError, RunRequest};

/// What keeps an agent's code from everything but what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// WebAssembly: it runs in the supervisor's own process.
    #[default]
    Wasm,
    /// WebAssembly, and around it a process without files, network and rights, which can only ask
    /// the supervisor.
    Process,
}

impl Sandbox {
    /// `wasm` or `process`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Process => "process",
        }
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Neither `wasm` nor `process`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no sandbox (wasm, process)")]
pub struct BadSandbox(String);

impl FromStr for Sandbox {
    type Err = BadSandbox;

    fn from_str(text: &str) -> Result<Self, BadSandbox> {
        match text {
            "wasm" => Ok(Self::Wasm),
            "process" => Ok(Self::Process),
            _ => Err(BadSandbox(text.to_owned())),
        }
    }
}

/// What was in force for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforced {
    /// It ran in this process.
    Wasm {
        /// Why it did though a process was wanted.
        instead: Option<String>,
    },
    /// It ran in a worker.
    Process {
        /// What confined that.
        confinement: Report,
        /// Its process id, as this process sees it.
        pid: Option<u32>,
    },
}

impl Enforced {
    /// Which of the two.
    pub fn sandbox(&self) -> Sandbox {
        match self {
            Self::Wasm { .. } => Sandbox::Wasm,
            Self::Process { .. } => Sandbox::Process,
        }
    }

    /// The worker's process id.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Wasm { .. } => None,
            Self::Process { pid, .. } => *pid,
        }
    }
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wasm { instead: None } => f.write_str("wasm"),
            Self::Wasm { instead: Some(why) } => write!(f, "wasm; no process: {why}"),
            Self::Process { confinement, .. } => write!(f, "process: {confinement}"),
        }
    }
}

/// Where one run takes place.
pub(crate) enum Ground {
    Here { instead: Option<String> },
    Worker(crate::workers::Idle),
}

impl Ground {
    pub(crate) fn enforced(&self) -> Enforced {
        match self {
            Self::Here { instead } => Enforced::Wasm { instead: instead.clone() },
            Self::Worker(idle) => {
                Enforced::Process { confinement: idle.report().clone(), pid: idle.pid() }
            }
        }
    }
}

/// Makes a process for an agent and ends it: what such a process is kept by on this machine.
///
/// # Errors
/// It cannot be had; what is missing.
pub fn probe_sandbox() -> Result<Report, RoomError> {
    brio_confine::probe_cell()
}

impl Brio {
    /// What a run is placed in, by what it and this home ask for.
    pub(crate) fn ground(&self, request: &RunRequest) -> Result<Ground, RunError> {
        let require = request.require_sandbox || self.options().require_sandbox;
        let refused = |why: String| RunError::Sandbox { why };
        let asked = request.sandbox.or(request.require_sandbox.then_some(Sandbox::Process));
        if asked.unwrap_or(self.options().sandbox) == Sandbox::Wasm && !require {
            return Ok(Ground::Here { instead: None });
        }
        if asked == Some(Sandbox::Wasm) {
            return Err(refused("the run is to be in this process (wasm)".to_owned()));
        }
        if request.plain {
            let why = "the plain form (--preopen) runs in this process".to_owned();
            return match asked {
                None if !require => Ok(Ground::Here { instead: Some(why) }),
                _ => Err(refused(why)),
            };
        }
        match self.workers().take() {
            Ok(idle) if require && !idle.report().lacking.is_empty() => {
                Err(refused(idle.report().lacking.join("; ")))
            }
            Ok(idle) => Ok(Ground::Worker(idle)),
            Err(e) if require => Err(refused(e.to_string())),
            Err(e) => Ok(Ground::Here { instead: Some(e.to_string()) }),
        }
    }
}
