//! One change as a person reads it: a unified diff, or words where lines say nothing.

use std::io::Read;
use std::sync::Arc;

use brio_landing::{LeaseError, SessionError};
use brio_session::{
    Change, ChangeKind, FileHandle, FsError, Handle, Kind, Lower, Meta, OpenOptions, RelPath, View,
};
use similar::{ChangeTag, TextDiff};

use crate::SessionHandle;

/// Longer files are shown as binary ones are: nobody reads such a diff.
const LONGEST: u64 = 4 << 20;

/// Both sides of a session's changes, to show them.
pub struct Patches {
    after: View,
    before: Before,
}

/// The other side.
enum Before {
    /// The base as of the session's landing.
    Snapshot,
    /// The session's parent as it is now, or the session as it was.
    Parent(View),
    /// The base as it is now.
    Now(Arc<dyn Lower>),
}

/// How much changed.
pub enum PatchCounts {
    /// Of a text.
    Lines {
        /// New lines.
        added: usize,
        /// Lines that are gone.
        removed: usize,
    },
    /// Of anything else with a content.
    Bytes {
        /// Before.
        before: u64,
        /// After.
        after: u64,
    },
    /// It has no content, or the same.
    None,
}

enum Content {
    Text(Vec<u8>),
    Binary(u64),
    /// Of so many bytes, which are no longer kept: the session is stale.
    Gone(u64),
    Nothing,
}

/// One line of a patch, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchLine {
    /// What it is.
    pub kind: PatchKind,
    /// As it is in the file: it need not be UTF-8.
    pub text: Vec<u8>,
}

/// What a line of a patch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// What the change is about.
    Header,
    /// Where the lines lie that follow.
    Hunk,
    /// A line that is new.
    Added,
    /// A line that is gone.
    Removed,
    /// Anything else.
    Context,
}

/// A change cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The session cannot be looked at.
    #[error(transparent)]
    Session(#[from] LeaseError),
    /// One of its files cannot be read.
    #[error("{code}: {path} in the session: {source}", code = source.code())]
    Read {
        /// The file.
        path: RelPath,
        /// Why.
        source: FsError,
    },
}

impl PatchError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Session(e) => e.code(),
            Self::Read { source, .. } => source.code(),
        }
    }
}

impl From<SessionError> for PatchError {
    fn from(e: SessionError) -> Self {
        Self::Session(e.into())
    }
}

impl Patches {
    /// What the session has, and what it was begun on.
    ///
    /// # Errors
    /// When it has ended, or its layers cannot be opened.
    pub fn open(session: &SessionHandle) -> Result<Self, PatchError> {
        let before = match session.parent()? {
            Some(parent) => Before::Parent(parent.view()?),
            None => Before::Snapshot,
        };
        Ok(Self { after: session.view()?, before })
    }

    /// Of two states of a session.
    pub fn between(before: View, after: View) -> Self {
        Self { after, before: Before::Parent(before) }
    }

    /// As [`open`](Self::open), with the base as it is now on the other side.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when the base cannot be looked at.
    pub fn against_base(session: &SessionHandle) -> Result<Self, PatchError> {
        Ok(Self { after: session.view()?, before: Before::Now(session.base_now()?) })
    }

    /// The change as a unified diff, or in words. A text of several MiB is said in words too.
    ///
    /// # Errors
    /// When a content cannot be read.
    pub fn patch(&self, change: &Change) -> Result<Vec<PatchLine>, PatchError> {
        let path = &change.path;
        let mut out = Lines(Vec::new());
        out.line(PatchKind::Header, format!("diff a/{path} b/{path}"));
        for note in header(change) {
            out.line(PatchKind::Header, note);
        }
        let (before, after) = self.contents(change)?;
        match (before, after) {
            (Content::Text(before), Content::Text(after)) if before != after => {
                unified(&mut out, change, &before, &after);
            }
            (Content::Text(_), Content::Text(_)) => {}
            (Content::Gone(n), after) => {
                out.line(
                    PatchKind::Context,
                    format!("What was there ({n} bytes) is no longer kept"),
                );
                if let Content::Text(after) = after {
                    unified(&mut out, change, b"", &after);
                }
            }
            (before, after) => {
                let (b, a) = (size(&before), size(&after));
                if b.is_some() || a.is_some() {
                    let (b, a) = (b.unwrap_or(0), a.unwrap_or(0));
                    let text = format!("Binary files differ ({b} -> {a} bytes)");
                    out.line(PatchKind::Context, text);
                }
            }
        }
        Ok(out.0)
    }

    /// How much changed.
    ///
    /// # Errors
    /// As [`patch`](Self::patch).
    pub fn counts(&self, change: &Change) -> Result<PatchCounts, PatchError> {
        Ok(match self.contents(change)? {
            (Content::Nothing, Content::Nothing) => PatchCounts::None,
            (Content::Text(before), Content::Text(after)) if before == after => PatchCounts::None,
            (Content::Text(before), Content::Text(after)) => {
                let (mut added, mut removed) = (0, 0);
                for c in TextDiff::from_lines(&before[..], &after[..]).iter_all_changes() {
                    match c.tag() {
                        ChangeTag::Insert => added += 1,
                        ChangeTag::Delete => removed += 1,
                        ChangeTag::Equal => {}
                    }
                }
                PatchCounts::Lines { added, removed }
            }
            (before, after) => PatchCounts::Bytes {
                before: size(&before).unwrap_or(0),
                after: size(&after).unwrap_or(0),
            },
        })
    }

