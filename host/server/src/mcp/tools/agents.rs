//! Agents in sessions: any by its name, and those that a server offers as tools of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use brio_host::{AgentSource, Brio, Ending, Metadata, Output, Place, Ran, RunReport, RunRequest};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sessions::PolicyWord;
use super::{Does, ToolDef, tool};
use crate::mcp::SetupError;
use crate::mcp::desk::{Caller, Desk};
use crate::mcp::failure::{Failure, one_line};
use crate::mcp::json::{self, Changes};

/// Bytes of what an agent prints that are returned, of each stream.
const MOST_OUTPUT: usize = 64 << 10;
/// Arguments of an agent.
const MOST_ARGS: usize = 1000;

/// An agent that is offered as a tool.
#[derive(Debug)]
pub(in crate::mcp) struct AgentTool {
    /// What the tool is called.
    pub(in crate::mcp) tool: String,
    pub(in crate::mcp) name: String,
    pub(in crate::mcp) source: AgentSource,
}

impl AgentTool {
    /// Reads the file now: what is offered is what was there when the server began.
    pub(in crate::mcp) fn load(brio: &Brio, file: &Path) -> Result<Self, SetupError> {
        let fail = |source| SetupError::Agent { source };
        let named = AgentSource::Named(file.to_owned());
        let check = brio.check_agent(&named).map_err(fail)?;
        if let Some(refusal) = check.refusal {
            return Err(fail(refusal));
        }
        let name = check.name;
        let source = if brio_host::bundled_agent(&name).is_some() && !file.exists() {
            named
        } else {
            let unreadable =
                |source| fail(brio_host::RunError::Unreadable { path: file.to_owned(), source });
            AgentSource::Bytes {
                name: name.clone(),
                wasm: std::fs::read(file).map_err(unreadable)?,
            }
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let tool = format!("agent_{}", name.chars().take(48).map(plain).collect::<String>());
        Ok(Self { tool, name, source })
    }
}

pub(super) fn tools(desk: &Desk) -> Vec<ToolDef> {
    let bundled: Vec<_> =
        brio_host::bundled().map(|agent| format!("{} ({})", agent.name, agent.about)).collect();
    let mut any = tool(("run_agent", "Run an agent"), "", Does::Changes, run);
    any.runs = true;
    any.tool.description = Some(format!("{ABOUT} Bundled agents: {}.", bundled.join("; ")).into());
    let own = desk.agents.iter().map(|agent| {
        let title = format!("Run the agent {}", agent.name);
        let ToolDef { mut tool, call, .. } = tool((&agent.tool, &title), "", Does::Changes, run);
        let about = ABOUT.replacen("an agent", &format!("the agent {}", agent.name), 1);
        tool.description = Some(about.into());
        tool.input_schema = Arc::new(without_agent((*tool.input_schema).clone()));
        let name = agent.name.clone();
        let call = move |desk: &Desk, caller: &Caller, mut input: JsonObject| {
            if input.insert("agent".into(), name.clone().into()).is_some() {
                let what = "agent: this tool has one agent";
                return Err(Failure::new("USAGE", what).hint("leave it out, or call run_agent"));
            }
            call(desk, caller, input)
        };
        ToolDef { tool, call: Box::new(call), runs: true }
    });
    std::iter::once(any).chain(own).collect()
}

/// The schema of `run_agent` without the agent.
fn without_agent(mut schema: JsonObject) -> JsonObject {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("agent");
    }
    schema.remove("required");
    schema
}

const ABOUT: &str = "Runs an agent (a WebAssembly component) on a task, in a session: it sees the \
    session's files and nothing else, and reaches no network. Without `session` it gets a session \
    of its own, which lands when it succeeds and is rolled back when it does not; an open session \
    stays open, whatever it says, so that `diff` shows what it did.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunAgent {
    /// A bundled agent's name, or a .wasm file below one of the server's bases.
    agent: String,
    /// What the agent is to do.
    #[serde(default)]
    task: String,
    /// Its arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Run it in this open session, and leave that open.
    session: Option<String>,
    /// Without `session`: the directory to branch; the server's first base when left out.
    base: Option<String>,
    /// Without `session`: leave the new session open, for a look at it.
    #[serde(default)]
    keep: bool,
    /// Without `session`: what becomes of paths that others changed as well: nothing lands
    /// (reject), what nobody could dispute is merged (merge), or ours lands (last-write-wins).
    #[serde(default)]
    policy: PolicyWord,
    /// Seconds that it may take; the server's own limit is the most.
    timeout: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct RanAgent {
    session: String,
    /// `succeeded`, `failed`, `trapped`, `limited`, `killed`, `rejected`.
    outcome: &'static str,
    /// `landed`, `unchanged`, `kept`, `rolled-back`, `conflicted`.
    result: &'static str,
    landing: Option<u64>,
    /// What the session had changed when the run ended.
    changes: Changes,
    /// Notes that landed, by path.
    notes: Vec<String>,
    agent: Said,
}

