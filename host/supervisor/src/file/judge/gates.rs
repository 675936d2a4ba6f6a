//! Who must agree.

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::Problem;
use super::super::wire::{self, CommandLine, GATE_KINDS};
use super::commands::{self, Room};
use super::names::{self, Names};
use super::steps::{agent_path, exactly_one};
use super::{all_misplaced, network, quotes, settings};
use crate::task::{Gate, GateKind, Reviewer, Step, StepKind};

/// The gates of a task, which come after its steps.
pub(super) fn all(
    reading: &mut Reading<'_>,
    gates: Vec<wire::Gate>,
    steps: &[Step],
    at: &Key,
    taken: &mut Names,
) -> Vec<Gate> {
    let at = at.name("gates");
    let mut judged = Vec::with_capacity(gates.len());
    for (index, wire) in gates.into_iter().enumerate() {
        let at = at.index(index);
        let asked = |gate: &Gate| matches!(gate.kind, GateKind::Person(_));
        let gate = gate(reading, wire, steps, &at, taken);
        if asked(&gate) && judged.iter().any(asked) {
            let why = "a person is asked already, and one decision would answer both".to_owned();
            let next = "ask everything in one gate".to_owned();
            reading.error(&at.name("person"), Problem::Value { why, next });
        }
        judged.push(gate);
    }
    judged
}

fn gate(
    reading: &mut Reading<'_>,
    wire: wire::Gate,
    steps: &[Step],
    at: &Key,
    taken: &mut Names,
) -> Gate {
    exactly_one(reading, at, &GATE_KINDS);
    let limits = settings::limits(reading, wire.limits.as_ref(), &at.name("limits"));
    let rejected_as = names::optional(reading, wire.rejected_as, &at.name("rejected-as"));
    let called = match (&wire.reviewer, &wire.command, &wire.person, &wire.metric) {
        (Some(agent), ..) => agent.clone(),
        (None, Some(line), ..) => commands::program(line).to_owned(),
        (None, None, Some(_), _) => "person".to_owned(),
        (None, None, None, Some(metric)) => metric.clone(),
        (None, None, None, None) => String::new(),
    };
    let given = wire.name.is_some();
    let name = names::of_part(reading, wire.name, &called, at);
    if given || !called.is_empty() {
        taken.take(reading, &name, "a gate", at);
    }
    let around = Room {
        env: wire.env,
        grants: wire.grants,
        allow_net: wire.allow_net,
        unconfined: wire.unconfined,
    };
    let telling = ["task", "args", network::KEYS[0], network::KEYS[1]];
    let running = ["env", "grants", "allow-net", "unconfined", "fix"];
    let kind = if let Some(agent) = wire.reviewer {
        all_misplaced(reading, at, &running, "a reviewer has none; it is for commands");
        all_misplaced(reading, at, &["above"], "it is for metrics");
        let task = wire.task.unwrap_or_default();
        quotes::check(reading, &task, steps, steps.len(), &at.name("task"));
        let agent = agent_path(reading, &agent, &at.name("reviewer"));
        let network = network::network(reading, wire.allow_hosts, wire.secrets, at);
        GateKind::Reviewer(Reviewer { agent, task, args: wire.args, network })
    } else if let Some(line) = wire.command {
        all_misplaced(reading, at, &telling, "a command has none; it is for reviewers");
        all_misplaced(reading, at, &["above"], "it is for metrics");
        settings::no_agent_limits(reading, at);
        commands::room(reading, &around, at);
        let fix = wire.fix.map(|fix| commands::command(reading, fix, &around, &at.name("fix")));
        let command = commands::command(reading, line, &around, &at.name("command"));
        GateKind::Command { command, fix }
    } else {
        let why = "nobody is run; it is for reviewers and commands";
        all_misplaced(reading, at, &telling, why);
        all_misplaced(reading, at, &running, why);
        all_misplaced(reading, at, &["limits"], why);
        match (wire.metric, wire.person) {
            (Some(metric), None) => {
                let above = threshold(reading, &metric, wire.above, steps, at);
                GateKind::Metric { metric, above }
            }
            (_, Some(question)) => {
                all_misplaced(reading, at, &["above"], "it is for metrics");
                if question.trim().is_empty() {
                    let why = "the question is empty".to_owned();
                    let next = "ask what there is to decide".to_owned();
                    reading.error(&at.name("person"), Problem::Value { why, next });
                }
                GateKind::Person(question)
            }
            // Reported already.
            (None, None) => {
                let nothing = CommandLine::Argv(vec!["false".to_owned()]);
                let command = commands::command(reading, nothing, &around, at);
                command.into()
            }
        }
    };
    Gate { name, kind, limits, rejected_as }
}

fn threshold(
    reading: &mut Reading<'_>,
    metric: &str,
    above: Option<f64>,
    steps: &[Step],
    at: &Key,
) -> f64 {
    names::check(reading, metric, &at.name("metric"));
    if above.is_none() {
        reading.error(at, Problem::Missing { name: "above", example: "above = 0.5" });
    }
    if !steps.iter().any(|step| matches!(step.kind, StepKind::Agent(_))) {
        let why = format!("no step could report `{metric}`: only agents report metrics");
        let next = "add a step with an agent that does".to_owned();
        reading.error(&at.name("metric"), Problem::NoMetric { why, next });
    }
    above.unwrap_or_default()
}
