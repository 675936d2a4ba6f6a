//! `brio session say`

use std::io::Read;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// As much is read: more is more than a line of the journal takes, which is told.
const MOST: u64 = 1 << 20;

/// Write to the journal what you have to say in an open session.
///
/// It is a line of the conversation, under your name, and stays when the session is gone:
/// `brio journal --session ID` shows it.
#[derive(Debug, clap::Args)]
pub(crate) struct Say {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// What, in one or more words; - reads it from standard input.
    #[arg(required = true)]
    text: Vec<String>,
}

impl Say {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let text = match self.text.as_slice() {
            [dash] if dash == "-" => read()?,
            words => words.join(" "),
        };
        session.say(&person(), &text)?;
        ui.say(format_args!("written to the journal of {}", session.id()));
        Ok(Exit::Ok)
    }
}

fn read() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MOST).read_to_string(&mut text);
    read.map_err(|e| {
        Failure::new("USAGE", format!("standard input: {e}")).hint("it takes text in UTF-8")
    })?;
    Ok(text.trim_end().to_owned())
}

/// Who sits here, as far as the environment says.
pub(super) fn person() -> String {
    let name = ["USER", "LOGNAME"].into_iter().find_map(|key| std::env::var(key).ok());
    name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "a person".into())
}
