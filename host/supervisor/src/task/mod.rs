//! A task: the life of a session, as the engine carries it out and the queue keeps it.

mod build;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use brio_landing::{Isolation, Policy, WantedLower};
use serde::{Deserialize, Serialize};

/// The life of a session: begin, steps, children, gates, one landing or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use = "nothing is done before it is submitted"]
pub struct Task {
    /// Names it among its siblings, and to a person. Never empty; no `.`, `{` or `}`.
    pub name: String,
    /// Why: for the journal and the landing.
    pub goal: Option<String>,
    /// The directory. `None` in a child, which branches its parent's session.
    pub base: Option<Base>,
    /// Whether it has a session, or only groups its children.
    pub session: SessionMode,
    /// The work, one after another, all in the one session.
    pub steps: Vec<Step>,
    /// Tasks in branches of the session; of a group: on the base.
    pub children: Children,
    /// Who must agree before it lands. All are asked.
    pub gates: Vec<Gate>,
    /// How it lands.
    pub landing: Landing,
    /// What becomes of it when something fails that may not fail again.
    pub retry: Retry,
    /// Higher ones go first. 0 in a group's child: the group's.
    pub priority: i32,
    /// What each step and each gate of it may use, where it does not say.
    pub limits: Limits,
    /// What it does when it has ended.
    pub after: After,
    /// What its ends are called.
    pub names: Names,
}

/// Where a task begins its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// A directory, absolute.
    Directory(PathBuf),
    /// Files of a directory that is made for the task: content by relative path.
    Sample(BTreeMap<String, String>),
}

/// Whether a task has a session of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionMode {
    /// It has one.
    #[default]
    Own,
    /// It is a group: its children begin on the base, and each is a job of its own.
    None,
}

/// One piece of work in the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Step {
    /// Names it: `{name.summary}` in a later step's text is its output.
    pub name: String,
    /// What is done.
    pub kind: StepKind,
    /// What it may use.
    pub limits: Limits,
    /// What the task's end is called when it fails, if not as the task says.
    pub failed_as: Option<String>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// An agent works.
    Agent(Agent),
    /// A reviewer between steps, which looks at the session as it is: a rejection fails the task.
    Reviewer(Reviewer),
    /// A native command, confined; what it writes is the session's.
    Command(Command),
}

/// An agent that works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Agent {
    /// A file, or the name of a bundled one.
    pub agent: PathBuf,
    /// What it is told; `{step.summary}` and `{step.METRIC}` are filled in.
    pub task: String,
    /// Files of the host that belong to the task.
    pub input_files: Vec<PathBuf>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// What it may do beyond working on its files.
    pub grants: Grants,
    /// What it reaches of the network.
    #[serde(default)]
    pub network: Network,
}

/// An agent that judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Reviewer {
    /// A file, or the name of a bundled one.
    pub agent: PathBuf,
    /// What it is told.
    pub task: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it reaches of the network.
    #[serde(default)]
    pub network: Network,
}

/// What an agent reaches of the network. Nothing, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Hosts that it may make requests to, as `brio run --allow-host` takes them.
    pub allow_hosts: Vec<String>,
    /// What is put into its requests, without it ever holding them.
    pub secrets: Vec<Secret>,
}

/// A secret by where it is: the queue never has its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Where the value is when the agent is run.
    pub source: SecretSource,
    /// To whom it is sent, as `brio run --allow-host` takes it.
    pub host: String,
    /// In which header; `None`: as a bearer token.
    pub header: Option<String>,
}

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A variable of the environment of whoever works on the task.
    Env(String),
    /// A file of theirs, absolute.
    File(PathBuf),
}

/// A native command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Command {
    /// The program and its arguments. Never empty.
    pub argv: Vec<String>,
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
    /// Whether it may use the machine's network.
    pub network: bool,
    /// Whether it may change `.git`.
    pub vcs: bool,
    /// Runs it with all the rights of who runs the task. The journal says so.
    pub unconfined: bool,
}

/// What an agent may do beyond working on its files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Begin sessions of its own.
    pub session_fs: bool,
    /// Change `.git`.
    pub vcs: bool,
    /// Read and write the project's record and notes.
    #[serde(default)]
    pub project_record: bool,
}

/// What a run may use. `None`: the host's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall time.
    pub time: Option<Duration>,
    /// CPU time; agents only.
    pub cpu: Option<Duration>,
    /// Bytes of memory; agents only.
    pub memory: Option<u64>,
    /// Bytes that it may write in the session.
    pub disk: Option<u64>,
    /// Files that it may create in the session.
    pub files: Option<u64>,
    /// Bytes that it may print; agents only.
    pub output: Option<u64>,
}

