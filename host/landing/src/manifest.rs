//! `manifest` and `parent` in a session's directory: what it changed, with hashes before and
//! after, and what it branches. Derived from the layers; nothing is scanned.

use std::io::{self, Read};
use std::os::fd::AsFd;

use brio_session::{Content, FsError, Source, View};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::begin::fs_io;
use crate::conflict::change_word;
use crate::meta::{self, Meta};
use crate::state::State;

#[derive(Serialize)]
struct Manifest {
    schema: u32,
    files: Vec<File>,
}

/// A larger file has no hash in the manifest: to read it could take hours (a hole of some
/// tebibytes costs its writer nothing), and a run ends when its program does. Its landing hashes
/// it.
const LARGEST: u64 = 1 << 30;

/// One changed path.
#[derive(Serialize)]
struct File {
    path: String,
    /// The path's bytes, where they are no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
    change: &'static str,
    before: Option<String>,
    after: Option<String>,
}

/// Writes both. Once `hurry` says so nothing more is hashed.
pub(crate) fn write(
    state: &State,
    m: &Meta,
    view: &View,
    hurry: impl Fn() -> bool,
) -> io::Result<()> {
    let set = view.changes().map_err(fs_io)?;
    let mut files = Vec::with_capacity(set.changes.len());
    for c in &set.changes {
        let after = match c.after.map(|_| view.change_content(&c.path)) {
            Some(Ok(content @ (Content::Own { .. } | Content::Borrowed(_)))) => {
                hash_unless(&content.source().map_err(fs_io)?, &hurry)?.map(|hash| hex(&hash))
            }
            Some(Err(e)) if e != FsError::NotSupported => return Err(fs_io(e)),
            _ => None,
        };
        let path = m.subdir.join_path(&c.path);
        files.push(File {
            bytes: std::str::from_utf8(path.as_bytes()).is_err().then(|| path.as_bytes().to_vec()),
            path: path.to_string(),
            change: change_word(c.kind),
            before: set.observed.get(&c.path).and_then(|o| o.sha256).map(|h| hex(&h)),
            after,
        });
    }
    let dir = meta::dir(state, &m.id)?;
    let raw = serde_json::to_vec_pretty(&Manifest { schema: 1, files })?;
    state.disk.replace(dir.as_fd(), b"manifest", &raw, false)?;
    let base = state.root_path.join(m.subdir.to_path());
    let parent = serde_json::json!({
        "schema": 1,
        "base": base.to_string_lossy(),
        "claim": state.claim.claim,
        "landing": m.landing,
        "session": m.parent,
        "tree": m.lower.tree(),
    });
    state.disk.replace(dir.as_fd(), b"parent", &serde_json::to_vec_pretty(&parent)?, false)
}

/// SHA-256 of a file's content.
pub(crate) fn hash(f: std::fs::File) -> io::Result<[u8; 32]> {
    let whole = hash_until(&f.into(), || false)?;
    whole.ok_or_else(|| io::Error::other("it was not read to its end"))
}

fn hash_unless(f: &Source, hurry: impl Fn() -> bool) -> io::Result<Option<[u8; 32]>> {
    if let Some(known) = f.known_sha256() {
        return Ok(Some(known));
    }
    if f.size()? > LARGEST { Ok(None) } else { hash_until(f, hurry) }
}

fn hash_until(f: &Source, hurry: impl Fn() -> bool) -> io::Result<Option<[u8; 32]>> {
    let mut f = f.reader();
    let mut sha = Sha256::new();
    let mut buf = vec![0; 1 << 16];
    while !hurry() {
        let n = f.read(&mut buf)?;
        if n == 0 {
            return Ok(Some(sha.finalize().into()));
        }
        sha.update(&buf[..n]);
    }
    Ok(None)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}
