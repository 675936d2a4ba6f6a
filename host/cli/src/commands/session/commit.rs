//! `brio session commit`

use brio_host::stores::OnHead;
use brio_host::{ChangeSet, CommitError, CommitOptions, Isolation, Landed, Policy, SessionId};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{Changes, Committed, Error, SCHEMA};
use crate::lower::Tree as Head;
use crate::open;
use crate::summary::{landed_stat, names};
use crate::ui::Ui;

/// Land a session in its base, in its parent, or on the head of its project in a store: all of it
/// or nothing.
///
/// A conflict changes nothing and keeps the session; the message names every path, what each
/// side did, and who. `--policy merge` merges texts that were changed in different places, modes
/// with contents, and what both made the same; `brio session resolve` is the way for the rest.
#[derive(Debug, clap::Args)]
pub(crate) struct Commit {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Why, for the journal.
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Stop a run that is live in it first, instead of refusing.
    #[arg(long)]
    stop: bool,
    /// Land although the machine went down before the session was synced.
    #[arg(long)]
    accept_unclean: bool,
    /// What becomes of paths that others changed as well: nothing lands (reject), what nobody
    /// could dispute is merged (merge), or ours lands whatever stands there (last-write-wins).
    #[arg(long, value_name = "POLICY", default_value = "reject")]
    policy: Policy,
    /// What is validated [default: what the session began with, which is the most].
    #[arg(long, value_name = "snapshot|serializable")]
    isolation: Option<Isolation>,
    /// Land its open children first, oldest first; the first conflict ends it.
    #[arg(long)]
    cascade: bool,
    /// Print `{schema, session, result, landing, head, children, changes, notes, error}`. head is
    /// `{store, project, position, tree}` where it landed on one, else null. An error is `{code,
    /// message, paths, conflicts: [{path, base, ours: {change, version}, theirs: {by, what,
    /// landing, session, goal, version}, unmerged}]}`; base and version are `{kind, mode, size,
    /// sha256}`, or null where nothing is there.
    #[arg(long)]
    json: bool,
}

impl Commit {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let options = CommitOptions {
            message: self.message,
            stop: self.stop,
            accept_unclean: self.accept_unclean,
            cascade: self.cascade,
            policy: self.policy,
            isolation: self.isolation,
            sealed: None,
        };
        let id = session.id().to_string();
        let of_task = open::asked_about(&session);
        match session.commit(options) {
            Ok(landed) => {
                open::ended_by_hand(&id, of_task);
                let unchanged = landed.landing.is_none() && landed.parent.is_none();
                for warning in &landed.warnings {
                    ui.warn(warning);
                }
                if self.json {
                    ui.json(&Committed {
                        schema: SCHEMA,
                        session: id,
                        result: Some(if unchanged { "unchanged" } else { "landed" }),
                        landing: landed.landing,
                        head: landed.head.as_ref().map(|h| Head::from(&h.tree)),
                        children: ids(&landed.children),
                        changes: Changes::from(&landed.changes),
                        notes: names(&landed.notes),
                        error: None,
                    })?;
                    return Ok(Exit::Ok);
                }
                for child in &landed.children {
                    ui.say(format_args!("landed: {child} in its parent"));
                }
                if unchanged {
                    ui.say(format_args!("unchanged: {id} had nothing to land"));
                } else {
                    say_landed(ui, &id, &landed, &landed.changes);
                }
                Ok(Exit::Ok)
            }
            Err(e) => {
                let failure = Failure::from(&e);
                if self.json {
                    let conflict = failure.code == "CONFLICT";
                    ui.json(&Committed {
                        schema: SCHEMA,
                        session: id,
                        result: Some(if conflict { "conflicted" } else { "kept" }),
                        landing: None,
                        head: None,
                        children: match &e {
                            CommitError::Cascade { landed, .. } => ids(landed),
                            _ => Vec::new(),
                        },
                        changes: session.changes().map(|c| Changes::from(&c)).unwrap_or_default(),
                        notes: Vec::new(),
                        error: Some(Error::from(&failure)),
                    })?;
                }
                Err(failure)
            }
        }
    }
}

fn ids(sessions: &[SessionId]) -> Vec<String> {
    sessions.iter().map(ToString::to_string).collect()
}

/// Tells where something landed.
pub(crate) fn say_landed(ui: &Ui, id: &str, landed: &Landed, changes: &ChangeSet) {
    let stat = landed_stat(changes, &landed.notes);
    match (landed.landing, &landed.parent) {
        (_, Some(parent)) => ui.say(format_args!("landed: {id} in its parent {parent} ({stat})")),
        (Some(n), None) => match landed.head.as_deref() {
            Some(OnHead { tree, followed, .. }) => {
                ui.say(format_args!("landed: {id} at position {n} of {} ({stat})", tree.project));
                ui.say(format_args!("new tree: {}", tree.tree));
                if let Some(landing) = followed {
                    ui.say(format_args!("this directory followed, by landing {landing} here"));
                }
            }
            None => ui.say(format_args!("landed: {id} as landing {n} ({stat})")),
        },
        (None, None) => ui.say(format_args!("landed: {id} ({stat})")),
    }
}
