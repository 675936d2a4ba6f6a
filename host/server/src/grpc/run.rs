//! An agent in a session.

use std::io::{self, Write};
use std::time::Duration;

use brio_host::{Ending, Metadata, Output, Place, Ran, RunRequest};

use super::answers::Teller;
use super::desk::{Caller, Desk};
use super::fault::Fault;
use super::proto::run_agent_request::Place as Asked;
use super::proto::run_agent_response::Event;
use super::proto::{OutputStream, RunAgentRequest, RunAgentResponse};
use super::sessions::{LONGEST_TEXT, MOST_CONFLICTS, bounded};
use super::status::shortened;
use super::{convert, proto};

/// Arguments of an agent.
const MOST_ARGS: usize = 1000;
/// Bytes of a piece of what it prints, and of what it says in the end.
const PIECE: usize = 64 << 10;
/// Characters of a goal that is made of a task.
const GOAL: usize = 80;

fn event(event: Event) -> RunAgentResponse {
    RunAgentResponse { event: Some(event) }
}

/// Tells a stream of the agent as it comes.
struct Sink {
    to: Teller<RunAgentResponse>,
    stream: OutputStream,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        let output = proto::RunOutput { stream: self.stream.into(), data: piece.to_vec() };
        self.to
            .tell(event(Event::Output(output)))
            .map_err(|fault| io::Error::new(io::ErrorKind::BrokenPipe, fault.text()))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn run(
    desk: &Desk,
    caller: &Caller,
    asked: RunAgentRequest,
    to: &Teller<RunAgentResponse>,
) -> Result<(), Fault> {
    if asked.args.len() > MOST_ARGS {
        return Err(Fault::usage(format!("args has over {MOST_ARGS} entries; give fewer")));
    }
    let policy = proto::Policy::try_from(asked.policy)
        .map_err(|_| Fault::usage("policy is none that this server knows; leave it out"))?;
    let task = bounded(asked.task, "task", LONGEST_TEXT)?.unwrap_or_default();
    let agent = desk.agent(&asked.agent)?;
    let place = match &asked.place {
        Some(Asked::SessionId(id)) => Place::Session(desk.session(id)?),
        Some(Asked::ProjectId(project)) => {
            let words = task.split_whitespace().collect::<Vec<_>>().join(" ");
            let goal = words.chars().take(GOAL).collect::<String>();
            let goal = Some(goal).filter(|goal| !goal.is_empty());
            Place::Begin {
                base: desk.base(project)?,
                metadata: Metadata { goal, ..Metadata::default() },
            }
        }
        None => {
            let what = "neither project_id nor session_id says where the agent is to work";
            return Err(Fault::usage(format!("{what}; give one")));
        }
    };
    let shown =
        |stream| Output { sink: Some(Box::new(Sink { to: to.clone(), stream })), capture: 0 };
    let mut limits = desk.options.limits;
    if asked.timeout_seconds > 0 {
        limits.wall = limits.wall.min(Duration::from_secs(asked.timeout_seconds.into()));
    }
    let (started, stop) = (to.clone(), caller.stop.clone());
    let request = RunRequest {
        description: task,
        args: asked.args,
        limits,
        disk: desk.options.disk,
        files: desk.options.files,
        keep: asked.keep,
        policy: convert::policy(policy),
        stdout: shown(OutputStream::Stdout),
        stderr: shown(OutputStream::Stderr),
        stop: caller.stop.clone(),
        begun: Some(Box::new(move |id| {
            let session_id = id.to_string();
            // Who is not there to be told has gone.
            if started.tell(event(Event::Started(proto::RunStarted { session_id }))).is_err() {
                stop.stop();
            }
        })),
        ..RunRequest::new(agent, place)
    };
    let ran = desk.brio.run(request)?;
    to.tell_last(event(Event::Ended(ended(&ran, &asked.agent))))
}

fn ended(ran: &Ran, agent: &str) -> proto::RunEnded {
    let report = &ran.report;
    let (changes, more_changes) = convert::changes(&ran.changes);
    let landed = match &ran.ending {
        Ending::Landed(landed) => Some(landed),
        _ => None,
    };
    let said = report.output.as_ref().map(|output| output.summary.as_str());
    let said = said.or_else(|| report.verdict.as_ref().map(|v| v.comments.as_str()));
    let head = landed.and_then(|landed| landed.head.as_ref());
    let measured = report.output.iter().flat_map(|output| &output.metrics);
    proto::RunEnded {
        session_id: ran.session.to_string(),
        outcome: convert::outcome(report.outcome).into(),
        result: convert::result(&ran.ending).into(),
        landed_commit: landed
            .and_then(|landed| landed.landing)
            .map(|n| n.to_string())
            .unwrap_or_default(),
        new_tree_hash: head.map(|head| head.tree.tree.clone()).unwrap_or_default(),
        changes,
        more_changes,
        summary: shortened(said.unwrap_or_default(), PIECE),
        metrics: measured
            .filter(|m| m.value.is_finite())
            .map(|m| (m.name.clone(), m.value))
            .collect(),
        exit: report.exit,
        error: failure(ran, agent),
    }
}

/// Why the run is no success; `None` when it is.
fn failure(ran: &Ran, agent: &str) -> Option<proto::RunFailure> {
    if let Some(e) = &ran.report.error {
        return Some(proto::RunFailure {
            code: e.code.clone(),
            message: shortened(&format!("{agent}: {}", e.message), PIECE),
            paths: e.paths.clone(),
            conflicts: Vec::new(),
        });
    }
    let mut fault = match &ran.ending {
        Ending::NotLanded(e) => Fault::from(e),
        Ending::NotRolledBack(e) => Fault::typed(e.code(), e),
        _ => return None,
    };
    fault.paths.truncate(MOST_CONFLICTS);
    fault.conflicts.truncate(MOST_CONFLICTS);
    Some(proto::RunFailure {
        code: fault.code,
        message: shortened(&fault.message, PIECE),
        paths: fault.paths,
        conflicts: fault.conflicts,
    })
}