impl Limits {
    /// These, and where one is not said the other's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            time: self.time.or(other.time),
            cpu: self.cpu.or(other.cpu),
            memory: self.memory.or(other.memory),
            disk: self.disk.or(other.disk),
            files: self.files.or(other.files),
            output: self.output.or(other.output),
        }
    }
}

/// Tasks below a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Children {
    /// Whether they run at once.
    pub order: Order,
    /// Which of them land.
    pub land: Land,
    /// In the order in which they land.
    pub tasks: Vec<Child>,
}

/// A task below another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// The task; it has no base.
    pub task: Task,
    /// Its failure is no failure of the parent.
    pub may_fail: bool,
}

/// The order of children.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// At once.
    #[default]
    Parallel,
    /// One after another: each sees what the one before landed.
    Sequence,
}

/// Which children land.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Land {
    /// Each by its own result.
    #[default]
    Each,
    /// All, when all succeed; otherwise none, and the parent fails.
    All,
    /// Of those that succeed, the one with the highest value of this metric; the first of several.
    /// When none succeeds the parent fails.
    Best(String),
}

/// Somebody who must agree before the session lands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Gate {
    /// Names it.
    pub name: String,
    /// Who is asked.
    pub kind: GateKind,
    /// What it may use.
    pub limits: Limits,
    /// What the task's end is called when it says no, if not as the task says.
    pub rejected_as: Option<String>,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// An agent of the reviewer world. An error of it counts as a rejection.
    Reviewer(Reviewer),
    /// A native command: yes is status 0.
    Command {
        /// The command.
        command: Command,
        /// Run once in the session itself when the command says no; then all gates are asked
        /// again.
        fix: Option<Command>,
    },
    /// A person, who is asked this; the job waits.
    Person(String),
    /// A metric of the last step that has one by this name: yes is above the threshold.
    Metric {
        /// Which.
        metric: String,
        /// More than this.
        above: f64,
    },
}

/// How a task's session is begun, and lands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// What becomes of paths that others changed as well.
    pub policy: Policy,
    /// What is validated when it lands.
    pub isolation: Isolation,
    /// Leaves the session open when good work could not land; otherwise it is rolled back.
    pub keep: bool,
    /// What it sees of its base.
    pub lower: WantedLower,
    /// What it does not see, in gitignore syntax.
    pub exclude: Vec<String>,
    /// The landing's message; the goal where there is none.
    pub message: Option<String>,
}

/// What is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 1. Interruptions by a crash are not counted.
    pub attempts: u32,
    /// The pause before the second attempt; doubled before each one after.
    pub back_off: Duration,
    /// After what.
    pub on: Vec<Mendable>,
}

impl Default for Retry {
    /// One attempt.
    fn default() -> Self {
        Self {
            attempts: 1,
            back_off: Duration::from_secs(1),
            on: vec![Mendable::Conflict, Mendable::Stopped, Mendable::Refused],
        }
    }
}

/// A failure that another attempt may mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mendable {
    /// Others changed the same; the next attempt begins on the new base.
    Conflict,
    /// An agent said that it failed.
    Failed,
    /// A limit, a trap, a time-out.
    Stopped,
    /// The landing was refused or failed.
    Refused,
    /// A gate said no.
    Rejected,
}

/// What is done when a task has ended. None of it changes how it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// After it landed.
    pub landed: Vec<Hook>,
    /// After it failed for good.
    pub failed: Vec<Hook>,
}

/// A native command, with what happened in its environment (`BRIO_OUTCOME`, `BRIO_TASK`, `BRIO_LANDING`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Hook {
    /// Names it.
    pub name: String,
    /// What is run, in a branch of the base as it is now, which is thrown away.
    pub command: Command,
    /// What it may use.
    pub limits: Limits,
    /// What the task's end is called when this succeeds.
    pub done_as: Option<String>,
    /// What it is called when this fails.
    pub failed_as: Option<String>,
}

/// What a task's ends are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// It landed, or had nothing to land.
    pub landed: String,
    /// A step failed.
    pub failed: String,
    /// A gate said no.
    pub rejected: String,
    /// It was good and could not land.
    pub not_landed: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            landed: "Success".into(),
            failed: "Failed".into(),
            rejected: "Rejected".into(),
            not_landed: "CommitFailed".into(),
        }
    }
}
