//! What a task file says, as it is written. The doc comments are the published schema's
//! descriptions; whether it makes sense is judged later.

mod place;
mod values;
mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use place::{Child, Root};
pub(super) use values::{CommandLine, Duration, Size};
pub(super) use words::{Grant, Isolation, Land, Lower, Mendable, Order, Policy, SessionMode};

/// The keys of a task, wherever it stands.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Task {
    /// What it is called, among its siblings and to a person.
    #[schemars(regex(pattern = NAME))]
    pub(super) name: Option<String>,
    /// Why it is done: shown in the journal and with the landing.
    pub(super) goal: Option<String>,
    /// The directory that it works on, relative to this file. Instead of `sample`.
    #[schemars(length(min = 1))]
    pub(super) base: Option<String>,
    /// A directory that is made for the task. Instead of `base`.
    pub(super) sample: Option<Sample>,
    /// Another task file, relative to this one, to be this child. Beside it there is only
    /// `name` and `may-fail`.
    #[schemars(length(min = 1))]
    pub(super) file: Option<String>,
    /// Its failure is no failure of its parent.
    pub(super) may_fail: Option<bool>,
    /// `none` makes it a group: it has only children, which begin on the base, each on its own.
    pub(super) session: Option<SessionMode>,
    /// Of several that wait, the one with the higher priority goes first. 0 when left out;
    /// in a child of a group as the group's.
    pub(super) priority: Option<i32>,
    /// Whether the children run at once. `parallel` when left out.
    pub(super) order: Option<Order>,
    /// Which of the children land. `each` when left out.
    pub(super) land: Option<Land>,
    /// With `land = "best"`: the metric whose highest value wins.
    #[schemars(regex(pattern = NAME))]
    pub(super) metric: Option<String>,
    /// The work, one step after another in one session.
    pub(super) steps: Vec<Step>,
    /// Tasks in branches of the session.
    pub(super) children: Vec<Child>,
    /// Who must agree before it lands.
    pub(super) gates: Vec<Gate>,
    /// How it lands.
    pub(super) landing: Option<Landing>,
    /// What each of its steps may use, where the step does not say. The host's defaults when left
    /// out.
    pub(super) limits: Option<Limits>,
    /// What is tried again.
    pub(super) retry: Option<Retry>,
    /// What is done when it has ended. None of it changes what landed.
    pub(super) after: Option<After>,
    /// What its ends are called.
    pub(super) outcomes: Option<Outcomes>,
}

/// A directory that is made for the task, in Brio's home.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Sample {
    /// The content of each file, by its path in the directory.
    pub(super) files: BTreeMap<String, String>,
}

/// A piece of work: exactly one of `agent`, `reviewer` and `command`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = one_of(&STEP_KINDS)))]
pub(super) struct Step {
    /// What it is called; `{name.summary}` in a later text is its output. The agent's or
    /// program's name when left out.
    #[schemars(regex(pattern = NAME))]
    pub(super) name: Option<String>,
    /// An agent: a `.wasm` file relative to this file, or the name of a bundled one.
    #[schemars(length(min = 1))]
    pub(super) agent: Option<String>,
    /// A reviewer that looks at the session as it is; its rejection fails the task.
    #[schemars(length(min = 1))]
    pub(super) reviewer: Option<String>,
    /// A native command, confined; what it writes is the session's.
    pub(super) command: Option<CommandLine>,
    /// What the agent or reviewer is told. `{step.summary}` and `{step.METRIC}` quote earlier
    /// steps; a brace is written twice.
    pub(super) task: Option<String>,
    /// Files that belong to the task, relative to this file.
    pub(super) input_files: Vec<String>,
    /// Arguments of the agent or reviewer.
    pub(super) args: Vec<String>,
    /// Variables of the agent's or command's environment.
    pub(super) env: BTreeMap<String, String>,
    /// What else it may do. `session-fs` and `project-record` are for agents.
    pub(super) grants: Vec<Grant>,
    /// Lets the command use this machine's network.
    pub(super) allow_net: Option<bool>,
    /// Hosts that the agent or reviewer may make HTTP requests to: `api.example.com`,
    /// `*.example.com`, `10.0.0.7:8443`, or `http://localhost:8080` for one without TLS.
    pub(super) allow_hosts: Vec<String>,
    /// Secrets that are put into those requests, without the agent ever holding them.
    pub(super) secrets: Vec<Secret>,
    /// Runs the command with all rights of who runs the task. The journal says so.
    pub(super) unconfined: Option<bool>,
    /// What it may use, instead of what the task says.
    pub(super) limits: Option<Limits>,
    /// What the task's end is called when this step fails.
    #[schemars(regex(pattern = NAME))]
    pub(super) failed_as: Option<String>,
}

