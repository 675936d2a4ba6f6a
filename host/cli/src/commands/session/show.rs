//! `brio session show`

use brio_host::{Isolation, Kind, LeaseStatus, LowerInfo, Operation, RunInfo, SessionDebug};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{
    Bind, Changes, Checkpoint, Debug, Drift, Operated, Run, SCHEMA, Session, Shown, run_word,
};
use crate::lower::{Lower, describe};
use crate::open;
use crate::summary::{diffstat, names, one_line_stat};
use crate::ui::Ui;
use crate::units::show_size;

/// Show a session: what it is for, how it stands, what it changed.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Print the fields of `session list`, and schema, title, description, landing, children, checkpoints, binds,
    /// isolation, operations, clean, unresolved, lower, excludes, frozen_only, base_gone, drift,
    /// debug; changes and notes are the paths.
    #[arg(long)]
    json: bool,
    /// Also what lies in its directory: paths with sizes, and its manifest.
    #[arg(long)]
    debug: bool,
}

impl Show {
    /// Of a session, with everything else at its default.
    pub(crate) fn of(id: String, json: bool) -> Self {
        Self { id, json, debug: false }
    }

    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let info = session.info()?;
        let row = session.row()?;
        let operations = session.operations()?;
        let bytes = session.disk_usage().ok();
        // A session whose snapshot is gone is still shown.
        let changes = session.changes();
        let drift = session.conflicts();
        let binds = session.binds();
        let debug = self.debug.then(|| session.debug()).transpose()?;
        let notes = session.note_changes();
        let notes = notes.map(|all| all.into_iter().map(|change| change.path).collect::<Vec<_>>());
        if self.json {
            ui.json(&Shown {
                schema: SCHEMA,
                session: Session::from(&row),
                title: info.title,
                description: info.description,
                landing: info.landing,
                children: info.children.iter().map(ToString::to_string).collect(),
                checkpoints: info.checkpoints.iter().map(Checkpoint::from).collect(),
                binds: binds.as_ref().ok().map(|b| b.iter().map(Bind::from).collect()),
                isolation: info.isolation.as_str(),
                run: run_word(info.lease),
                holder: info.run.as_ref().map(Run::from),
                used_at: crate::time::of(info.used_at),
                bytes,
                operations: operations.iter().map(Operated::from).collect(),
                clean: !info.unclean,
                unresolved: info.unresolved.iter().map(ToString::to_string).collect(),
                lower: Lower::from(&info.lower),
                excludes: info.excludes,
                frozen_only: info.frozen_only,
                base_gone: info.base_gone.map(|gone| gone.to_string()),
                changes: changes.as_ref().ok().map(Changes::from),
                notes: notes.as_ref().ok().map(|all| names(all)),
                drift: drift.as_ref().ok().map(|d| d.iter().map(Drift::from).collect()),
                debug: debug.as_ref().map(Debug::from),
            })?;
            return Ok(Exit::Ok);
        }
        let base = match info.lower {
            LowerInfo::Tree(_) if info.parent.is_none() => row.base.display().to_string(),
            _ => format!("{} as of landing {}", row.base.display(), info.landing),
        };
        let mut lines = vec![
            ("session", row.id.clone()),
            ("state", row.state.clone()),
            ("base", base),
            ("begun", crate::time::rfc3339(row.created_at)),
        ];
        let optional = [
            ("title", info.title.filter(|title| Some(title) != row.goal.as_ref())),
            ("goal", row.goal),
            ("about", info.description),
            ("agent", row.agent),
            ("task", row.task_id),
            ("parent", row.parent),
        ];
        lines.extend(optional.into_iter().filter_map(|(k, v)| Some((k, v?))));
        lines.extend(info.children.iter().map(|c| ("child", c.to_string())));
        if info.isolation != Isolation::default() {
            lines.push(("isolates", info.isolation.as_str().into()));
        }
        lines.extend(
            info.checkpoints
                .iter()
                .map(|c| ("restores", format!("{} of {}", c.name, crate::time::of(c.created_at)))),
        );
        match &binds {
            Ok(binds) => lines.extend(binds.iter().map(|b| {
                (b.source.kind(), format!("{} is {} ({})", b.target, b.source, b.access))
            })),
            Err(e) => lines.push(("binds", e.to_string())),
        }
        let of_run = info.run.as_ref().map(run_line).unwrap_or_default();
        match info.lease {
            LeaseStatus::Free => {}
            LeaseStatus::Live { pid } => lines.push(("run", format!("process {pid}{of_run}"))),
            LeaseStatus::Silent { pid } => {
                lines.push(("run", format!("process {pid}, silent{of_run}")));
            }
            LeaseStatus::Dead { pid } => {
                lines.push(("run", format!("process {pid} is gone{of_run}")));
            }
        }
        let kept = info.run.as_ref().and_then(|run| Some((run.sandbox.as_ref()?, run.worker)));
        lines.extend(kept.map(|(sandbox, worker)| match worker {
            Some(pid) => ("sandbox", format!("{sandbox} (process {pid})")),
            None => ("sandbox", sandbox.clone()),
        }));
        lines.extend(operations.iter().filter_map(past_run).map(|line| ("ran", line)));
        lines.extend(bytes.map(|bytes| ("size", show_size(bytes))));
        lines.extend(info.unresolved.iter().map(|p| ("markers", p.to_string())));
        if info.unclean {
            lines.push(("unclean", "the machine went down before it was synced".into()));
        }
        if info.stale {
            lines.push(("stale", "what the base held is no longer kept".into()));
        }
        if info.adopted {
            lines.push(("adopted", "it can be looked at, not landed".into()));
        }
        if info.lower != LowerInfo::Live {
            lines.extend(describe(&info.lower).into_iter().map(|l| ("lower", l)));
        }
        if let Some(why) = &info.frozen_only {
            lines
                .push(("lands", format!("not in its base ({why}): it can be diffed and exported")));
        }
        if let Some(gone) = info.base_gone {
            lines.push(("gone", format!("its base: {gone}; what it saw and changed is kept")));
        }
        lines.extend(info.excludes.iter().map(|p| ("excludes", p.clone())));
        // What cannot be told is no drift; a commit says why.
        lines.extend(drift.unwrap_or_default().iter().map(|c| ("drift", c.to_string())));
        match notes {
            Ok(notes) => lines.extend(notes.iter().map(|path| ("note", path.to_string()))),
            Err(e) => lines.push(("notes", e.to_string())),
        }
        for (key, value) in lines {
            ui.line(format_args!("{key:<8} {value}"))?;
        }
        match changes {
            Ok(set) => {
                ui.line(format_args!("{:<8} {}", "changes", one_line_stat(&set)))?;
                ui.foreign(diffstat(&set, 20))?;
            }
            Err(e) => ui.line(format_args!("{:<8} {e}", "changes"))?,
        }
        match debug {
            Some(debug) => say_debug(ui, &debug),
            None => Ok(()),
        }
        .map(|()| Exit::Ok)
    }
}

