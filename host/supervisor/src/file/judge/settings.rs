//! Limits, retries, the landing, and what ends are called.

use std::time::Duration;

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::{Problem, short};
use super::super::wire;
use super::{misplaced, names};
use crate::task::{Landing, Limits, Mendable, Names, Retry};
use crate::units;
use crate::{Isolation, Policy, WantedLower};

/// What a run may use; none of it nothing.
pub(super) fn limits(reading: &mut Reading<'_>, limits: Option<&wire::Limits>, at: &Key) -> Limits {
    let Some(limits) = limits else { return Limits::default() };
    Limits {
        time: duration(reading, limits.timeout.as_ref(), &at.name("timeout"), true),
        cpu: duration(reading, limits.cpu.as_ref(), &at.name("cpu"), true),
        memory: size(reading, limits.memory.as_ref(), &at.name("memory")),
        disk: size(reading, limits.disk.as_ref(), &at.name("disk")),
        files: limits.files,
        output: size(reading, limits.output.as_ref(), &at.name("output")),
    }
}

/// Says of limits that only agents have that a command has none.
pub(super) fn no_agent_limits(reading: &mut Reading<'_>, at: &Key) {
    let limits = at.name("limits");
    let why = "a command has none; it is for agents and reviewers";
    super::all_misplaced(reading, &limits, &["cpu", "memory", "output"], why);
}

fn size(reading: &mut Reading<'_>, size: Option<&wire::Size>, key: &Key) -> Option<u64> {
    let bytes = match size? {
        wire::Size::Bytes(bytes) => Ok(*bytes),
        wire::Size::Text(text) => units::parse_size(text),
    };
    match bytes {
        Ok(0) => zero(reading, key),
        Ok(bytes) => return Some(bytes),
        Err(why) => wrong(reading, why, "write a size, such as `256M`", key),
    }
    None
}

fn duration(
    reading: &mut Reading<'_>,
    duration: Option<&wire::Duration>,
    key: &Key,
    limit: bool,
) -> Option<Duration> {
    let time = match duration? {
        wire::Duration::Seconds(seconds) => Ok(Duration::from_secs(*seconds)),
        wire::Duration::Text(text) => units::parse_duration(text),
    };
    match time {
        Ok(time) if limit && time.is_zero() => zero(reading, key),
        Ok(time) => return Some(time),
        Err(why) => wrong(reading, why, "write a time, such as `60s`", key),
    }
    None
}

fn zero(reading: &mut Reading<'_>, key: &Key) {
    let why = "with a limit of 0 nothing could run".to_owned();
    wrong(reading, why, "raise it, or leave it out for the default", key);
}

fn wrong(reading: &mut Reading<'_>, why: String, next: &str, key: &Key) {
    reading.error(key, Problem::Value { why: short(&why), next: next.to_owned() });
}

/// How a session is begun, and lands.
pub(super) fn landing(landing: Option<wire::Landing>) -> Landing {
    let landing = landing.unwrap_or_default();
    Landing {
        policy: match landing.policy {
            None | Some(wire::Policy::Reject) => Policy::Reject,
            Some(wire::Policy::Merge) => Policy::Merge,
            Some(wire::Policy::LastWriteWins) => Policy::LastWriteWins,
        },
        isolation: match landing.isolation {
            None | Some(wire::Isolation::Snapshot) => Isolation::Snapshot,
            Some(wire::Isolation::Serializable) => Isolation::Serializable,
        },
        keep: landing.keep.unwrap_or(false),
        lower: match landing.lower {
            None | Some(wire::Lower::Live) => WantedLower::Live,
            Some(wire::Lower::Frozen) => WantedLower::Frozen,
        },
        exclude: landing.exclude,
        message: landing.message,
    }
}

/// What is tried again.
pub(super) fn retry(reading: &mut Reading<'_>, retry: Option<wire::Retry>, at: &Key) -> Retry {
    let default = Retry::default();
    let Some(retry) = retry else { return default };
    let attempts = retry.attempts.unwrap_or(default.attempts);
    if attempts == 1 {
        let why = "nothing is tried again without `attempts = 2` or more";
        for key in ["back-off", "on"] {
            if super::has(reading, at, key) {
                misplaced(reading, at, key, why);
            }
        }
    }
    Retry {
        attempts,
        back_off: duration(reading, retry.back_off.as_ref(), &at.name("back-off"), false)
            .unwrap_or(default.back_off),
        on: match retry.on {
            None => default.on,
            Some(on) => on.into_iter().map(mendable).collect(),
        },
    }
}

fn mendable(word: wire::Mendable) -> Mendable {
    match word {
        wire::Mendable::Conflict => Mendable::Conflict,
        wire::Mendable::Failed => Mendable::Failed,
        wire::Mendable::Stopped => Mendable::Stopped,
        wire::Mendable::Refused => Mendable::Refused,
        wire::Mendable::Rejected => Mendable::Rejected,
    }
}

/// What a task's ends are called.
pub(super) fn outcomes(
    reading: &mut Reading<'_>,
    outcomes: Option<wire::Outcomes>,
    at: &Key,
) -> Names {
    let outcomes = outcomes.unwrap_or_default();
    let default = Names::default();
    let mut name = |given, key: &str, default| {
        names::optional(reading, given, &at.name(key)).unwrap_or(default)
    };
    Names {
        landed: name(outcomes.landed, "landed", default.landed),
        failed: name(outcomes.failed, "failed", default.failed),
        rejected: name(outcomes.rejected, "rejected", default.rejected),
        not_landed: name(outcomes.not_landed, "not-landed", default.not_landed),
    }
}
