//! What a session sees of its base: the flags that ask for it, and how it is told.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use brio_host::stores::Watch;
use brio_host::{Access, Brio, LowerInfo, LowerOptions, TreeInfo, WantedLower};
use serde::Serialize;

use crate::config::Config;
use crate::ui::Ui;
use crate::units::show_size;

/// The flags of a begin.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct LowerArgs {
    /// What the session sees: the directory as it is now, at no cost (live), or a private copy
    /// of it, by snapshot, reflink or copying (frozen) [default: live]. A directory that cannot
    /// be written, or that cannot exchange files atomically, can have frozen sessions only: they
    /// lie in $BRIO_HOME, to be diffed and exported; nothing lands.
    #[arg(long, value_name = "live|frozen")]
    lower: Option<String>,
    /// Leave out what this matches, written as in .gitignore: it is neither seen nor landed.
    /// After the patterns of .brioignore in the directory. May be given more than once.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// How many percent of the free disk a full copy may take [default: 80].
    #[arg(long, value_name = "PERCENT")]
    disk_share: Option<String>,
    /// How many times the size of the directory must be free for a full copy [default: 2].
    #[arg(long, value_name = "N")]
    disk_factor: Option<String>,
}

impl LowerArgs {
    /// What was given, by the keys of the configuration.
    pub(crate) fn flags(&self) -> [(&'static str, Option<&str>); 3] {
        [
            ("lower", self.lower.as_deref()),
            ("disk_share", self.disk_share.as_deref()),
            ("disk_factor", self.disk_factor.as_deref()),
        ]
    }

    /// The flag that says something, if one does: a session that is there has its lower already.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [
            (self.lower.is_some(), "--lower"),
            (!self.exclude.is_empty(), "--exclude"),
            (self.disk_share.is_some(), "--disk-share"),
            (self.disk_factor.is_some(), "--disk-factor"),
        ];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }

    /// What is asked for.
    pub(crate) fn options(&self, config: &Config) -> LowerOptions {
        LowerOptions {
            wanted: match config.text("lower") {
                "frozen" => WantedLower::Frozen,
                _ => WantedLower::Live,
            },
            excludes: self.exclude.clone(),
            space: config.space(),
        }
    }
}

/// `lower` in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Lower {
    /// `live`, `frozen` or `tree`.
    kind: &'static str,
    /// `snapshot`, `reflink` or `copy`; null of one that is not frozen, and what follows
    /// likewise.
    method: Option<&'static str>,
    /// Why each better method was not used.
    not_used: Option<Vec<NotUsed>>,
    files: Option<u64>,
    bytes_copied: Option<u64>,
    unleased: Option<u64>,
    /// Of a tree only.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<Tree>,
}

/// A tree of a project's head, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Tree {
    store: String,
    project: String,
    tree: String,
    position: u64,
}

impl From<&TreeInfo> for Tree {
    fn from(info: &TreeInfo) -> Self {
        let TreeInfo { store, project, tree, position, .. } = info.clone();
        Self { store, project, tree, position }
    }
}

#[derive(Debug, Serialize)]
struct NotUsed {
    method: &'static str,
    why: String,
}

impl From<&LowerInfo> for Lower {
    fn from(info: &LowerInfo) -> Self {
        let none = Self {
            kind: "live",
            method: None,
            not_used: None,
            files: None,
            bytes_copied: None,
            unleased: None,
            tree: None,
        };
        let f = match info {
            LowerInfo::Live => return none,
            LowerInfo::Tree(tree) => {
                return Self { kind: "tree", tree: Some(tree.into()), ..none };
            }
            LowerInfo::Frozen(f) => f,
        };
        let not_used = f.not_used.iter();
        let not_used = not_used.map(|n| NotUsed { method: n.method.as_str(), why: n.why.clone() });
        Self {
            kind: "frozen",
            method: Some(f.method.as_str()),
            not_used: Some(not_used.collect()),
            files: f.files,
            bytes_copied: Some(f.bytes_copied),
            unleased: Some(f.unleased),
            tree: None,
        }
    }
}

/// A lower in words: how it was made, and why not better.
pub(crate) fn describe(info: &LowerInfo) -> Vec<String> {
    let f = match info {
        LowerInfo::Live => return vec!["live".to_owned()],
        LowerInfo::Tree(t) => {
            return vec![format!("{} of {}, position {}", t.tree, t.project, t.position)];
        }
        LowerInfo::Frozen(f) => f,
    };
    let mut lines = vec![match f.files {
        Some(files) => format!(
            "frozen by {}: {files} files, {} copied",
            f.method.as_str(),
            show_size(f.bytes_copied)
        ),
        None => format!("frozen by {}", f.method.as_str()),
    }];
    lines.extend(f.not_used.iter().map(|n| format!("no {}: {}", n.method.as_str(), n.why)));
    if f.unleased > 0 {
        let n = f.unleased;
        lines.push(format!(
            "{n} files of other users: that nobody wrote meanwhile is told by their times"
        ));
    }
    lines
}

/// Says before anything is done what will be refused, or will look odd, because the base is
/// somebody else's.
pub(crate) fn warn_of_access(ui: &Ui, base: &Path) {
    let Some(access) = Access::of(base) else { return };
    if !access.writable {
        ui.warn(format_args!(
            "Permission denied: {} cannot be written: {access}; what changes in it will not land",
            base.display()
        ));
    } else if let Some(mismatch) = access.mismatch() {
        ui.say(format_args!("{mismatch}: {} is another user's", base.display()));
    }
}

/// Says when others work on a directory: no wall, disjoint changes all land.
pub(crate) fn warn_of_others(ui: &Ui, brio: &Brio, base: &Path) {
    let existing = brio.existing_sessions(base);
    let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    let base = base.display();
    match existing {
        0 => {}
        1 => ui.say(format_args!("warning: 1 existing session on {base}")),
        n => ui.say(format_args!("warning: {n} existing sessions on {base}")),
    }
}

/// So long it is looked whether a directory has what its project does not.
const LOOKS: Duration = Duration::from_millis(300);

/// Says when a directory of a project has changes that sessions do not see, as far as that is
/// found quickly: a begin waits for nothing that the size of a project, or a store, could make
/// long.
pub(crate) fn warn_of_drift(ui: &Ui, brio: &Brio, base: &Path) {
    if ui.quiet || !matches!(brio.store_binding(base), Ok(Some(_))) {
        return;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let watch = Watch { told: None, stop: Some(stop.clone()) };
    let (tell, told) = mpsc::channel();
    let (brio, dir) = (brio.clone(), base.to_owned());
    let looks = move || {
        let found = brio.project_here(&dir).and_then(|project| project.not_imported(&watch));
        let _ = tell.send(found);
    };
    if std::thread::Builder::new().name("brio-looks".into()).spawn(looks).is_err() {
        return;
    }
    let found = told.recv_timeout(LOOKS);
    let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    stop.store(true, Ordering::Relaxed);
    match found {
        Ok(Ok(Some(n))) if n > 0 => {
            let paths = if n == 1 { "1 path is".to_owned() } else { format!("{n} paths are") };
            ui.say(format_args!(
                "warning: {paths} changed in {} and not imported: sessions see the project's \
                 head; `brio project status` lists them",
                base.display()
            ));
        }
        Ok(Err(e)) => tracing::debug!("what was not imported is not known: {e}"),
        _ => {}
    }
}
