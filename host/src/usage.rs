//! What a run may use, and what it has used, as others are told.

use std::time::{Duration, Instant};

use brio_landing::Figures;
use brio_runtime::MemoryGauge;
use brio_session::View;

use crate::RunRequest;

/// What a run may use, for whoever looks.
pub(crate) fn limits(request: &RunRequest) -> Figures {
    let given = &request.limits;
    let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let known = [
        ("memory_bytes", Some(given.memory)),
        ("wall_ms", Some(millis(given.wall))),
        ("cpu_ms", Some(millis(given.cpu))),
        ("handles", Some(given.handles as u64)),
        ("output_bytes", Some(given.output)),
        ("disk_bytes", request.disk),
        ("files", request.files),
    ];
    let known = known.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
    known.filter(|(_, n)| *n != u64::MAX).map(|(name, n)| (name.to_owned(), n)).collect()
}

/// Looks what a run has used.
pub(crate) fn used(
    view: &View,
    memory: Option<MemoryGauge>,
) -> impl Fn() -> Figures + Send + 'static {
    let (account, begun) = (view.limits().1, Instant::now());
    move || {
        let (bytes, files) = account.written();
        let wall = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let known = [("wall_ms", wall), ("disk_bytes", bytes), ("files", files)];
        let memory = memory.as_ref().map(|memory| ("memory_bytes", memory.peak()));
        known.into_iter().chain(memory).map(|(name, n)| (name.to_owned(), n)).collect()
    }
}
