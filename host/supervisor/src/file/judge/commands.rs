//! Native commands, and the hooks that are nothing else.

use std::collections::BTreeMap;

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::{Problem, short};
use super::super::wire::{self, CommandLine, Grant};
use super::names::{self, Names};
use super::settings;
use crate::task::{After, Command, Hook};

/// What stands beside a command line.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    pub(super) env: BTreeMap<String, String>,
    pub(super) grants: Vec<Grant>,
    pub(super) allow_net: Option<bool>,
    pub(super) unconfined: Option<bool>,
}

/// Judges what stands beside a command line in the table `at`.
pub(super) fn room(reading: &mut Reading<'_>, room: &Room, at: &Key) {
    env(reading, &room.env, &at.name("env"));
    if let Some(index) = room.grants.iter().position(|grant| *grant != Grant::Vcs) {
        let why = "a command can be granted `vcs` only; the others are for agents".to_owned();
        let next = "take it away".to_owned();
        reading.error(&at.name("grants").index(index), Problem::Value { why, next });
    }
    if room.unconfined == Some(true) && room.allow_net == Some(true) {
        super::misplaced(reading, at, "allow-net", "an unconfined command has the network anyway");
    }
}

/// Judges a command line at `key`.
pub(super) fn command(
    reading: &mut Reading<'_>,
    line: CommandLine,
    room: &Room,
    key: &Key,
) -> Command {
    let argv = match line {
        CommandLine::Shell(line) => {
            if line.trim().is_empty() {
                no_program(reading, key);
            }
            no_nul(reading, &line, key);
            vec!["sh".to_owned(), "-c".to_owned(), line]
        }
        CommandLine::Argv(argv) => {
            if argv.first().is_none_or(String::is_empty) {
                no_program(reading, key);
            }
            for (index, arg) in argv.iter().enumerate() {
                no_nul(reading, arg, &key.index(index));
            }
            argv
        }
    };
    Command {
        argv,
        env: room.env.clone().into_iter().collect(),
        network: room.allow_net.unwrap_or(false),
        vcs: room.grants.contains(&Grant::Vcs),
        unconfined: room.unconfined.unwrap_or(false),
    }
}

/// What a command line is called when nobody says.
pub(super) fn program(line: &CommandLine) -> &str {
    match line {
        CommandLine::Shell(line) => line.split_whitespace().next().unwrap_or_default(),
        CommandLine::Argv(argv) => argv.first().map_or("", String::as_str),
    }
}

fn no_program(reading: &mut Reading<'_>, key: &Key) {
    let why = "there is no program to run".to_owned();
    let next = "write one, such as `[\"cargo\", \"test\"]`".to_owned();
    reading.error(key, Problem::Value { why, next });
}

/// The variables of an environment.
pub(super) fn env(reading: &mut Reading<'_>, env: &BTreeMap<String, String>, at: &Key) {
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            let why = format!("`{}` is no name of a variable", short(name));
            let next = "use a name without `=`".to_owned();
            reading.error(&at.name(name), Problem::Value { why, next });
        }
        no_nul(reading, value, &at.name(name));
    }
}

/// The system takes no text with a zero byte in it.
pub(super) fn no_nul(reading: &mut Reading<'_>, text: &str, key: &Key) {
    if text.contains('\0') {
        let why = "there is a zero byte in it".to_owned();
        let next = "take it away".to_owned();
        reading.error(key, Problem::Value { why, next });
    }
}

/// The hooks of a task.
pub(super) fn after(reading: &mut Reading<'_>, after: Option<wire::After>, at: &Key) -> After {
    let after = after.unwrap_or_default();
    After {
        landed: hooks(reading, after.landed, &at.name("landed")),
        failed: hooks(reading, after.failed, &at.name("failed")),
    }
}

fn hooks(reading: &mut Reading<'_>, hooks: Vec<wire::Hook>, at: &Key) -> Vec<Hook> {
    let mut names = Names::default();
    let mut judged = Vec::with_capacity(hooks.len());
    for (index, wire) in hooks.into_iter().enumerate() {
        let at = at.index(index);
        let around = Room {
            env: wire.env,
            grants: wire.grants,
            allow_net: wire.allow_net,
            unconfined: wire.unconfined,
        };
        room(reading, &around, &at);
        // One without a command: the schema has said it.
        let line = wire.command.unwrap_or(CommandLine::Argv(vec!["true".to_owned()]));
        let name = names::of_part(reading, wire.name, program(&line), &at);
        names.take(reading, &name, "a hook", &at);
        settings::no_agent_limits(reading, &at);
        judged.push(Hook {
            name,
            limits: settings::limits(reading, wire.limits.as_ref(), &at.name("limits")),
            command: command(reading, line, &around, &at.name("command")),
            done_as: names::optional(reading, wire.done_as, &at.name("done-as")),
            failed_as: names::optional(reading, wire.failed_as, &at.name("failed-as")),
        });
    }
    judged
}
