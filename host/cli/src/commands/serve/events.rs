//! `brio serve --events`

use brio_host::tasks::Event;
use brio_host::{Supervisor, Update};
use serde::Serialize;

use crate::commands::task::{Called, lines};
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::interrupt::Interrupt;
use crate::json::SCHEMA;
use crate::ui::Ui;

#[derive(Serialize)]
struct Json<'a> {
    schema: u32,
    #[serde(flatten)]
    update: &'a Update,
}

/// Shows what happens, until a signal comes.
pub(super) fn follow(ui: &Ui, supervisor: Supervisor, json: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::watch()?;
    let updates = supervisor.subscribe(&interrupt.token())?;
    let called = Called { supervisor, only: None, by_name: false };
    for update in updates {
        if json {
            ui.json(&Json { schema: SCHEMA, update: &update })?;
            continue;
        }
        for line in told(&update, &called) {
            ui.line(line)?;
        }
    }
    Ok(Exit::Ok)
}

fn told(update: &Update, called: &Called) -> Vec<String> {
    match update {
        Update::Serving { pid, version } => {
            vec![format!("process {pid} serves this home, brio {version}")]
        }
        Update::Unserved { message } => vec![format!(
            "nobody serves this home ({}); what becomes of tasks is read from the queue",
            one_line(message)
        )],
        Update::Missed { count } => vec![format!("{count} events were missed")],
        Update::Event(Event::Error { job, code, message }) => {
            let of = job.as_ref().map_or_else(String::new, |job| format!("{job}: "));
            let message = message.strip_prefix(&format!("{code}: ")).unwrap_or(message);
            vec![format!("{of}error: {code}: {}", one_line(message))]
        }
        Update::Event(event) => lines(event, called),
        _ => Vec::new(),
    }
}
