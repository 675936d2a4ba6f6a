//! Sessions, their diffs, and notes as resources; see `name` for what they are called.

use std::collections::BTreeSet;

use brio_host::project::{NotePath, Notes, Pattern};
use rmcp::ErrorData;
use rmcp::model::{
    ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};

use super::desk::{Desk, Owner};
use super::failure::Failure;
use super::json::{self, Session, ShownSession};
use super::name::{Named, PROJECT, SESSION};
use super::tools;

const SESSION_TYPE: &str = "application/json";
const DIFF_TYPE: &str = "text/x-diff";
const NOTE_TYPE: &str = "text/plain";
/// Sessions, or notes, of one page of the list.
const PAGE: usize = 100;

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{SESSION}{{id}}"), "session")
            .with_title("A session")
            .with_description("What a session is for, how it stands, and which paths it changed.")
            .with_mime_type(SESSION_TYPE),
        ResourceTemplate::new(format!("{SESSION}{{id}}/diff"), "session-diff")
            .with_title("What a session changed")
            .with_description("What a session changed since it began, as a unified diff.")
            .with_mime_type(DIFF_TYPE),
        ResourceTemplate::new(format!("{PROJECT}{{base}}/notes/{{+path}}"), "note")
            .with_title("A note")
            .with_description("A note of the project that a directory belongs to: its text.")
            .with_mime_type(NOTE_TYPE),
        ResourceTemplate::new(format!("{SESSION}{{id}}/notes/{{+path}}"), "session-note")
            .with_title("A note in a session")
            .with_description("A note as a session sees it: its text.")
            .with_mime_type(NOTE_TYPE),
    ]
}

/// What is listed, in this order.
enum Listed {
    Session(Session),
    Note(String, NotePath),
}

/// Where something is in the list: a list goes on there, whatever came and went meanwhile.
pub(super) type Key = (u8, String);

impl Listed {
    fn key(&self) -> Key {
        match self {
            Self::Session(session) => (0, session.id.clone()),
            Self::Note(uri, _) => note_key(uri),
        }
    }
}

pub(super) fn session_key(id: &str) -> Key {
    (0, id.to_owned())
}

pub(super) fn note_key(uri: &str) -> Key {
    (1, uri.to_owned())
}

fn everything(desk: &Desk) -> Result<Vec<Listed>, Failure> {
    let mut all: Vec<_> = tools::open(desk)?.into_iter().map(Listed::Session).collect();
    for root in desk.roots() {
        let project = desk.project(&Owner::Base(root.clone()))?;
        all.extend(project.notes().list(&Pattern::all())?.into_iter().map(|note| {
            let uri = Named::Note(root.clone(), note.path.clone()).to_string();
            Listed::Note(uri, note.path)
        }));
    }
    all.sort_by_cached_key(Listed::key);
    Ok(all)
}

/// All that would be listed.
pub(super) fn keys(desk: &Desk) -> Result<BTreeSet<Key>, Failure> {
    Ok(everything(desk)?.iter().map(Listed::key).collect())
}

/// What comes after `cursor`, which is the last one that was listed.
pub(super) fn list(desk: &Desk, cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let all = everything(desk).map_err(internal)?;
    let after = cursor.map(|c| if c.starts_with(PROJECT) { note_key(c) } else { session_key(c) });
    let mut rest =
        all.into_iter().filter(|one| after.as_ref().is_none_or(|after| one.key() > *after));
    let page: Vec<_> = rest.by_ref().take(PAGE).collect();
    let more = rest.next().is_some();
    let mut listed = ListResourcesResult::with_all_items(page.iter().flat_map(described).collect());
    listed.next_cursor = page.last().filter(|_| more).map(|last| last.key().1);
    Ok(listed)
}

fn described(one: &Listed) -> Vec<Resource> {
    match one {
        Listed::Session(session) => both(session).into(),
        Listed::Note(uri, path) => vec![
            Resource::new(uri, path.as_str())
                .with_title(format!("Note {path}"))
                .with_mime_type(NOTE_TYPE),
        ],
    }
}

