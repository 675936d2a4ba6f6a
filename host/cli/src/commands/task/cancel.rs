//! `brio task cancel`

use brio_host::tasks::JobState;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// End a task: what runs is stopped, and nothing of it is left.
///
/// One that has landed by then stays landed, and what it does after that is done; `brio task wait`
/// says how it ended.
#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// The task; a unique prefix is enough.
    id: String,
}

impl Cancel {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let supervisor = open::supervisor()?;
        let job = open::task(&supervisor, &self.id)?;
        if supervisor.cancel(&job.id)? {
            let woken = supervisor.wake();
            ui.say(format_args!("{} is being cancelled", job.id));
            match job.state {
                _ if woken.is_some() => {}
                JobState::Running => ui.say(
                    "whoever works on it stops; if that process is gone, `brio serve` removes \
                     what it left",
                ),
                _ => ui.say("whoever works on the queue next ends it: `brio serve`"),
            }
        } else {
            ui.say(format_args!("{} had ended", job.id));
        }
        Ok(Exit::Ok)
    }
}
