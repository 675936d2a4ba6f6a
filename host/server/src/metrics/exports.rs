//! What was answered by NFS.

use std::fmt;

use brio_nfs::{Counts, Procedure};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::exposition::Families;

pub(super) fn encode(all: &mut Families<'_>, counts: &Counts) -> fmt::Result {
    let by = |n: fn(&Procedure) -> u64| counts.procedures().map(move |p| (p.name, n(&p)));
    let calls = "Calls by NFS that were answered, by their procedure";
    let family = ("brio_nfs_calls", calls, MetricType::Counter);
    all.labelled(family, "procedure", &[], by(|p| p.calls))?;
    let failed = "Calls by NFS that were answered with an error, by their procedure";
    let family = ("brio_nfs_failed_calls", failed, MetricType::Counter);
    all.labelled(family, "procedure", &[], by(|p| p.failed))?;
    let (read, written) = counts.bytes();
    all.counter("brio_nfs_read", "Read by NFS", Some(Unit::Bytes), read)?;
    all.counter("brio_nfs_written", "Written by NFS", Some(Unit::Bytes), written)?;
    let (made, open, refused) = counts.connections();
    all.counter("brio_nfs_connections", "Connections of NFS clients", None, made)?;
    let now = prometheus_client::metrics::gauge::ConstGauge::new(open);
    all.one("brio_nfs_open_connections", "Of those, the ones that are open", None, &now)?;
    all.counter("brio_nfs_refused_clients", "Connections that were turned away", None, refused)
}
