//! Collecting what nothing names any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{AttemptId, Error, Project, Result, doc};

/// No object younger than this is ever removed.
pub const GRACE_MIN: Duration = Duration::from_secs(3600);

/// The ref of the collector.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GcDoc {
    pub(crate) format: u64,
    pub(crate) attempt: AttemptId,
    pub(crate) state: GcState,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
}

/// What a collector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GcState {
    Idle,
    Sweeping,
}

/// How long a writer waits for a sweep, looking each second.
const PATIENCE: u32 = 600;

/// Waits until no sweep is under way.
pub(crate) async fn no_sweep(project: &Project) -> Result<()> {
    let o = project.objects();
    for _ in 0..PATIENCE {
        let Some((bytes, _)) = o.backend.read_ref(&o.keys.gc()).await? else { return Ok(()) };
        let now: GcDoc = doc::decode(&bytes, "gc")?;
        if now.state == GcState::Idle {
            return Ok(());
        }
        project.options().clock.sleep(Duration::from_secs(1)).await;
    }
    Err(Error::Busy { what: "a collection of the store".into(), attempts: PATIENCE })
}
