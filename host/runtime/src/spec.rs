//! What a run is given.

use std::sync::Arc;

use brio_session::View;
use cap_std::fs::Dir;

use crate::fs::Files;
use crate::http::Net;
use crate::{MemoryGauge, Output, Records, RunLimits, Sessions, StopToken};

/// What an agent is asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskContext {
    /// Names this unit of work in logs and in the journal.
    pub task_id: String,
    /// The task, in words or in the agent's own syntax.
    pub description: String,
    /// Files that belong to it, as paths in the agent's view.
    pub input_files: Vec<String>,
    /// The session it works in; `None` in the plain form.
    pub session_id: Option<String>,
}

/// What answers the guest's file calls.
pub enum Workspace {
    /// A session.
    Session(Files),
    /// A directory, preopened through wasmtime-wasi: no limits of bytes and files, no child
    /// sessions.
    Plain(Plain),
}

impl From<View> for Workspace {
    fn from(view: View) -> Self {
        Self::Session(view.into())
    }
}

/// The directory of the plain form.
#[derive(Debug)]
pub struct Plain {
    /// The directory.
    pub dir: Dir,
    /// Answer file calls on the guest's own thread. Faster; wasmtime-wasi's default is a
    /// thread of its own for each call.
    pub block_current_thread: bool,
}

/// One run of an agent.
pub struct RunSpec {
    /// What answers its file calls.
    pub view: Workspace,
    /// The name of the session in the guest's view: absolute, `/workspace` by default. It is
    /// also the current directory.
    pub at: String,
    /// Views, and directories of the host, at other absolute names; read-only or not as each is.
    /// The plain form can show directories of the host only, as they are: reserved names too.
    pub binds: Vec<(String, Files)>,
    /// The task.
    pub task: TaskContext,
    /// The program's name, then its arguments.
    pub args: Vec<String>,
    /// The environment: nothing but this.
    pub env: Vec<(String, String)>,
    /// Its limits; those of bytes and files are the view's.
    pub limits: RunLimits,
    /// The grant of `session-fs`. Without it a component that imports it is refused, and
    /// there is no `/sessions`.
    pub sessions: Option<Arc<dyn Sessions>>,
    /// Answers what any guest may ask of its own session, and writes its words to the journal;
    /// nothing of a session is changed through it.
    /// Without it [`sessions`](Self::sessions) is asked.
    pub session_info: Option<Arc<dyn Sessions>>,
    /// The grant of `project-record`. Without it a component that imports it is refused.
    pub records: Option<Arc<dyn Records>>,
    /// What it reaches of the network; nothing by default. It is this run's alone, and closed at
    /// its end.
    pub net: Net,
    /// Where stdout goes.
    pub stdout: Output,
    /// Where stderr goes.
    pub stderr: Output,
    /// Ends the run from outside.
    pub stop: StopToken,
    /// Shows what memory it uses.
    pub memory: MemoryGauge,
}

impl RunSpec {
    /// A run at `/workspace` with the default limits and without any grant, whose output is
    /// captured and not shown.
    pub fn new(view: impl Into<Workspace>) -> Self {
        Self {
            view: view.into(),
            at: "/workspace".into(),
            binds: Vec::new(),
            task: TaskContext::default(),
            args: vec!["agent".into()],
            env: Vec::new(),
            limits: RunLimits::default(),
            sessions: None,
            session_info: None,
            records: None,
            net: Net::default(),
            stdout: Output::default(),
            stderr: Output::default(),
            stop: StopToken::default(),
            memory: MemoryGauge::default(),
        }
    }

    /// Refuses names that cannot be, and two for one place.
    pub(crate) fn check(&self) -> Result<(), String> {
        let names: Vec<&str> = std::iter::once(&self.at)
            .chain(self.binds.iter().map(|(at, _)| at))
            .map(String::as_str)
            .collect();
        for (i, name) in names.iter().enumerate() {
            // The session itself may be the root; a bind may not hide everything else.
            let root = i == 0 && *name == "/";
            let sane = root
                || name.strip_prefix('/').is_some_and(|rest| {
                    !rest.is_empty()
                        && rest
                            .split('/')
                            .all(|c| !matches!(c, "" | "." | "..") && !c.contains('\0'))
                });
            if !sane {
                return Err(format!(
                    "{name}: give an absolute name such as /workspace, without . and .."
                ));
            }
            if crate::fs::below(name, crate::fs::SESSIONS).is_some() {
                return Err(format!(
                    "{name}: {} is where child sessions lie; take another name",
                    crate::fs::SESSIONS
                ));
            }
            if names[..i].contains(name) {
                return Err(format!("{name}: is named twice"));
            }
        }
        let view = |(_, files): &&(String, Files)| files.host_dir().is_none();
        match (&self.view, self.binds.iter().find(view)) {
            (Workspace::Plain(_), Some((at, _))) => {
                Err(format!("{at}: the plain form shows directories of the host only"))
            }
            _ => Ok(()),
        }
    }
}
