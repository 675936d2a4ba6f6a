//! What open sessions cost a process that does nothing with them.

use brio_host::Metadata;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::{House, measured, memory};
use crate::measure::{Outcome, head, row};

const SESSIONS: u64 = 10_000;
const BASES: usize = 10;
/// At most, of a view.
const DESCRIPTORS: u64 = 4;

#[derive(Serialize, Deserialize)]
struct Open {
    /// KiB each.
    handles: f64,
    /// Descriptors of all, also the process's own.
    of_handles: usize,
    views: u64,
    view: f64,
    of_view: f64,
}

pub(super) fn run() -> Outcome {
    let open: Open = measured(&["open", &std::env::temp_dir().to_string_lossy()])?;
    head(&["10,000 open idle sessions in a process", "KiB each", "descriptors"]);
    row(&["their handles", &format!("{:.1}", open.handles), &open.of_handles.to_string()]);
    let each = format!("{:.0} each", open.of_view);
    row(&[
        &format!("besides, a view ({} of them)", open.views),
        &format!("{:.1}", open.view),
        &each,
    ]);
    Ok(())
}

pub(super) fn part(args: &[&str]) -> Outcome<impl Serialize + use<>> {
    let [dir] = args else { return Err("DIR".into()) };
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    // As many views as files may be open.
    let files = maximum.unwrap_or(u64::MAX);
    let views = SESSIONS.min(files.saturating_sub(1000) / DESCRIPTORS);
    let house = House::new(dir.as_ref())?;
    let mut bases = Vec::new();
    for n in 0..BASES {
        bases.push(house.base(n, 10)?);
    }
    let begin = |n: u64| house.brio.begin(&bases[n as usize % BASES], Metadata::default());
    for n in 0..100 {
        begin(n)?.rollback(false)?;
    }
    let (before, _) = memory()?;
    let mut sessions = Vec::new();
    for n in 0..SESSIONS {
        sessions.push(begin(n)?);
    }
    let (with_handles, _) = memory()?;
    let of_handles = descriptors()?;
    let opened = sessions
        .iter()
        .take(usize::try_from(views)?)
        .map(|s| s.view())
        .collect::<Result<Vec<_>, _>>()?;
    let (with_views, _) = memory()?;
    let of_views = descriptors()?.saturating_sub(of_handles);
    drop(opened);
    Ok(Open {
        handles: with_handles.saturating_sub(before) as f64 / SESSIONS as f64,
        of_handles,
        views,
        view: with_views.saturating_sub(with_handles) as f64 / views as f64,
        of_view: of_views as f64 / views as f64,
    })
}

fn descriptors() -> Outcome<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}
