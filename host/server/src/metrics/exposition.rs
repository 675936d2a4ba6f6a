//! The figures, by name.

use std::collections::BTreeMap;
use std::fmt;

use brio_host::project::{CONFLICTS_HELP, CONFLICTS_METRIC, CONFLICTS_METRIC_ALIAS, Resolution};
use brio_host::tasks::JobCounts;
use brio_host::{Counts, Histogram, Metrics, SuperviseError, Supervisor};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// What is known at one moment, written as text.
pub struct Exposition {
    supervisor: Supervisor,
    #[cfg(feature = "grpc")]
    grpc: Option<crate::grpc::Counts>,
    #[cfg(all(feature = "nfs", unix))]
    nfs: Option<std::sync::Arc<crate::nfs::Counts>>,
}

/// What one moment looks like.
#[derive(Debug)]
struct Moment {
    done: Metrics,
    jobs: JobCounts,
    sessions: Vec<(String, u64)>,
    /// Requests, by their method and how they ended.
    requests: Option<Vec<(&'static str, &'static str, u64)>>,
    #[cfg(all(feature = "nfs", unix))]
    nfs: Option<std::sync::Arc<crate::nfs::Counts>>,
    #[cfg(target_os = "linux")]
    process: Option<super::process::Process>,
}

/// What there is none of is 0, and not absent: so a figure is there before it grows.
const STATES: [&str; 5] = ["open", "committing", "conflicted", "dead", "lost"];
const OUTCOMES: [&str; 7] =
    ["succeeded", "failed", "trapped", "limited", "killed", "rejected", "refused"];
const LIMITS: [&str; 9] =
    ["memory", "time", "cpu", "handles", "disk", "files", "output", "sessions", "free-space"];
const INTO: [&str; 2] = ["base", "session"];
const ENDS: [&str; 4] = ["landed", "unchanged", "failed", "stopped"];

impl Exposition {
    /// Of this home, and of what this process does in it.
    pub fn new(supervisor: Supervisor) -> Self {
        Self {
            supervisor,
            #[cfg(feature = "grpc")]
            grpc: None,
            #[cfg(all(feature = "nfs", unix))]
            nfs: None,
        }
    }

    /// And of what this process answers by gRPC.
    #[cfg(feature = "grpc")]
    pub fn with_grpc(mut self, counts: crate::grpc::Counts) -> Self {
        self.grpc = Some(counts);
        self
    }

    /// And of what this process answers by NFS.
    #[cfg(all(feature = "nfs", unix))]
    pub fn with_nfs(mut self, counts: std::sync::Arc<crate::nfs::Counts>) -> Self {
        self.nfs = Some(counts);
        self
    }

    /// Its media type.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// The figures as they are now. Jobs and sessions are those of the home, as its queue and its
    /// index know them; what is counted is what this process has done.
    ///
    /// # Errors
    /// The queue's and the index's.
    pub fn write(&self) -> Result<String, SuperviseError> {
        let moment = Moment {
            done: self.supervisor.brio().metrics(),
            jobs: self.supervisor.job_counts()?,
            sessions: self.supervisor.session_counts()?,
            #[cfg(feature = "grpc")]
            requests: self.grpc.as_ref().map(crate::grpc::Counts::now),
            #[cfg(not(feature = "grpc"))]
            requests: None,
            #[cfg(all(feature = "nfs", unix))]
            nfs: self.nfs.clone(),
            #[cfg(target_os = "linux")]
            process: super::process::Process::now()
                .inspect_err(|error| tracing::warn!(%error, "/proc cannot be read"))
                .ok(),
        };
        Ok(written(moment))
    }
}

fn written(moment: Moment) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(moment));
    let mut written = String::new();
    // A string takes whatever is written to it.
    let _ = text::encode(&mut written, &registry);
    written
}

