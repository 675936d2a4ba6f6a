//! What a run reaches of the network, and what the journal keeps of it.

use std::time::UNIX_EPOCH;

use brio_landing::{JournalEntry, JournalKind};
use brio_runtime::net::{
    AllowHost, Egress, EgressError, EgressOptions, NetLimits, RequestRecord, Secret,
};
use brio_session::Time;

use crate::SessionHandle;

/// What a run may reach of the network. Nothing, by default.
#[derive(Debug, Clone, Default)]
pub struct NetGrants {
    /// The hosts that it may make requests to.
    pub allow_hosts: Vec<AllowHost>,
    /// What is put into its requests to them. It never holds it, and nothing shows it.
    pub secrets: Vec<Secret>,
    /// How much.
    pub limits: NetLimits,
}

/// The grants that would have opened what a run was refused, each once, as `--allow-host` takes
/// them.
pub fn missing_hosts(requests: &[RequestRecord]) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    for grant in requests.iter().filter_map(|r| r.error.as_ref()?.grant()) {
        let grant = grant.to_string();
        if !missing.contains(&grant) {
            missing.push(grant);
        }
    }
    missing
}

impl SessionHandle {
    /// What sends the requests of one run here. Each is a line of the journal when it has ended.
    pub(crate) fn egress(&self, agent: &str, grants: &NetGrants) -> Result<Egress, EgressError> {
        let (session, agent) = (self.clone(), agent.to_owned());
        Egress::new(EgressOptions {
            allow: grants.allow_hosts.clone(),
            secrets: grants.secrets.clone(),
            limits: grants.limits,
            trust: self.brio().trust(),
            resolver: None,
            observer: Some(std::sync::Arc::new(move |r| session.journal_request(&agent, r))),
        })
    }

    fn journal_request(&self, agent: &str, request: &RequestRecord) {
        let at = request.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let refused = request.error.as_ref().is_some_and(|e| e.grant().is_some());
        let (kind, what) = match refused {
            true => (JournalKind::Audit, "request-refused"),
            false => (JournalKind::Operation, "request"),
        };
        let time = Time { secs: at.as_secs() as i64, nanos: at.subsec_nanos() };
        let entry = JournalEntry {
            kind: Some(kind),
            session: Some(self.id().clone()),
            agent: Some(agent.to_owned()),
            detail: Some(detail(request)),
            ..JournalEntry::new(time, what)
        };
        if let Err(error) = self.domain().journal(&entry) {
            tracing::warn!(session = %self.id(), %error, "the journal was not written");
        }
    }
}

fn detail(request: &RequestRecord) -> serde_json::Value {
    serde_json::json!({
        "message": request.to_string(),
        "method": request.method,
        "scheme": request.scheme.as_str(),
        "host": request.host.as_ref().map(ToString::to_string),
        "port": request.port,
        "path": request.path,
        "status": request.status,
        "code": request.error.as_ref().map(|e| e.code()),
        "sent": request.sent,
        "received": request.received,
        "ms": u64::try_from(request.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
