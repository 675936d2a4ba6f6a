//! How a session stands, the states that it can be put back to, and conflicts settled by hand.

use brio_host::{RelPath, ResolveOptions, SessionHandle, Take};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Does, ToolDef, tool};
use crate::mcp::desk::{Caller, Desk};
use crate::mcp::failure::Failure;
use crate::mcp::json::{Checkpoint, ShownSession};
use crate::mcp::watch::News;

/// Sides that are taken in one call.
const MOST_TAKES: usize = 10_000;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![
        tool(
            ("session_show", "Show a session"),
            "Shows a session: what it is for, which files and notes it changed, its checkpoints, \
             and what others changed of the same since (`drift`: a commit would be a CONFLICT).",
            Does::Reads,
            show,
        ),
        tool(
            ("checkpoint", "Make a checkpoint"),
            "Remembers a session's state, files and notes, under a name, to come back to it with \
             `restore`. Nothing is copied. Make one before a change that may not work out.",
            Does::Adds,
            checkpoint,
        ),
        tool(
            ("restore", "Restore a checkpoint"),
            "Puts a session back to a checkpoint. The state that it leaves becomes the checkpoint \
             `before-restore`: restoring that takes the restore back.",
            Does::Changes,
            restore,
        ),
    ]
}

pub(super) fn settling() -> Vec<ToolDef> {
    vec![tool(
        ("resolve", "Resolve conflicts"),
        "Brings a session onto its base as it is now, and keeps it open, so that it can be \
         committed after a CONFLICT. Texts in which both sides changed the same lines get conflict \
         markers: edit them, then commit. What has no text form (binary files, a removal against \
         an edit) must be chosen in `take`; until all of that is, nothing changes and the error \
         CONFLICT names it.",
        Does::Changes,
        resolve,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Show {
    /// The session; a unique beginning of its id is enough.
    session: String,
}

fn show(desk: &Desk, _: &Caller, asked: Show) -> Result<ShownSession, Failure> {
    ShownSession::of(&desk.session(&asked.session)?)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MakeCheckpoint {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// The checkpoint's name, new in this session: letters, digits, `.`, `_` and `-`.
    name: String,
    /// Delete the checkpoint of that name instead.
    #[serde(default)]
    delete: bool,
}

#[derive(Serialize, JsonSchema)]
struct Checkpointed {
    session: String,
    /// The one that was made or restored; null: it was deleted.
    checkpoint: Option<Checkpoint>,
    /// All that the session has now.
    checkpoints: Vec<Checkpoint>,
}

fn told(
    desk: &Desk,
    session: &SessionHandle,
    checkpoint: Option<Checkpoint>,
) -> Result<Checkpointed, Failure> {
    desk.tell(News::Session(session.id().to_string()));
    let checkpoints = session.info()?.checkpoints.iter().map(Checkpoint::from).collect();
    Ok(Checkpointed { session: session.id().to_string(), checkpoint, checkpoints })
}

fn checkpoint(desk: &Desk, _: &Caller, asked: MakeCheckpoint) -> Result<Checkpointed, Failure> {
    let session = desk.session(&asked.session)?;
    let made = Desk::patiently(|| match asked.delete {
        true => session.delete_checkpoint(&asked.name).map(|()| None),
        false => session.checkpoint(&asked.name).map(Some),
    })?;
    told(desk, &session, made.as_ref().map(Checkpoint::from))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Restore {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// The checkpoint's name, as session_show lists it.
    name: String,
}

fn restore(desk: &Desk, _: &Caller, asked: Restore) -> Result<Checkpointed, Failure> {
    let session = desk.session(&asked.session)?;
    let restored = Desk::patiently(|| session.restore(&asked.name))?;
    told(desk, &session, Some(Checkpoint::from(&restored)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Resolve {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// Sides to take. A directory means all below it; the longest path counts.
    #[serde(default)]
    take: Vec<TakeOne>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TakeOne {
    /// The file or directory, relative to the session.
    path: String,
    /// Whose: the session's (ours), the base's as it is now (theirs), what was there before either
    /// change (base).
    side: SideWord,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SideWord {
    /// The session's.
    Ours,
    /// The base's as it is now.
    Theirs,
    /// What was there before either change.
    Base,
}

impl From<SideWord> for Take {
    fn from(word: SideWord) -> Self {
        match word {
            SideWord::Ours => Self::Ours,
            SideWord::Theirs => Self::Theirs,
            SideWord::Base => Self::Base,
        }
    }
}

impl From<Take> for SideWord {
    fn from(take: Take) -> Self {
        match take {
            Take::Ours => Self::Ours,
            Take::Theirs => Self::Theirs,
            Take::Base => Self::Base,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Resolved {
    session: String,
    /// The session sees the base as of this landing now.
    landing: u64,
    /// Files that were merged without a doubt.
    merged: Vec<String>,
    /// Texts that carry conflict markers: edit them before `commit`.
    marked: Vec<String>,
    /// What was settled as `take` said.
    taken: Vec<TakeOne>,
}

fn resolve(desk: &Desk, _: &Caller, asked: Resolve) -> Result<Resolved, Failure> {
    if asked.take.len() > MOST_TAKES {
        return Err(Failure::new("USAGE", format!("take has over {MOST_TAKES} entries")));
    }
    let side = |one: &TakeOne| {
        let path = one.path.trim_start_matches("./").trim_end_matches('/');
        let path = RelPath::new(if path == "." { "" } else { path });
        let invalid = |_| brio_host::FileToolError::InvalidPath(one.path.clone());
        Ok((path.map_err(invalid)?, Take::from(one.side)))
    };
    let takes: Vec<_> = asked.take.iter().map(side).collect::<Result<_, Failure>>()?;
    let session = desk.session(&asked.session)?;
    let options = || ResolveOptions { takes: takes.clone(), stop: false };
    let done = Desk::patiently(|| session.resolve(options()))?;
    desk.tell(News::Session(session.id().to_string()));
    let paths = |paths: &[RelPath]| paths.iter().map(ToString::to_string).collect();
    let taken = |(path, take): &(RelPath, Take)| TakeOne {
        path: path.to_string(),
        side: SideWord::from(*take),
    };
    Ok(Resolved {
        session: session.id().to_string(),
        landing: done.landing,
        merged: paths(&done.merged),
        marked: paths(&done.marked),
        taken: done.taken.iter().map(taken).collect(),
    })
}
