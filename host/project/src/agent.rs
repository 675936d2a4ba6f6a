//! Names of agents that have a context.

use std::fmt;
use std::str::FromStr;

use crate::project::AGENT_CONTEXT_PREFIX;
use crate::{NotePath, PathError};

/// The agents whose contexts a migration takes along.
pub const AGENTS: [&str; 10] = [
    "orchestrator",
    "planner",
    "implementer",
    "qa",
    "analyst",
    "architect",
    "critic",
    "retrospective",
    "memory",
    "skillbook",
];

/// An agent's name: 1 to 64 lower-case letters, digits and inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(String);

/// What cannot name an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "AGENT_NAME_INVALID: {name:?} is no agent's name; use lower-case letters, digits and inner hyphens, at most 64"
)]
pub struct AgentNameError {
    /// What was given.
    pub name: String,
}

impl AgentName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its context is.
    pub(crate) fn path(&self) -> Result<NotePath, PathError> {
        NotePath::new(format!("{AGENT_CONTEXT_PREFIX}{}", self.0))
    }
}

impl FromStr for AgentName {
    type Err = AgentNameError;

    fn from_str(name: &str) -> Result<Self, AgentNameError> {
        let of_a_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let inner = !name.starts_with('-') && !name.ends_with('-');
        if (1..=64).contains(&name.len()) && inner && name.bytes().all(of_a_name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(AgentNameError { name: name.chars().take(64).collect() })
        }
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_of_a_path() {
        let long = "a".repeat(65);
        for good in AGENTS.into_iter().chain(["a", "0", "code-reviewer-2", "a--b", &long[..64]]) {
            let name: AgentName = good.parse().unwrap();
            assert_eq!((name.as_str(), name.to_string().as_str()), (good, good));
            assert_eq!(name.path().unwrap().as_str(), format!("sessions/agent-{good}"));
        }
        for bad in ["", "-", "-a", "a-", "QA", "a b", "a_b", "a.b", "../qa", "a/b", "ü", &long] {
            let error = bad.parse::<AgentName>().unwrap_err();
            assert!(error.to_string().starts_with("AGENT_NAME_INVALID: "), "{error}");
            assert_eq!(error.name, bad.chars().take(64).collect::<String>());
        }
    }
}
