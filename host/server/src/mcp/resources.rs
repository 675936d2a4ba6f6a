//! Sessions and their diffs as resources: `brio://session/ID`, `brio://session/ID/diff`.

use rmcp::ErrorData;
use rmcp::model::{
    ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde::Serialize;

use super::desk::Desk;
use super::failure::Failure;
use super::json::{self, Changes, Session};
use super::tools;

const SCHEME: &str = "brio://session/";
const SESSION_TYPE: &str = "application/json";
const DIFF_TYPE: &str = "text/x-diff";
/// Sessions of one page of the list.
const PAGE: usize = 100;

/// A session as a resource.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    session: Session,
    /// The landing whose base it sees.
    landing: u64,
    children: Vec<String>,
    isolation: &'static str,
    run: &'static str,
    used_at: String,
    changes: Changes,
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{SCHEME}{{id}}"), "session")
            .with_title("A session")
            .with_description("What a session is for, how it stands, and which paths it changed.")
            .with_mime_type(SESSION_TYPE),
        ResourceTemplate::new(format!("{SCHEME}{{id}}/diff"), "session-diff")
            .with_title("What a session changed")
            .with_description("What a session changed since it began, as a unified diff.")
            .with_mime_type(DIFF_TYPE),
    ]
}

/// The sessions after `cursor`, which is the id of the last one that was listed.
pub(super) fn list(desk: &Desk, cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let mut open = tools::open(desk).map_err(internal)?;
    // By id: where a list goes on does not depend on which sessions are still open.
    open.sort_by(|a, b| a.id.cmp(&b.id));
    let mut after = open.into_iter().filter(|s| cursor.is_none_or(|cursor| s.id.as_str() > cursor));
    let page: Vec<_> = after.by_ref().take(PAGE).collect();
    let more = after.next().is_some();
    let mut listed = ListResourcesResult::with_all_items(page.iter().flat_map(both).collect());
    listed.next_cursor = page.last().filter(|_| more).map(|last| last.id.clone());
    Ok(listed)
}

fn both(session: &Session) -> [Resource; 2] {
    let uri = format!("{SCHEME}{}", session.id);
    let about = session.goal.as_deref().unwrap_or("no goal was said");
    [
        Resource::new(&uri, &session.id)
            .with_title(format!("Session on {}", session.base))
            .with_description(about)
            .with_mime_type(SESSION_TYPE),
        Resource::new(format!("{uri}/diff"), format!("{}/diff", session.id))
            .with_title(format!("What session {} changed", session.id))
            .with_description(about)
            .with_mime_type(DIFF_TYPE),
    ]
}

pub(super) fn read(desk: &Desk, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (id, diff) = parse(uri).ok_or_else(|| unknown(uri))?;
    let (text, kind) = if diff {
        (read_diff(desk, id), DIFF_TYPE)
    } else {
        (read_session(desk, id), SESSION_TYPE)
    };
    let text = text.map_err(|failure| match failure.code.as_str() {
        "SESSION_UNKNOWN" | "SESSION_ENDED" | "SESSION_AMBIGUOUS" | "BASE_REFUSED" => {
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
    let (row, info) = (session.row()?, session.info()?);
    let shown = Shown {
        session: Session::from(&row),
        landing: info.landing,
        children: info.children.iter().map(ToString::to_string).collect(),
        isolation: info.isolation.as_str(),
        run: json::run_word(info.lease),
        used_at: json::of(info.used_at),
        changes: Changes::from(&session.changes()?),
    };
    serde_json::to_string(&shown).map_err(|e| Failure::new("IO", e.to_string()))
}

fn read_diff(desk: &Desk, id: &str) -> Result<String, Failure> {
    let (mut text, truncated) = tools::patch(&desk.session(id)?)?;
    if truncated {
        text.push_str("… the diff goes on: the tool diff shows it by `path`\n");
    }
    Ok(text)
}

/// The id of a session, and whether its diff is meant.
fn parse(uri: &str) -> Option<(&str, bool)> {
    let rest = uri.strip_prefix(SCHEME)?;
    let (id, diff) = match rest.strip_suffix("/diff") {
        Some(id) => (id, true),
        None => (rest, false),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!id.is_empty() && id.len() <= 128 && id.chars().all(plain)).then_some((id, diff))
}

/// A resource's name, if it is one of these.
pub(super) fn normal(uri: &str) -> Option<String> {
    parse(uri).map(|_| uri.to_owned())
}

/// Those of some resources that are about a session; a beginning of its id names it too.
pub(super) fn of_session(id: &str, uris: &[String]) -> Vec<String> {
    let about = |uri: &&String| parse(uri).is_some_and(|(named, _)| id.starts_with(named));
    uris.iter().filter(about).cloned().collect()
}

pub(super) fn unknown(uri: &str) -> ErrorData {
    let what = format!("{uri} is no resource; brio://session/ID and brio://session/ID/diff are");
    ErrorData::resource_not_found(what, Some(serde_json::json!({ "uri": uri })))
}

fn internal(failure: Failure) -> ErrorData {
    ErrorData::internal_error(format!("{}: {}", failure.code, failure.message), None)
}