/// Somebody who must agree: exactly one of `reviewer`, `command`, `person` and `metric`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(
    extend("oneOf" = one_of(&GATE_KINDS)),
    extend("dependentRequired" = {"metric": ["above"], "above": ["metric"], "fix": ["command"]})
)]
pub(super) struct Gate {
    /// What it is called. The reviewer's, program's or metric's name when left out.
    #[schemars(regex(pattern = NAME))]
    pub(super) name: Option<String>,
    /// A reviewer: a `.wasm` file relative to this file, or the name of a bundled one. Its error
    /// is a rejection.
    #[schemars(length(min = 1))]
    pub(super) reviewer: Option<String>,
    /// A native command, confined; status 0 is yes. What it writes is thrown away.
    pub(super) command: Option<CommandLine>,
    /// Run once in the session itself when the command says no; then all gates are asked again.
    pub(super) fix: Option<CommandLine>,
    /// A question to a person. The task waits for the answer.
    #[schemars(length(min = 1))]
    pub(super) person: Option<String>,
    /// A metric that a step reported.
    #[schemars(regex(pattern = NAME))]
    pub(super) metric: Option<String>,
    /// What the metric must be above.
    pub(super) above: Option<f64>,
    /// What the reviewer is told. `{step.summary}` and `{step.METRIC}` quote the steps; a brace
    /// is written twice.
    pub(super) task: Option<String>,
    /// Arguments of the reviewer.
    pub(super) args: Vec<String>,
    /// Variables of the command's environment, and of its fix's.
    pub(super) env: BTreeMap<String, String>,
    /// What else the command may do, and its fix.
    pub(super) grants: Vec<Grant>,
    /// Lets the command, and its fix, use this machine's network.
    pub(super) allow_net: Option<bool>,
    /// Hosts that the reviewer may make HTTP requests to.
    pub(super) allow_hosts: Vec<String>,
    /// Secrets that are put into those requests, without the reviewer ever holding them.
    pub(super) secrets: Vec<Secret>,
    /// Runs the command, and its fix, with all rights of who runs the task. The journal says so.
    pub(super) unconfined: Option<bool>,
    /// What it may use, instead of what the task says.
    pub(super) limits: Option<Limits>,
    /// What the task's end is called when this gate says no.
    #[schemars(regex(pattern = NAME))]
    pub(super) rejected_as: Option<String>,
}

/// A secret, by where it is: exactly one of `env` and `file`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = one_of(&SECRET_SOURCES)), extend("required" = ["host"]))]
pub(super) struct Secret {
    /// A variable of the environment of whoever works on the task.
    #[schemars(length(min = 1))]
    pub(super) env: Option<String>,
    /// A file, relative to this file.
    #[schemars(length(min = 1))]
    pub(super) file: Option<String>,
    /// The one host that it is sent to, which `allow-hosts` has too.
    #[schemars(length(min = 1))]
    pub(super) host: Option<String>,
    /// The header that it is sent in, as it is. `Authorization: Bearer …` when left out.
    #[schemars(length(min = 1))]
    pub(super) header: Option<String>,
}

