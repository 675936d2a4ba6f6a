//! What landed: the log, and undo.

use std::path::Path;

use brio_host::{DomainError, UndoOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sessions::{PolicyWord, short};
use super::{Does, ToolDef, tool};
use crate::mcp::desk::{Caller, Desk};
use crate::mcp::failure::Failure;
use crate::mcp::json::{self, Changes, Landing};

/// Landings that are listed, when nobody says how many and at most.
const LANDINGS: usize = 20;
const MOST_LANDINGS: usize = 500;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![
        tool(
            ("log", "List landings"),
            "Lists what landed in a base, newest first, with the number that `undo` takes.",
            Does::Reads,
            log,
        ),
        tool(
            ("undo", "Undo a landing"),
            "Undoes a landing: puts back what it replaced and removed, and takes away what it \
             added. The undo is a landing of its own, all of it or nothing, and can be undone in \
             turn. When something changed the same paths since, nothing happens and the error \
             CONFLICT names them.",
            Does::Changes,
            undo,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Log {
    /// The directory: absolute, or relative to the server's first base. That base when left out.
    base: Option<String>,
    /// At most so many; 20 when left out.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// Only those that changed this path, or something below it, relative to the base.
    path: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Landings {
    landings: Vec<Landing>,
}

fn log(desk: &Desk, _: &Caller, asked: Log) -> Result<Landings, Failure> {
    let base = desk.base(asked.base.as_deref())?;
    let limit = asked.limit.unwrap_or(LANDINGS);
    if limit == 0 || limit > MOST_LANDINGS {
        return Err(Failure::new("USAGE", format!("limit is 1 to {MOST_LANDINGS}")));
    }
    let path = match asked.path {
        Some(path) => {
            let plain = Path::new(&path).components();
            let inside =
                |c| matches!(c, std::path::Component::Normal(_) | std::path::Component::CurDir);
            if path.contains('\0') || !plain.into_iter().all(inside) {
                return Err(brio_host::FileToolError::InvalidPath(path).into());
            }
            Some(base.join(path))
        }
        // Of a base that lands with one above it, only what is its own.
        None if !desk.may_use(&desk.brio.root_of(&base)?) => Some(base.clone()),
        None => None,
    };
    let log = desk.brio.log(&base, Some(limit), path.as_deref())?;
    Ok(Landings { landings: log.landings.iter().map(Landing::from).collect() })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Undo {
    /// The landing's number; `log` lists them.
    landing: u64,
    /// The directory: absolute, or relative to the server's first base. That base when left out.
    base: Option<String>,
    /// Why, for the log.
    message: Option<String>,
    /// What becomes of paths that were changed since: nothing happens (reject), what touches no
    /// later change of a text is taken back (merge), or what was there before is put back
    /// (last-write-wins).
    #[serde(default)]
    policy: PolicyWord,
}

#[derive(Serialize, JsonSchema)]
struct Undone {
    /// The landing that is undone.
    undo_of: u64,
    /// `landed`, or `unchanged`: nothing of it was left to undo.
    result: &'static str,
    /// The landing that undid it.
    landing: Option<u64>,
    changes: Changes,
    /// Notes that it put back, by path.
    notes: Vec<String>,
    /// What a person should know.
    warnings: Vec<String>,
}

fn undo(desk: &Desk, caller: &Caller, asked: Undo) -> Result<Undone, Failure> {
    let base = desk.base(asked.base.as_deref())?;
    // It could change what lies beside the base.
    if desk.root(&base)?.is_none() {
        return Err(DomainError::NoDomain { path: base }.into());
    }
    let message = short(asked.message, "message")?;
    let options =
        UndoOptions { message, agent: caller.client.clone(), policy: asked.policy.into() };
    let landed = desk.brio.undo(&base, asked.landing, &options).map_err(|e| Failure::from(&e))?;
    Ok(Undone {
        undo_of: asked.landing,
        result: if landed.landing.is_some() { "landed" } else { "unchanged" },
        landing: landed.landing,
        changes: Changes::from(&landed.changes),
        notes: json::notes(&landed.notes),
        warnings: landed.warnings.iter().map(ToString::to_string).collect(),
    })
}
