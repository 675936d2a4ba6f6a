//! What a task grants of the network, read as its hosts and secrets are written.

use std::ffi::OsString;

use brio_runtime::net::{AllowHost, SecretSource, SecretSpec};
use brio_supervisor::{GateKind, Network, StepKind, SubmitError, Task};

use crate::NetGrants;

/// What is granted, without the values of secrets; or what is wrong with it.
fn read(network: &Network) -> Result<(Vec<AllowHost>, Vec<SecretSpec>), String> {
    let host = |text: &String| text.parse::<AllowHost>().map_err(|e| e.to_string());
    let allow: Vec<_> = network.allow_hosts.iter().map(host).collect::<Result<_, _>>()?;
    let secret = |s: &brio_supervisor::Secret| {
        let source = match &s.source {
            brio_supervisor::SecretSource::Env(name) => SecretSource::Env(name.clone()),
            brio_supervisor::SecretSource::File(path) => SecretSource::File(path.clone()),
        };
        let spec = SecretSpec { source, host: host(&s.host)?, header: s.header.clone() };
        spec.check_among(&allow).map_err(|e| e.to_string())?;
        Ok(spec)
    };
    let secrets = network.secrets.iter().map(secret).collect::<Result<_, String>>()?;
    Ok((allow, secrets))
}

/// What a run is given; secrets are looked up in `env` and in their files now.
pub(super) fn grants(network: &Network, env: &[(OsString, OsString)]) -> Result<NetGrants, String> {
    let (allow_hosts, secrets) = read(network)?;
    let of = |name: &str| {
        let found = env.iter().find(|(k, _)| k.as_os_str() == name);
        found.and_then(|(_, v)| v.to_str().map(str::to_owned))
    };
    let secrets = secrets.iter().map(|spec| spec.resolve(of).map_err(|e| e.to_string()));
    let secrets = secrets.collect::<Result<_, _>>()?;
    Ok(NetGrants { allow_hosts, secrets, ..NetGrants::default() })
}

/// Whether all that a task grants, its children's too, can be granted.
pub(super) fn check(task: &Task) -> Result<(), SubmitError> {
    let steps = task.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Agent(agent) => Some((&step.name, &agent.network)),
        StepKind::Reviewer(reviewer) => Some((&step.name, &reviewer.network)),
        StepKind::Command(_) => None,
    });
    let gates = task.gates.iter().filter_map(|gate| match &gate.kind {
        GateKind::Reviewer(reviewer) => Some((&gate.name, &reviewer.network)),
        _ => None,
    });
    for (part, network) in steps.chain(gates) {
        let refuse = |why| SubmitError::Task {
            name: task.name.clone(),
            why: format!("{part}: its network: {why}"),
        };
        read(network).map_err(refuse)?;
    }
    task.children.tasks.iter().try_for_each(|child| check(&child.task))
}
