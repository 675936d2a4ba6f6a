//! `brio project`

pub(crate) mod checkout;
pub(crate) mod fsck;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod migrate;
pub(crate) mod state;
pub(crate) mod status;

use std::path::PathBuf;

use brio_host::project::NotesServer;
use brio_host::stores::Updated;

use crate::failure::Failure;
use crate::ui::Ui;

/// A server, as flags name it.
fn server(
    url: String,
    project: Option<String>,
    token_file: Option<PathBuf>,
    insecure: bool,
) -> Result<NotesServer, Failure> {
    let absolute = |file: PathBuf| {
        let file = std::path::absolute(&file).ok().filter(|file| file.to_str().is_some());
        file.ok_or_else(|| {
            Failure::new("NOTES_SERVER", "the token's file has no name that can be written down")
                .hint("give one of which the path is UTF-8")
        })
    };
    Ok(NotesServer { url, project, token_file: token_file.map(absolute).transpose()?, insecure })
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// Says what an update of a directory did.
fn told_of_update(ui: &Ui, done: &Updated) {
    if let Some(landing) = done.landing {
        ui.say(format_args!("followed: what others landed, by landing {landing} here"));
    }
    for path in &done.kept {
        ui.warn(format_args!(
            "{path} was changed here and on the head too; it stays as it is here, and \
             `brio project import` would land that"
        ));
    }
}