/// Writes families, one after the other.
pub(super) struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        n: u64,
    ) -> fmt::Result {
        self.one(name, help, unit, &ConstCounter::new(n))
    }

    pub(super) fn one(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        metric: &dyn EncodeMetric,
    ) -> fmt::Result {
        let family = self.0.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?;
        metric.encode(family)
    }

    pub(super) fn labelled<'n>(
        &mut self,
        (name, help, kind): (&str, &str, MetricType),
        label: &'static str,
        known: &[&'n str],
        counts: impl Iterator<Item = (&'n str, u64)>,
    ) -> fmt::Result {
        let mut all: BTreeMap<_, _> = known.iter().map(|value| (*value, 0)).collect();
        all.extend(counts);
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, n) in all {
            let labels = [(label, value)];
            let one = family.encode_family(&labels)?;
            match kind {
                MetricType::Gauge => ConstGauge::new(n).encode(one)?,
                _ => ConstCounter::new(n).encode(one)?,
            }
        }
        Ok(())
    }

    fn counted(
        &mut self,
        (name, help): (&str, &str),
        label: &'static str,
        known: &[&'static str],
        counts: &Counts,
    ) -> fmt::Result {
        let counts = counts.iter().map(|(value, n)| (*value, *n));
        self.labelled((name, help, MetricType::Counter), label, known, counts)
    }

    fn times(&mut self, name: &str, help: &str, times: &Histogram) -> fmt::Result {
        let bounds = Histogram::BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(times.counts).collect();
        let count = times.counts.iter().sum();
        let sum = times.sum.as_secs_f64();
        let unit = Some(Unit::Seconds);
        let mut family =
            self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?;
        family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

impl Collector for Moment {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut all = Families(encoder);
        let done = &self.done;
        let gauge = MetricType::Gauge;
        let what = "Sessions of the home that have not ended, as its index knows them";
        let states = self.sessions.iter().map(|(name, n)| (name.as_str(), *n));
        all.labelled(("brio_sessions", what, gauge), "state", &STATES, states)?;
        let what = "Jobs of the home that have not ended, whoever works on them";
        let JobCounts { queued, running, waiting } = self.jobs;
        let jobs = [("queued", queued), ("running", running), ("waiting", waiting)];
        all.labelled(("brio_jobs", what, gauge), "state", &[], jobs.into_iter())?;
        let what = "Jobs that this process brought to an end, by the kind of that";
        all.counted(("brio_jobs_ended", what), "kind", &ENDS, &done.jobs)?;
        let what = "Attempts of jobs that another one follows";
        all.counter("brio_job_retries", what, None, done.retries)?;

        let what = "Runs of agents and commands that are over, by how they ended";
        all.counted(("brio_runs", what), "outcome", &OUTCOMES, &done.runs)?;
        all.times("brio_run_duration", "How long runs took", &done.run_time)?;
        let what = "Limits that ended a run, or refused it something";
        all.counted(("brio_limits_hit", what), "limit", &LIMITS, &done.limits)?;
        let (what, bytes) = ("Written by runs into their sessions", Some(Unit::Bytes));
        all.counter("brio_session_written", what, bytes.clone(), done.bytes_written)?;

        let what = "Landings, by what they landed in: the base, or the parent of a session";
        all.counted(("brio_landings", what), "into", &INTO, &done.landings)?;
        let what = "How long landings in a base took, until they were durable";
        all.times("brio_landing_duration", what, &done.landing_time)?;
        let what = "Of the files that landings in a base brought";
        all.counter("brio_landed", what, bytes, done.bytes_landed)?;
        all.counter("brio_conflicts", "Commits that were conflicts", None, done.conflicts)?;
        let what = "Commits that did not land and were no conflict, by the code of why";
        all.counted(("brio_commits_refused", what), "code", &[], &done.refusals)?;

        for name in [CONFLICTS_METRIC, CONFLICTS_METRIC_ALIAS] {
            // What is counted ends so, and the format adds that.
            let name = name.strip_suffix("_total").unwrap_or(name);
            let lww = [(Resolution::Lww.as_str(), done.record_conflicts)].into_iter();
            let family = (name, CONFLICTS_HELP, MetricType::Counter);
            all.labelled(family, "resolution", &[], lww)?;
        }

        if let Some(requests) = &self.requests {
            let what =
                "Requests by gRPC that are over, by their method and the name of their status";
            let (name, kind) = ("brio_grpc_requests", MetricType::Counter);
            let mut family = all.0.encode_descriptor(name, what, None, kind)?;
            for (method, code, n) in requests {
                let labels = [("method", *method), ("code", *code)];
                ConstCounter::new(*n).encode(family.encode_family(&labels)?)?;
            }
        }

        #[cfg(all(feature = "nfs", unix))]
        if let Some(nfs) = &self.nfs {
            super::exports::encode(&mut all, nfs)?;
        }

        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let mut info =
            all.0.encode_descriptor("brio_build", "This brio", None, MetricType::Info)?;
        info.encode_info(&version)?;
        #[cfg(target_os = "linux")]
        if let Some(process) = &self.process {
            process.encode(&mut all)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn conflicts_of_the_record_are_counted_under_both_names() {
        for n in [0, 7] {
            let mut done = Metrics::default();
            done.record_conflicts = n;
            let moment = Moment {
                done,
                jobs: JobCounts::default(),
                sessions: Vec::new(),
                requests: None,
                #[cfg(all(feature = "nfs", unix))]
                nfs: None,
                #[cfg(target_os = "linux")]
                process: None,
            };
            let text = written(moment);
            for name in ["brio_session_conflicts", "brain_session_conflicts"] {
                let family = format!(
                    "# HELP {name} Total number of version conflicts detected\n\
                     # TYPE {name} counter\n\
                     {name}_total{{resolution=\"lww\"}} {n}\n"
                );
                assert!(text.contains(&family), "{text}");
            }
            assert!(text.ends_with("# EOF\n"), "{text}");
        }
    }
}