/// What a run is, and what it has used of what it may.
fn run_line(run: &RunInfo) -> String {
    let what = run.program.as_deref().unwrap_or(&run.purpose);
    let mut line = format!(": {what} since {}", crate::time::of(run.began));
    for (name, used) in &run.used {
        let show = |n: u64| match name.rsplit_once('_') {
            Some((_, "bytes")) => show_size(n),
            Some((_, "ms")) => format!("{:.1} s", n as f64 / 1000.0),
            _ => n.to_string(),
        };
        let noun = name.split('_').next().unwrap_or(name);
        line += &match run.limits.get(name) {
            Some(limit) => format!(", {noun} {} of {}", show(*used), show(*limit)),
            None => format!(", {noun} {}", show(*used)),
        };
    }
    line
}

/// A run that has ended.
fn past_run(operation: &Operation) -> Option<String> {
    let run = operation.run.as_ref()?;
    let what = run.program.as_deref().unwrap_or(&run.purpose);
    let (began, ended) = (crate::time::of(run.began), crate::time::of(operation.time));
    Some(match operation.what.as_str() {
        "run" => format!("{what}, {began} to {ended}"),
        _ => format!("{what}, from {began}; its process was gone by {ended}"),
    })
}

fn say_debug(ui: &Ui, debug: &SessionDebug) -> Result<(), Failure> {
    ui.line("=== Session Debug Info ===")?;
    ui.line(format_args!("Session ID: {}", debug.id))?;
    ui.line(format_args!("Path: {}", debug.path.display()))?;
    ui.line("Contents:")?;
    for file in &debug.files {
        let slash = if file.kind == Kind::Dir { "/" } else { "" };
        ui.line(format_args!("{:>12} {}{slash}", file.size, file.path))?;
    }
    ui.line("Manifest:")?;
    match &debug.manifest {
        Some(text) => ui.line(text.trim_end()),
        None => ui.line("(none yet: it is written when a run ends)"),
    }
}
