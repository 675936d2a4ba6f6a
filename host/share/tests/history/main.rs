//! The history of a project's head: told, line by line too, and taken back, on any machine.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod blame;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod log;
mod tapped;
mod undo;

use brio_landing::{Log, Policy, UndoOptions};
use brio_session::{RelPath, ViewOptions};
use brio_share::{LandOptions, LandedOnHead, Place, ShareError};
use brio_store::tree::{Edits, Entry, Key};
use brio_store::{Content, Hash, LandingDoc, Project, Why};
use common::{Machine, edit, read};

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

/// Lands what a session on the head changes.
pub(crate) fn land(m: &Machine, goal: &str, files: &[(&str, Option<&[u8]>)]) -> LandingDoc {
    let s = m.begin(goal);
    edit(&s, files);
    m.place.land(&s, &LandOptions::default()).unwrap().record.unwrap()
}

pub(crate) fn undo(m: &Machine, landing: u64, policy: Policy) -> Result<LandedOnHead, ShareError> {
    m.place.undo(&m.domain, landing, &UndoOptions { policy, ..UndoOptions::default() })
}

/// The file as the head has it.
pub(crate) fn text(m: &Machine, file: &str) -> Option<String> {
    let s = m.begin("look");
    let v = s.view(ViewOptions::default()).unwrap();
    v.stat_at(&v.root(), file.as_bytes(), false).ok()?;
    Some(String::from_utf8(read(&v, file)).unwrap())
}

pub(crate) fn positions(log: &Log) -> Vec<u64> {
    log.landings.iter().map(|l| l.landing).collect()
}

/// Lands edits without a session, as an import does; `None` removes.
pub(crate) fn import(place: &Place, files: &[(&str, Option<&[u8]>)], why: Why) -> LandingDoc {
    let files: Vec<(Key, Option<Vec<u8>>)> = files
        .iter()
        .map(|(p, c)| (Key::new(p.as_bytes()).unwrap(), c.map(<[u8]>::to_vec)))
        .collect();
    let landed = place.run(|p: Project| async move {
        let (mut upload, mut edits) = (p.upload(), Edits::new());
        for (key, content) in files {
            let Some(content) = content else {
                edits.insert(key, None);
                continue;
            };
            let hash = Hash::of(&content);
            let size = content.len() as u64;
            upload.blob(hash, content.into()).await?;
            if let Some(dir) = key.parent() {
                edits.insert(dir, Some(Entry::Dir { mode: 0o755 }));
            }
            let content = Content { size, hash, depth: 0, root: hash };
            edits.insert(key, Some(Entry::File { mode: 0o644, content }));
        }
        let base = p.head().await?.base();
        p.land(base, &edits, &why, upload).await
    });
    match landed.unwrap() {
        brio_store::Landing::Landed(landed) => landed.record,
        other => panic!("{other:?}"),
    }
}

/// No session of an undo is left, seen or unseen.
pub(crate) fn nothing_left(m: &Machine) {
    let sessions = m.dir.path().join("base/.brio/sessions");
    let left: Vec<_> = std::fs::read_dir(sessions).into_iter().flatten().flatten().collect();
    let open = m.domain.sessions().unwrap().len();
    assert_eq!(left.len(), open, "{left:?}");
}
