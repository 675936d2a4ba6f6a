//! `brio serve`

use std::sync::Arc;

use brio_host::WorkOptions;

use crate::commands::task::{Called, event};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::ui::Ui;

/// Work on the queue of tasks until it is stopped.
///
/// One process does so for a home. Ctrl-C, SIGTERM or `brio serve --stop` ends it: what runs then
/// is put back, and done by the next one. When it is killed, the next one goes on; a task lands at
/// most once, and no session is left.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Tasks that run at once; as many as there are processors when left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: Option<u16>,
    /// End the one that serves this home.
    #[arg(long, conflicts_with = "jobs")]
    stop: bool,
}

impl Serve {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let supervisor = open::supervisor()?;
        if self.stop {
            match supervisor.stop_server() {
                Some(pid) => ui.say(format_args!("process {pid} ends")),
                None => ui.say("nobody serves this home"),
            }
            return Ok(Exit::Ok);
        }
        let interrupt = Interrupt::watch()?;
        let of_events = *ui;
        let called = Called { supervisor: supervisor.clone(), only: None, by_name: false };
        let mut options = WorkOptions {
            events: Arc::new(move |e| event(&of_events, &e, &called)),
            ..WorkOptions::default()
        };
        if let Some(jobs) = self.jobs {
            options.jobs = jobs.into();
        }
        let ready = || ui.say("serving; Ctrl-C ends it, and what runs is put back");
        supervisor.serve(options, &interrupt.token(), ready)?;
        Ok(Exit::Ok)
    }
}