/// How a session is begun, and lands.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Landing {
    /// What becomes of paths that others changed as well. `reject` when left out.
    pub(super) policy: Option<Policy>,
    /// What is validated besides what was written. `snapshot` when left out.
    pub(super) isolation: Option<Isolation>,
    /// Leaves the session open when good work could not land; it is rolled back when left out.
    pub(super) keep: Option<bool>,
    /// What the session sees of its base. `live` when left out.
    pub(super) lower: Option<Lower>,
    /// What the session does not see, in gitignore syntax.
    pub(super) exclude: Vec<String>,
    /// The landing's message. The goal when left out.
    pub(super) message: Option<String>,
}

/// What a run may use.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Limits {
    /// Wall time.
    pub(super) timeout: Option<Duration>,
    /// CPU time; agents and reviewers only.
    pub(super) cpu: Option<Duration>,
    /// Memory; agents and reviewers only.
    pub(super) memory: Option<Size>,
    /// Bytes that it may write in the session.
    pub(super) disk: Option<Size>,
    /// Files that it may create in the session.
    #[schemars(range(min = 1))]
    pub(super) files: Option<u64>,
    /// Bytes that it may print; agents and reviewers only.
    pub(super) output: Option<Size>,
}

/// What is tried again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Retry {
    /// Attempts in all. 1 when left out; interruptions by a crash are not counted.
    #[schemars(range(min = 1))]
    pub(super) attempts: Option<u32>,
    /// The pause before the second attempt, doubled before each one after. `1s` when left out.
    pub(super) back_off: Option<Duration>,
    /// After what. `conflict`, `stopped` and `refused` when left out.
    pub(super) on: Option<Vec<Mendable>>,
}

/// What is done when a task has ended.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct After {
    /// After it landed, one after another.
    pub(super) landed: Vec<Hook>,
    /// After it failed for good, one after another.
    pub(super) failed: Vec<Hook>,
}

/// A native command, run in a branch of the base that is thrown away. `BRIO_OUTCOME`,
/// `BRIO_TASK` and, after a landing, `BRIO_LANDING` in its environment say what happened.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["command"]))]
pub(super) struct Hook {
    /// What it is called. The program's name when left out.
    #[schemars(regex(pattern = NAME))]
    pub(super) name: Option<String>,
    /// The command.
    pub(super) command: Option<CommandLine>,
    /// Variables of its environment.
    pub(super) env: BTreeMap<String, String>,
    /// What else it may do.
    pub(super) grants: Vec<Grant>,
    /// Lets it use this machine's network.
    pub(super) allow_net: Option<bool>,
    /// Runs it with all rights of who runs the task. The journal says so.
    pub(super) unconfined: Option<bool>,
    /// What it may use.
    pub(super) limits: Option<Limits>,
    /// What the task's end is called when this succeeds.
    #[schemars(regex(pattern = NAME))]
    pub(super) done_as: Option<String>,
    /// What the task's end is called when this fails.
    #[schemars(regex(pattern = NAME))]
    pub(super) failed_as: Option<String>,
}

/// What a task's ends are called.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Outcomes {
    /// It landed, or had nothing to land. `Success` when left out.
    #[schemars(regex(pattern = NAME))]
    pub(super) landed: Option<String>,
    /// A step failed. `Failed` when left out.
    #[schemars(regex(pattern = NAME))]
    pub(super) failed: Option<String>,
    /// A gate said no. `Rejected` when left out.
    #[schemars(regex(pattern = NAME))]
    pub(super) rejected: Option<String>,
    /// It was good and could not land. `CommitFailed` when left out.
    #[schemars(regex(pattern = NAME))]
    pub(super) not_landed: Option<String>,
}

/// What names look like.
pub(super) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";

/// Of which a step has exactly one.
pub(super) const STEP_KINDS: [&str; 3] = ["agent", "reviewer", "command"];

/// Of which a secret has exactly one.
pub(super) const SECRET_SOURCES: [&str; 2] = ["env", "file"];

/// Of which a gate has exactly one.
pub(super) const GATE_KINDS: [&str; 4] = ["reviewer", "command", "person", "metric"];

fn one_of(keys: &[&str]) -> serde_json::Value {
    keys.iter().map(|key| serde_json::json!({ "required": [key] })).collect()
}