fn both(session: &Session) -> [Resource; 2] {
    let uri = |named: Named| named.to_string();
    let about = session.goal.as_deref().unwrap_or("no goal was said");
    [
        Resource::new(uri(Named::Session(session.id.clone())), &session.id)
            .with_title(format!("Session on {}", session.base))
            .with_description(about)
            .with_mime_type(SESSION_TYPE),
        Resource::new(uri(Named::Diff(session.id.clone())), format!("{}/diff", session.id))
            .with_title(format!("What session {} changed", session.id))
            .with_description(about)
            .with_mime_type(DIFF_TYPE),
    ]
}

pub(super) fn read(desk: &Desk, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (text, kind) = match Named::parse(uri).ok_or_else(|| unknown(uri))? {
        Named::Session(id) => (read_session(desk, &id), SESSION_TYPE),
        Named::Diff(id) => (read_diff(desk, &id), DIFF_TYPE),
        Named::NoteOf(id, path) => {
            let owner = desk.session(&id).map(Owner::Session);
            (owner.and_then(|owner| read_note(desk, &owner, &path)), NOTE_TYPE)
        }
        Named::Note(base, path) => {
            let owner = desk.base(Some(&base)).map(Owner::Base);
            (owner.and_then(|owner| read_note(desk, &owner, &path)), NOTE_TYPE)
        }
    };
    let text = text.map_err(|failure| match failure.code.as_str() {
        "SESSION_UNKNOWN" | "SESSION_ENDED" | "SESSION_AMBIGUOUS" | "BASE_REFUSED"
        | "BASE_MISSING" | "NOTE_UNKNOWN" => {
            let what = format!("{}: {}", failure.code, failure.message);
            ErrorData::resource_not_found(what, Some(serde_json::json!({ "uri": uri })))
        }
        _ => internal(failure),
    })?;
    let contents = ResourceContents::text(text, uri).with_mime_type(kind);
    Ok(ReadResourceResult::new(vec![contents]))
}

fn read_session(desk: &Desk, id: &str) -> Result<String, Failure> {
    let session = desk.session(id)?;
    let shown = ShownSession::of(&session)?;
    serde_json::to_string(&shown).map_err(|e| Failure::new("IO", e.to_string()))
}

fn read_diff(desk: &Desk, id: &str) -> Result<String, Failure> {
    let (mut text, truncated) = tools::patch(&desk.session(id)?)?;
    if truncated {
        text.push_str("… the diff goes on: the tool diff shows it by `path`\n");
    }
    Ok(text)
}

/// Nothing is made by looking: a base without a domain has no notes.
fn read_note(desk: &Desk, owner: &Owner, path: &NotePath) -> Result<String, Failure> {
    if let Owner::Base(base) = owner
        && desk.root(base)?.is_none()
    {
        return Err(tools::no_note(path));
    }
    Ok(tools::note(desk.project(owner)?.notes(), path)?.content)
}

/// A stamp of what a resource shows: another one means that it may show something else. `None`:
/// there is nothing to show.
pub(super) fn stamp(desk: &Desk, named: &Named) -> Option<String> {
    let version = |owner: Owner, path: &NotePath| {
        let note = desk.project(&owner).ok()?.notes().read(path).ok()??;
        Some(note.version.to_string())
    };
    match named {
        Named::Session(id) | Named::Diff(id) => {
            let info = desk.session(id).ok()?.info().ok()?;
            let used = (info.used_at.secs, info.used_at.nanos);
            let (children, lease) = (info.children.len(), json::run_word(info.lease));
            Some(format!("{} {used:?} {} {children} {lease}", info.state.as_str(), info.landing))
        }
        Named::NoteOf(id, path) => version(Owner::Session(desk.session(id).ok()?), path),
        Named::Note(base, path) => {
            let base = desk.base(Some(base)).ok()?;
            desk.root(&base).ok()??;
            version(Owner::Base(base), path)
        }
    }
}

pub(super) fn unknown(uri: &str) -> ErrorData {
    let what = format!(
        "{uri} is no resource; brio://session/ID, brio://session/ID/diff, \
         brio://session/ID/notes/PATH and brio://project/BASE/notes/PATH are"
    );
    ErrorData::resource_not_found(what, Some(serde_json::json!({ "uri": uri })))
}

fn internal(failure: Failure) -> ErrorData {
    ErrorData::internal_error(format!("{}: {}", failure.code, failure.message), None)
}
