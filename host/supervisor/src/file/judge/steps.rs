//! The work.

use std::path::PathBuf;

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::Problem;
use super::super::wire::{self, CommandLine, Grant, STEP_KINDS};
use super::commands::{self, Room};
use super::names::{self, Names};
use super::{all_misplaced, network, quotes, settings};
use crate::task::{Agent, Grants, Reviewer, Step, StepKind};

/// The steps of a task, in order.
pub(super) fn all(
    reading: &mut Reading<'_>,
    steps: Vec<wire::Step>,
    at: &Key,
    taken: &mut Names,
) -> Vec<Step> {
    let at = at.name("steps");
    let texts: Vec<_> = steps.iter().map(|step| step.task.clone()).collect();
    let mut judged = Vec::with_capacity(steps.len());
    for (index, wire) in steps.into_iter().enumerate() {
        let at = at.index(index);
        judged.push(step(reading, wire, &at, taken));
    }
    for (index, text) in texts.iter().enumerate() {
        if let Some(text) = text {
            let key = at.index(index).name("task");
            quotes::check(reading, text, &judged, index, &key);
        }
    }
    judged
}

fn step(reading: &mut Reading<'_>, wire: wire::Step, at: &Key, taken: &mut Names) -> Step {
    exactly_one(reading, at, &STEP_KINDS);
    let limits = settings::limits(reading, wire.limits.as_ref(), &at.name("limits"));
    let failed_as = names::optional(reading, wire.failed_as, &at.name("failed-as"));
    let called = match (&wire.agent, &wire.reviewer, &wire.command) {
        (Some(agent), ..) | (None, Some(agent), _) => agent.clone(),
        (None, None, Some(line)) => commands::program(line).to_owned(),
        (None, None, None) => String::new(),
    };
    let given = wire.name.is_some();
    let name = names::of_part(reading, wire.name, &called, at);
    // One that is nothing at all has been reported already.
    if given || !called.is_empty() {
        taken.take(reading, &name, "a step", at);
    }
    let around = Room {
        env: wire.env,
        grants: wire.grants,
        allow_net: wire.allow_net,
        unconfined: wire.unconfined,
    };
    let kind = if let Some(line) =
        wire.command.filter(|_| wire.agent.is_none() && wire.reviewer.is_none())
    {
        let foreign = ["task", "input-files", "args", network::KEYS[0], network::KEYS[1]];
        all_misplaced(reading, at, &foreign, "a command has none; it is for agents and reviewers");
        settings::no_agent_limits(reading, at);
        commands::room(reading, &around, at);
        StepKind::Command(commands::command(reading, line, &around, &at.name("command")))
    } else if let Some(agent) = wire.reviewer.filter(|_| wire.agent.is_none()) {
        let foreign = ["input-files", "env", "grants", "allow-net", "unconfined"];
        all_misplaced(reading, at, &foreign, "a reviewer has none");
        StepKind::Reviewer(Reviewer {
            agent: agent_path(reading, &agent, &at.name("reviewer")),
            task: wire.task.unwrap_or_default(),
            args: wire.args,
            network: network::network(reading, wire.allow_hosts, wire.secrets, at),
        })
    } else if let Some(agent) = wire.agent {
        let foreign = ["allow-net", "unconfined"];
        all_misplaced(reading, at, &foreign, "an agent has none; it is for commands");
        commands::env(reading, &around.env, &at.name("env"));
        StepKind::Agent(Agent {
            agent: agent_path(reading, &agent, &at.name("agent")),
            task: wire.task.unwrap_or_default(),
            input_files: input_files(reading, &wire.input_files, &at.name("input-files")),
            args: wire.args,
            grants: Grants {
                session_fs: around.grants.contains(&Grant::SessionFs),
                vcs: around.grants.contains(&Grant::Vcs),
                project_record: around.grants.contains(&Grant::ProjectRecord),
            },
            env: around.env.into_iter().collect(),
            network: network::network(reading, wire.allow_hosts, wire.secrets, at),
        })
    } else {
        let nothing = CommandLine::Argv(vec!["true".to_owned()]);
        StepKind::Command(commands::command(reading, nothing, &around, at))
    };
    Step { name, kind, limits, failed_as }
}

/// Reports when the table has none of these keys, or several.
pub(super) fn exactly_one(reading: &mut Reading<'_>, at: &Key, of: &[&str]) {
    let keys = reading.keys(at);
    let given: Vec<_> = keys.into_iter().filter(|k| of.contains(&k.as_str())).collect();
    let of = of.iter().map(|&key| key.to_owned()).collect();
    match given.as_slice() {
        [_] => {}
        [] => reading.error(at, Problem::NoChoice { of }),
        _ => reading.error(at, Problem::ManyChoices { of, given }),
    }
}

/// A name stays one, and a file becomes absolute.
pub(super) fn agent_path(reading: &mut Reading<'_>, agent: &str, key: &Key) -> PathBuf {
    commands::no_nul(reading, agent, key);
    if agent.contains('/') || agent.ends_with(".wasm") {
        reading.path(agent)
    } else {
        PathBuf::from(agent)
    }
}

fn input_files(reading: &mut Reading<'_>, files: &[String], at: &Key) -> Vec<PathBuf> {
    let mut paths = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        let key = at.index(index);
        commands::no_nul(reading, file, &key);
        if file.is_empty() {
            let why = "an empty text is no file".to_owned();
            let next = "name a file, relative to this one".to_owned();
            reading.error(&key, Problem::Value { why, next });
        }
        paths.push(reading.path(file));
    }
    paths
}
