//! Beginning, listing and ending sessions.

use brio_host::{BeginOptions, CommitOptions, Isolation, ListFilter, Metadata, Policy, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Does, ToolDef, tool};
use crate::mcp::desk::{Caller, Desk};
use crate::mcp::failure::Failure;
use crate::mcp::json::{self, Changes, ListedSession, Session};
use crate::waiting::{ended_by_hand, of_task};

/// So many sessions are listed.
const MOST_LISTED: usize = 500;
/// Characters of a goal or a message.
const LONGEST: usize = 4096;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![
        tool(
            ("session_begin", "Begin a session"),
            "Begins a session: a copy-on-write branch of a directory (the base). Nothing is \
             copied. What is written in it is seen by nobody else until `commit` lands all of it \
             at once; `rollback` throws it away. Returns the session's id, which the other tools \
             take.",
            Does::Adds,
            begin,
        ),
        tool(
            ("session_list", "List sessions"),
            "Lists the sessions that are open on this server's bases, oldest first, with what each \
             is to achieve and whether somebody works in it. A session stays open when its client \
             is gone.",
            Does::Reads,
            list,
        ),
    ]
}

pub(super) fn endings() -> Vec<ToolDef> {
    vec![
        tool(
            ("commit", "Commit a session"),
            "Lands a session in its base (or in its parent session): all of it or nothing, \
             durably. When others changed the same paths since it began, nothing lands, the \
             session is kept and the error CONFLICT names every path; `policy` says otherwise. The \
             session has ended when it landed; `undo` takes a landing back.",
            Does::Changes,
            commit,
        ),
        tool(
            ("rollback", "Roll a session back"),
            "Throws a session away, with all that was written in it; that cannot be undone. The \
             base is untouched.",
            Does::Changes,
            rollback,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Begin {
    /// The directory to branch: absolute, or relative to the server's first base. That base when
    /// left out.
    base: Option<String>,
    /// Branch this session instead of a directory; it lands there.
    parent: Option<String>,
    /// What the session is to achieve, in a line; shown to others in conflicts and in the log.
    goal: Option<String>,
    /// What its commit validates besides what it writes: nothing (snapshot), or all that it reads
    /// (serializable). A parent's is kept when left out.
    isolation: Option<IsolationWord>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum IsolationWord {
    Snapshot,
    Serializable,
}

impl From<IsolationWord> for Isolation {
    fn from(word: IsolationWord) -> Self {
        match word {
            IsolationWord::Snapshot => Self::Snapshot,
            IsolationWord::Serializable => Self::Serializable,
        }
    }
}

/// What becomes of paths that others changed as well.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PolicyWord {
    /// Nothing lands.
    #[default]
    Reject,
    /// What nobody could dispute is merged; anything else is refused as with reject.
    Merge,
    /// Ours lands, whatever stands there.
    LastWriteWins,
}

impl From<PolicyWord> for Policy {
    fn from(word: PolicyWord) -> Self {
        match word {
            PolicyWord::Reject => Self::Reject,
            PolicyWord::Merge => Self::Merge,
            PolicyWord::LastWriteWins => Self::LastWriteWins,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Begun {
    /// The id.
    session: String,
    /// The directory that it branches.
    base: String,
    parent: Option<String>,
}

/// A text for one line of a list, which may be too long for that.
pub(super) fn short(text: Option<String>, what: &str) -> Result<Option<String>, Failure> {
    match text {
        Some(text) if text.chars().count() > LONGEST => {
            let what = format!("{what} has over {LONGEST} characters");
            Err(Failure::new("USAGE", what).hint("say it in a line"))
        }
        text => Ok(text),
    }
}

fn begin(desk: &Desk, caller: &Caller, asked: Begin) -> Result<Begun, Failure> {
    let goal = short(asked.goal, "goal")?;
    let metadata = Metadata { goal, agent: caller.client.clone(), ..Metadata::default() };
    let isolation = asked.isolation.map(Isolation::from).unwrap_or_default();
    let options = BeginOptions { metadata, isolation, ..BeginOptions::default() };
    let session = match (&asked.parent, &asked.base) {
        (Some(_), Some(_)) => {
            let what = "base and parent: a session branches a directory or a session";
            return Err(Failure::new("USAGE", what).hint("leave one out"));
        }
        (Some(parent), None) => desk.session(parent)?.begin_child_with(options)?,
        (None, base) => desk.brio.begin_with(&desk.base(base.as_deref())?, options)?,
    };
    let record = session.record()?;
    Ok(Begun {
        session: session.id().to_string(),
        base: session.base()?.display().to_string(),
        parent: record.parent.map(|id| id.to_string()),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Only those of this directory, and of those above and below it that land together with it.
    base: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Sessions {
    sessions: Vec<ListedSession>,
    /// How many there are beyond those that are listed.
    more: u64,
}

fn list(desk: &Desk, _: &Caller, asked: List) -> Result<Sessions, Failure> {
    let base = asked.base.map(|base| desk.base(Some(&base))).transpose()?;
    let mut listed = desk.brio.list(&ListFilter { base, ended: false })?;
    listed.retain(|l| desk.may_use(&l.row.base));
    let more = listed.len().saturating_sub(MOST_LISTED) as u64;
    let sessions = listed.iter().take(MOST_LISTED).map(ListedSession::from).collect();
    Ok(Sessions { sessions, more })
}

/// The sessions that are open on this server's bases.
pub(in crate::mcp) fn open(desk: &Desk) -> Result<Vec<Session>, Failure> {
    let rows = desk.brio.sessions(&ListFilter::default())?;
    Ok(rows.iter().filter(|row| desk.may_use(&row.base)).map(Session::from).collect())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Commit {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// Why, for the log.
    message: Option<String>,
    /// What becomes of paths that others changed as well: nothing lands (reject), what nobody
    /// could dispute is merged (merge), or ours lands whatever stands there (last-write-wins).
    #[serde(default)]
    policy: PolicyWord,
    /// Land its open children first, oldest first.
    #[serde(default)]
    cascade: bool,
}

#[derive(Serialize, JsonSchema)]
struct Committed {
    session: String,
    /// `landed`, or `unchanged`: there was nothing to land, and it has ended.
    result: &'static str,
    /// The landing's number; null: it landed in its parent, or nothing had changed.
    landing: Option<u64>,
    /// Children that landed first.
    children: Vec<String>,
    changes: Changes,
    /// Notes that it changed, by path.
    notes: Vec<String>,
    /// What a person should know.
    warnings: Vec<String>,
}

fn commit(desk: &Desk, _: &Caller, asked: Commit) -> Result<Committed, Failure> {
    let message = short(asked.message, "message")?;
    let session = desk.session(&asked.session)?;
    let of_task = of_task(&session);
    let policy = asked.policy.into();
    let options =
        CommitOptions { message, policy, cascade: asked.cascade, ..CommitOptions::default() };
    let landed = session.commit(options).map_err(|e| Failure::from(&e))?;
    ended_by_hand(&desk.brio, &session, of_task);
    let unchanged = landed.landing.is_none() && landed.parent.is_none();
    Ok(Committed {
        session: session.id().to_string(),
        result: if unchanged { "unchanged" } else { "landed" },
        landing: landed.landing,
        children: ids(&landed.children),
        changes: Changes::from(&landed.changes),
        notes: json::notes(&landed.notes),
        warnings: landed.warnings.iter().map(ToString::to_string).collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rollback {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// Throw its open children away first.
    #[serde(default)]
    cascade: bool,
}

#[derive(Serialize, JsonSchema)]
struct RolledBack {
    session: String,
    /// Children that went first.
    children: Vec<String>,
    bytes_freed: u64,
}

fn rollback(desk: &Desk, _: &Caller, asked: Rollback) -> Result<RolledBack, Failure> {
    let session = desk.session(&asked.session)?;
    let of_task = of_task(&session);
    let (done, children) = match asked.cascade {
        true => session.rollback_cascade(false)?,
        false => (session.rollback(false)?, Vec::new()),
    };
    ended_by_hand(&desk.brio, &session, of_task);
    Ok(RolledBack {
        session: session.id().to_string(),
        children: ids(&children),
        bytes_freed: done.bytes_freed,
    })
}

fn ids(sessions: &[SessionId]) -> Vec<String> {
    sessions.iter().map(ToString::to_string).collect()
}