    /// Both contents; a side that is not there is an empty text beside a text.
    fn contents(&self, change: &Change) -> Result<(Content, Content), PatchError> {
        let fail = |source| PatchError::Read { path: change.path.clone(), source };
        let path = &change.path;
        let before = match (&change.before, &self.before) {
            (None, _) => Content::Nothing,
            (Some(meta), Before::Parent(parent)) => of_view(parent, path, meta).map_err(fail)?,
            (Some(meta), Before::Now(base)) => of_base(&**base, path, meta).map_err(fail)?,
            (Some(meta), Before::Snapshot) => self
                .after
                .with_base(|base| of_base(base, path, meta))
                .and_then(|content| match content {
                    Err(FsError::SnapshotGone) => Ok(Content::Gone(meta.size)),
                    content => content,
                })
                .map_err(fail)?,
        };
        let after = match &change.after {
            None => Content::Nothing,
            Some(meta) => of_view(&self.after, path, meta).map_err(fail)?,
        };
        Ok(match (before, after) {
            (Content::Nothing, Content::Text(a)) => (Content::Text(Vec::new()), Content::Text(a)),
            (Content::Text(b), Content::Nothing) => (Content::Text(b), Content::Text(Vec::new())),
            other => other,
        })
    }
}

fn of_base(base: &dyn Lower, path: &RelPath, meta: &Meta) -> Result<Content, FsError> {
    match meta.kind {
        Kind::Symlink => base.read_link(path).map(Content::Text),
        Kind::File if meta.size <= LONGEST => {
            let mut bytes = Vec::new();
            base.open(path)?.reader().read_to_end(&mut bytes)?;
            Ok(text_or_not(bytes))
        }
        Kind::File => Ok(Content::Binary(meta.size)),
        _ => Ok(Content::Nothing),
    }
}

fn of_view(view: &View, path: &RelPath, meta: &Meta) -> Result<Content, FsError> {
    let root = view.root();
    match meta.kind {
        Kind::Symlink => view.read_link_at(&root, path.as_bytes()).map(Content::Text),
        Kind::File if meta.size <= LONGEST => {
            let how = OpenOptions { read: true, ..OpenOptions::default() };
            match view.open_at(&root, path.as_bytes(), &how)? {
                Handle::File(file) => read(&file).map(text_or_not),
                Handle::Dir(_) => Ok(Content::Nothing),
            }
        }
        Kind::File => Ok(Content::Binary(meta.size)),
        _ => Ok(Content::Nothing),
    }
}

fn read(file: &FileHandle) -> Result<Vec<u8>, FsError> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        match file.read_at(&mut buffer, bytes.len() as u64)? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

/// As git does it: a NUL in the first 8000 bytes is no text.
fn text_or_not(bytes: Vec<u8>) -> Content {
    if bytes[..bytes.len().min(8000)].contains(&0) {
        Content::Binary(bytes.len() as u64)
    } else {
        Content::Text(bytes)
    }
}

fn size(content: &Content) -> Option<u64> {
    match content {
        Content::Text(bytes) => Some(bytes.len() as u64),
        Content::Binary(size) | Content::Gone(size) => Some(*size),
        Content::Nothing => None,
    }
}

/// What a diff of lines does not say.
fn header(change: &Change) -> Vec<String> {
    let mut notes = Vec::new();
    match (&change.before, &change.after) {
        (None, Some(after)) => {
            notes.push(format!("new {} mode {:o}", kind_word(after.kind), after.mode));
        }
        (Some(before), None) => {
            notes.push(format!("deleted {} mode {:o}", kind_word(before.kind), before.mode));
        }
        (Some(before), Some(after)) if before.kind != after.kind => {
            notes.push(format!("was a {}, is a {}", kind_word(before.kind), kind_word(after.kind)));
        }
        (Some(before), Some(after)) if before.mode != after.mode => {
            notes.push(format!("mode {:o} -> {:o}", before.mode, after.mode));
        }
        (Some(_), Some(_)) if change.kind == ChangeKind::MetaOnly => {
            notes.push("times changed".into());
        }
        _ => {}
    }
    if change.link_broken {
        notes.push("hard link broken: its other names keep the old content".into());
    }
    if let Some(other) = &change.hard_link_of {
        notes.push(format!("hard link of {other}"));
    }
    notes
}

fn unified(out: &mut Lines, change: &Change, before: &[u8], after: &[u8]) {
    let name = |side: char, there: bool| {
        if there { format!("{side}/{}", change.path) } else { "/dev/null".into() }
    };
    let (a, b) = (name('a', change.before.is_some()), name('b', change.after.is_some()));
    let diff = TextDiff::from_lines(before, after);
    let mut text = Vec::new();
    // Into memory: it cannot fail.
    let _ = diff.unified_diff().header(&a, &b).to_writer(&mut text);
    for (i, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let kind = match line.first() {
            _ if i < 2 => PatchKind::Header,
            Some(b'+') => PatchKind::Added,
            Some(b'-') => PatchKind::Removed,
            Some(b'@') => PatchKind::Hunk,
            _ => PatchKind::Context,
        };
        out.line(kind, line);
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Dir => "directory",
        Kind::Symlink => "symlink",
        Kind::Other => "special file",
    }
}

struct Lines(Vec<PatchLine>);

impl Lines {
    fn line(&mut self, kind: PatchKind, text: impl Into<Vec<u8>>) {
        self.0.push(PatchLine { kind, text: text.into() });
    }
}
