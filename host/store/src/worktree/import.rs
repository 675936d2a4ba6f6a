//! What a directory holds, landed on a project's head.

use super::{Scan, WorktreeResult};
use crate::{Landing, Project, Why};

/// Lands what a directory holds: what it has, and the tree that it was compared with does not,
/// is added, what it does not have any more is removed. Where it is as the tree, nothing is
/// asked of the store. Where the head moved since, it lands beside what others landed, or is
/// told in which paths it conflicts.
///
/// # Errors
/// The store's.
pub async fn import(project: &Project, scan: Scan, why: &Why) -> WorktreeResult<Landing> {
    if scan.edits.is_empty() {
        return Ok(Landing::Unchanged);
    }
    Ok(project.land(scan.base, &scan.edits, why, scan.upload).await?)
}
