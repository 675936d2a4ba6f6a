//! `brio serve`
mod events;
mod grpc;
mod mcp;
#[cfg(unix)]
mod nfs;
mod status;
pub(crate) mod systemd;
mod unit;

use std::net::SocketAddr;
use std::sync::Arc;

use brio_host::{ServerState, Supervisor, WorkOptions};
use brio_server::metrics::{Endpoint, Exposition, Serving};

use crate::commands::task::{Called, event};
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::ui::Ui;
use systemd::Manager;

/// Work on the queue of tasks until it is stopped.
///
/// One process does so for a home. Ctrl-C, SIGTERM or `brio serve --stop` ends it: what runs then
/// is put back, and done by the next one. When it is killed, the next one goes on; a task lands at
/// most once, and no session is left. A systemd that started it is told when it is ready, how it
/// is, and that it lives (`--unit`).
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("instead").multiple(false)))]
pub(crate) struct Serve {
    /// Tasks that run at once; as many as there are processors when left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: Option<u16>,
    /// Where agents' code runs: also in a process of its own (process), or in this one, kept by
    /// WebAssembly alone (wasm) [default: process, and wasm where the system has none].
    #[arg(long, value_name = "wasm|process")]
    sandbox: Option<String>,
    /// Run no agent but in a process of its own from which nothing is lacking.
    #[arg(long)]
    require_sandbox: bool,
    /// Serve figures for Prometheus at this address, as 127.0.0.1:9464: `GET /metrics`. Port 0 is any
    /// that is free.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// The address may be one that other machines reach. Nobody is asked who they are.
    #[arg(long, requires = "metrics")]
    metrics_public: bool,
    #[command(flatten)]
    mcp: mcp::McpArgs,
    #[cfg(unix)]
    #[command(flatten)]
    nfs: nfs::NfsArgs,
    #[command(flatten)]
    grpc: grpc::GrpcArgs,
    /// End the one that serves this home.
    #[arg(long, group = "instead", conflicts_with_all = ["jobs", "metrics", "mcp", "grpc", "nfs", "sandbox", "require_sandbox"])]
    stop: bool,
    /// Say how the one that serves this home is. The status is 1 when nobody does.
    #[arg(long, group = "instead", conflicts_with_all = ["jobs", "metrics", "mcp", "grpc", "nfs", "sandbox", "require_sandbox"])]
    status: bool,
    /// Show what happens to tasks, as the one that serves this home tells it, until Ctrl-C.
    ///
    /// It may end and begin again meanwhile. Where nobody serves, the beginnings and ends of tasks
    /// are read from the queue.
    #[arg(long, group = "instead", conflicts_with_all = ["jobs", "metrics", "mcp", "grpc", "nfs", "sandbox", "require_sandbox"])]
    events: bool,
    /// With --status: print `{schema, served, pid, version, since, jobs: {queued, running,
    /// waiting}, sessions, nfs}`. With --events: print `{schema, event, …}` a line.
    #[arg(long)]
    json: bool,
    /// Print a systemd unit that serves this home with these options, for
    /// ~/.config/systemd/user/brio.service.
    #[arg(long, group = "instead")]
    unit: bool,
}

impl Serve {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        if self.json && !self.status && !self.events {
            return Err(Failure::new("USAGE", "--json goes with --status or --events")
                .hint("`brio serve --help` says what it takes"));
        }
        if self.unit {
            ui.data(unit::unit(&Places::from_env()?, &self.options())?)?;
            return Ok(Exit::Ok);
        }
        let supervisor = match self.stop || self.status || self.events {
            true => open::supervisor()?,
            false => open::server(ui, self.sandbox.as_deref(), self.require_sandbox)?,
        };
        if self.stop {
            match supervisor.stop_server() {
                Some(pid) => ui.say(format_args!("process {pid} ends")),
                None => ui.say("nobody serves this home"),
            }
            return Ok(Exit::Ok);
        }
        if self.status {
            return status::status(ui, &supervisor, self.json);
        }
        if self.events {
            return events::follow(ui, supervisor, self.json);
        }
        self.serve(ui, &supervisor)
    }

    /// How it is to serve, as arguments.
    fn options(&self) -> Vec<String> {
        let jobs = self.jobs.map(|jobs| ["--jobs".to_owned(), jobs.to_string()]);
        let metrics = self.metrics.map(|at| ["--metrics".to_owned(), at.to_string()]);
        let public = self.metrics_public.then(|| "--metrics-public".to_owned());
        let sandbox = self.sandbox.clone().map(|sandbox| ["--sandbox".to_owned(), sandbox]);
        let required = self.require_sandbox.then(|| "--require-sandbox".to_owned());
        let pairs = jobs.into_iter().chain(metrics).chain(sandbox).flatten();
        pairs
            .chain(public)
            .chain(self.mcp.options())
            .chain(self.grpc.options())
            .chain(self.nfs.options())
            .chain(required)
            .collect()
    }

    fn serve(self, ui: &Ui, supervisor: &Supervisor) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch()?;
        let manager = Manager::from_env();
        let of_events = *ui;
        let called = Called { supervisor: supervisor.clone(), only: None, by_name: false };
        let mut options = WorkOptions {
            events: Arc::new(move |e| event(&of_events, &e, &called)),
            ..WorkOptions::default()
        };
        if let Some(jobs) = self.jobs {
            options.jobs = jobs.into();
        }
        let mut endpoint =
            self.metrics.map(|at| Endpoint::bind(at, self.metrics_public)).transpose()?;
        let mut metrics = None;
        let mut clients = self.mcp.prepare(supervisor)?;
        let mut exports = self.nfs.prepare(supervisor)?;
        let mut programs = self.grpc.prepare(supervisor, exports.is_some())?;
        let counts = programs.as_ref().map(grpc::Clients::counts);
        let (mut serving, mut answering, mut exported) = (None, None, None);
        supervisor.serve(options, &interrupt.token(), |state| match state {
            ServerState::Ready => {
                ui.say("serving; Ctrl-C ends it, and what runs is put back");
                exported = exports.take().and_then(|exports| exports.serve(ui));
                let files = exported.as_ref().map(|exported| exported.counts().clone());
                metrics = endpoint.take().and_then(|at| {
                    let figures = Exposition::new(supervisor.clone());
                    let figures = counts.iter().cloned().fold(figures, Exposition::with_grpc);
                    publish(ui, at, files.into_iter().fold(figures, Exposition::with_nfs))
                });
                serving = clients.take().and_then(|clients| clients.serve(ui));
                answering = programs.take().and_then(|programs| programs.serve(ui));
                manager.ready(supervisor, &interrupt.token());
            }
            ServerState::Stopping => manager.stopping(),
            _ => {}
        })?;
        drop((metrics, serving, answering, exported));
        Ok(Exit::Ok)
    }
}

/// Begins to answer who asks for metrics. Tasks are worked on all the same where that fails.
fn publish(ui: &Ui, endpoint: Endpoint, figures: Exposition) -> Option<Serving> {
    let address = endpoint.address();
    match endpoint.serve(figures) {
        Ok(serving) => {
            ui.say(format_args!("metrics: http://{address}/metrics"));
            Some(serving)
        }
        Err(e) => {
            ui.warn(format_args!("there are no metrics at {address}: {e}"));
            None
        }
    }
}