/// What the agent said.
#[derive(Serialize, JsonSchema)]
struct Said {
    output: Option<String>,
    /// What it measured, by name; null: not measured.
    metrics: BTreeMap<String, Option<f64>>,
    /// The first 64 KiB.
    stdout: String,
    /// The first 64 KiB.
    stderr: String,
    /// There was more of one of them.
    truncated: bool,
    /// The exit status, of a command.
    exit: Option<i32>,
}

fn run(desk: &Desk, caller: &Caller, asked: RunAgent) -> Result<RanAgent, Failure> {
    if asked.args.len() > MOST_ARGS {
        return Err(Failure::new("USAGE", format!("args has over {MOST_ARGS} entries")));
    }
    let agent = desk.agent(&asked.agent)?;
    let place = match (&asked.session, &asked.base) {
        (Some(_), Some(_)) => {
            let what = "base and session: an agent runs in an open session or in a new one";
            return Err(Failure::new("USAGE", what).hint("leave one out"));
        }
        (Some(session), None) => Place::Session(desk.session(session)?),
        (None, base) => {
            let goal = one_line(&asked.task).chars().take(80).collect::<String>();
            let goal = Some(goal).filter(|goal| !goal.is_empty());
            let metadata = Metadata { goal, ..Metadata::default() };
            Place::Begin { base: desk.base(base.as_deref())?, metadata }
        }
    };
    let kept = || Output { capture: MOST_OUTPUT, ..Output::default() };
    let mut limits = desk.options.limits;
    if let Some(seconds) = asked.timeout {
        limits.wall = limits.wall.min(Duration::from_secs(seconds));
    }
    let request = RunRequest {
        description: asked.task,
        args: asked.args,
        limits,
        disk: desk.options.disk,
        files: desk.options.files,
        keep: asked.keep,
        policy: asked.policy.into(),
        stdout: kept(),
        stderr: kept(),
        stop: caller.stop.clone(),
        ..RunRequest::new(agent, place)
    };
    let ran = desk.brio.run(request)?;
    let document = document(&ran);
    let Some(mut failure) = failure(&ran, &asked.agent) else { return Ok(document) };
    failure.about.document = serde_json::to_value(document).ok();
    Err(failure)
}

/// Why the run is no success; `None` when it is.
fn failure(ran: &Ran, agent: &str) -> Option<Failure> {
    if let Some(e) = &ran.report.error {
        let what = format!("{agent}: {}", e.message);
        let mut failure = Failure::new(&e.code, what);
        failure.about.paths.clone_from(&e.paths);
        failure.hint = match &ran.ending {
            Ending::RolledBack(_) => Some("the base is unchanged, and the session gone".into()),
            _ => Some(format!("session {} is open: diff shows what it did", ran.session)),
        };
        return Some(failure);
    }
    match &ran.ending {
        Ending::NotLanded(e) => Some(Failure::from(e)),
        Ending::NotRolledBack(e) => Some(Failure::typed(e.code(), e)),
        _ => None,
    }
}

fn document(ran: &Ran) -> RanAgent {
    let report = &ran.report;
    let said = report.output.as_ref().map(|o| o.summary.clone());
    let landed = match &ran.ending {
        Ending::Landed(landed) => Some(landed),
        _ => None,
    };
    RanAgent {
        session: ran.session.to_string(),
        outcome: report.outcome.as_str(),
        result: result(&ran.ending),
        landing: landed.and_then(|landed| landed.landing),
        changes: Changes::from(&ran.changes),
        notes: landed.map(|landed| json::notes(&landed.notes)).unwrap_or_default(),
        agent: Said {
            output: said.or_else(|| report.verdict.as_ref().map(|v| v.comments.clone())),
            metrics: metrics(report),
            stdout: report.stdout.text().into_owned(),
            stderr: report.stderr.text().into_owned(),
            truncated: report.stdout.truncated || report.stderr.truncated,
            exit: report.exit,
        },
    }
}

fn result(ending: &Ending) -> &'static str {
    match ending {
        Ending::Landed(_) => "landed",
        Ending::Unchanged => "unchanged",
        Ending::RolledBack(_) => "rolled-back",
        Ending::NotLanded(e) if !e.conflicts().is_empty() => "conflicted",
        _ => "kept",
    }
}

fn metrics(report: &RunReport) -> BTreeMap<String, Option<f64>> {
    let measured = report.output.iter().flat_map(|output| &output.metrics);
    measured.map(|m| (m.name.clone(), m.value.is_finite().then_some(m.value))).collect()
}
