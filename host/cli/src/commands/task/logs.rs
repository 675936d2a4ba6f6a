//! `brio task logs`

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::time::Duration;

use brio_host::tasks::JobState;

use super::told;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::ui::Ui;

/// How often is looked for more.
const POLL: Duration = Duration::from_millis(200);

/// Print what the parts of a task printed, a line each with the part's name before it.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// The task; a unique prefix is enough.
    id: String,
    /// Go on until the task has ended.
    #[arg(short, long)]
    follow: bool,
}

impl Logs {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let supervisor = open::supervisor()?;
        let interrupt = Interrupt::watch()?;
        let job = open::task(&supervisor, &self.id)?;
        if self.follow {
            told::unattended(ui, &supervisor, &job);
        }
        let id = job.id;
        let path = supervisor.log(&id);
        let fail = |e: std::io::Error| Failure::new("IO", format!("{}: {e}", path.display()));
        let mut file = None;
        loop {
            // Looked at before the log: what is written after its end is nothing.
            let ended = supervisor.job(&id)?.state == JobState::Done;
            if file.is_none() {
                file = match File::open(&path) {
                    Ok(file) => Some(file),
                    Err(e) if e.kind() == ErrorKind::NotFound => None,
                    Err(e) => return Err(fail(e)),
                };
            }
            if let Some(file) = &mut file {
                let mut more = Vec::new();
                file.read_to_end(&mut more).map_err(fail)?;
                ui.foreign(&more)?;
            }
            if ended || !self.follow || interrupt.happened() {
                if file.is_none() {
                    ui.say("nothing was printed yet");
                }
                return Ok(Exit::Ok);
            }
            std::thread::sleep(POLL);
        }
    }
}
