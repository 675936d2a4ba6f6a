//! What agents and reviewers reach of the network. How a host is written is judged when the task
//! is submitted, by who makes the requests.

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::Problem;
use super::super::wire::{self, SECRET_SOURCES};
use super::steps::exactly_one;
use crate::task::{Network, Secret, SecretSource};

/// The keys of both, which commands have not.
pub(super) const KEYS: [&str; 2] = ["allow-hosts", "secrets"];

/// What a step or a gate says of it.
pub(super) fn network(
    reading: &mut Reading<'_>,
    allow_hosts: Vec<String>,
    secrets: Vec<wire::Secret>,
    at: &Key,
) -> Network {
    for (index, host) in allow_hosts.iter().enumerate().filter(|(_, host)| host.is_empty()) {
        let why = format!("an empty text is no host{host}");
        let next = "write a name, such as \"api.example.com\"".to_owned();
        reading.error(&at.name("allow-hosts").index(index), Problem::Value { why, next });
    }
    let at = at.name("secrets");
    let all = secrets.into_iter().enumerate();
    let secrets = all.map(|(index, secret)| one(reading, secret, &at.index(index))).collect();
    Network { allow_hosts, secrets }
}

fn one(reading: &mut Reading<'_>, wire: wire::Secret, at: &Key) -> Secret {
    exactly_one(reading, at, &SECRET_SOURCES);
    let source = match (wire.env, wire.file) {
        (_, Some(file)) => SecretSource::File(reading.path(&file)),
        (env, None) => SecretSource::Env(env.unwrap_or_default()),
    };
    Secret { source, host: wire.host.unwrap_or_default(), header: wire.header }
}
