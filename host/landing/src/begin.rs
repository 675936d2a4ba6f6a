//! Beginning a session: a directory with an empty layer, and the number of the last landing.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use brio_session::{FsError, Kind, RelPath, Time, View};
use rustix::fs::OFlags;

use crate::claim::FORMAT;
use crate::disk;
use crate::errors::Doing;
use crate::lock::Lock;
use crate::look::Look;
use crate::lower::{self, LOWER, LOWER_INDEX, Patterns};
use crate::meta::{META, Meta, cap};
use crate::seq::Value;
use crate::state::State;
use crate::{
    BeginError, BeginOptions, DomainError, HostError, LowerInfo, Session, SessionId, TreeInfo,
    WantedLower, home, meta, recover,
};

/// Begins a session on the base.
pub(crate) fn begin(state: &Arc<State>, options: BeginOptions) -> Result<Session, BeginError> {
    let id = match &options.lower.wanted {
        WantedLower::Tree(tree) => on_tree(state, &options, tree)?,
        WantedLower::Live | WantedLower::Frozen => on_base(state, &options)?,
    };
    tell(state, &id, &options);
    Ok(Session::new(state.clone(), id))
}

fn on_base(state: &State, options: &BeginOptions) -> Result<SessionId, BeginError> {
    let live = options.lower.wanted == WantedLower::Live;
    if live {
        state.may_land()?;
    }
    state.base_is_there()?;
    if let Some(path) = state.domain_inside() {
        return Err(BeginError::DomainInside { path });
    }
    let (excludes, patterns) = excludes(state, options)?;
    if !live {
        return lower::freeze(state, options, excludes, patterns);
    }
    // The landing number, T0 and the session's directory (which pins what it reads) belong
    // together: no landing seals while they are taken.
    let (_lock, value) = quiet(state)?;
    let dirs = inodes(state, &options.subdir)?;
    let lower = NewLower { excludes, ..NewLower::default() };
    make(
        state,
        &New { landing: value.landing(), dirs, options, parent: None, lower, undo_of: None },
    )
}

/// Begins a session on a tree: the base is not looked at, and may be gone.
fn on_tree(
    state: &Arc<State>,
    options: &BeginOptions,
    tree: &TreeInfo,
) -> Result<SessionId, BeginError> {
    let lower = tree_lower(state, options, tree)?;
    let _lock = state.shared()?;
    let landing = state.seq.get().doing("the landing sequence")?.landing();
    make(state, &New { landing, dirs: Vec::new(), options, parent: None, lower, undo_of: None })
}

/// What a session on a tree is to see, if it may.
pub(crate) fn tree_lower<'a>(
    state: &State,
    options: &BeginOptions,
    tree: &TreeInfo,
) -> Result<NewLower<'a>, BeginError> {
    if let Some(why) = tree.fault() {
        return Err(BeginError::Tree { tree: Box::new(tree.clone()), why });
    }
    let Some(trees) = &state.options.trees else {
        return Err(BeginError::NoStore { project: tree.project.clone() });
    };
    if !options.subdir.is_root() {
        let path = || options.subdir.clone();
        let failed = |e| match e {
            FsError::NotFound | FsError::NotDirectory => BeginError::Subdir { path: path() },
            e => HostError::new(path(), fs_io(e)).into(),
        };
        let there = trees.open(tree).and_then(|t| t.stat(&options.subdir)).map_err(failed)?;
        if there.kind != Kind::Dir {
            return Err(BeginError::Subdir { path: path() });
        }
    }
    let excludes = options.lower.excludes.clone();
    Patterns::compile(&excludes)
        .map_err(|e| BeginError::Excludes { what: format!("`{}`", e.pattern), why: e.why })?;
    Ok(NewLower { info: LowerInfo::Tree(tree.clone()), excludes, staged: None })
}

/// The shared lock, and the sequence with no landing in the middle.
pub(crate) fn quiet(state: &State) -> Result<(Lock, Value), BeginError> {
    loop {
        let lock = state.shared()?;
        let value = state.seq.get().doing("the landing sequence")?;
        if value.quiet() {
            return Ok((lock, value));
        }
        drop(lock);
        recover::now(state).map_err(|e| DomainError::from(Box::new(e)))?;
    }
}

/// What a session leaves out, for good: the patterns of `.brioignore`, then those of the caller.
fn excludes(
    state: &State,
    options: &BeginOptions,
) -> Result<(Vec<String>, Option<Patterns>), BeginError> {
    let dir = disk::open_beneath(
        state.root().doing("the base")?,
        options.subdir.as_bytes(),
        disk::DIR,
        true,
    )
    .map_err(|_| BeginError::Subdir { path: options.subdir.clone() })?;
    let bad = |what: String, why: String| BeginError::Excludes { what, why };
    let mut lines = lower::read_ignore_file(&dir)
        .map_err(|e| bad(options.subdir.join(b".brioignore").to_string(), e.to_string()))?;
    lines.extend(options.lower.excludes.iter().cloned());
    let patterns = Patterns::compile(&lines).map_err(|e| bad(format!("`{}`", e.pattern), e.why))?;
    Ok((lines, patterns))
}

/// Tells journal and home.
pub(crate) fn tell(state: &State, id: &SessionId, options: &BeginOptions) {
    let m = &options.metadata;
    let mut entry = state.entry("begun", Some(id));
    (entry.goal, entry.agent, entry.task_id) = (m.goal.clone(), m.agent.clone(), m.task_id.clone());
    entry.parent = options.parent.clone();
    state.note(&entry);
    state.tell_home(&home::begin_line(id, m.goal.as_deref()));
}

/// The inodes of the directories from the root to `subdir`, both included.
pub(crate) fn inodes(state: &State, subdir: &RelPath) -> Result<Vec<u64>, BeginError> {
    let root = state.root().doing("the base")?;
    let mut out = vec![state.root_ino];
    for path in subdir.ancestors().skip(1).chain((!subdir.is_root()).then(|| subdir.clone())) {
        let how = OFlags::PATH | OFlags::DIRECTORY;
        let fd = disk::open_beneath(root, path.as_bytes(), how, true)
            .map_err(|_| BeginError::Subdir { path: path.clone() })?;
        out.push(Look::of(fd).doing(&path)?.ino());
    }
    Ok(out)
}

/// What a new session's directory says.
pub(crate) struct New<'a> {
    pub(crate) landing: u64,
    pub(crate) dirs: Vec<u64>,
    pub(crate) options: &'a BeginOptions,
    /// For a child.
    pub(crate) parent: Option<&'a Meta>,
    /// For a session on the base.
    pub(crate) lower: NewLower<'a>,
    /// For an undo.
    pub(crate) undo_of: Option<u64>,
}

/// What a new session sees of the base.
#[derive(Default)]
pub(crate) struct NewLower<'a> {
    pub(crate) info: LowerInfo,
    pub(crate) excludes: Vec<String>,
    /// Holds the frozen copy, which is moved from there, and when the base was seen so.
    pub(crate) staged: Option<(&'a OwnedFd, Time)>,
}

/// Makes the directory under another name and renames it: a session is whole or not there.
pub(crate) fn make(state: &State, new: &New<'_>) -> Result<SessionId, BeginError> {
    Ok(make_with(state, new, |_| Ok(()))?.0)
}

/// As [`make`]; `first` is done in the directory before anybody else can see it.
pub(crate) fn make_with<T>(
    state: &State,
    new: &New<'_>,
    first: impl FnOnce(&OwnedFd) -> Result<T, HostError>,
) -> Result<(SessionId, T), BeginError> {
    let id = SessionId::random().doing("random bytes")?;
    let temporary = format!(".{id}");
    let made = fill(state, new, &id, &state.sessions, temporary.as_bytes()).and_then(|(dir, _)| {
        let done = first(&dir)?;
        let name = id.as_str().as_bytes();
        let made = state.disk.rename(&state.sessions, temporary.as_bytes(), &state.sessions, name);
        made.doing("a session")?;
        Ok(done)
    });
    match made {
        Ok(done) => Ok((id, done)),
        Err(e) => {
            // A rename may have been done although it failed.
            let (disk, dir, name) = (&state.disk, &state.sessions, id.as_str().as_bytes());
            let _ = disk.rename(dir, name, dir, temporary.as_bytes());
            let _ = disk.remove_tree(dir, temporary.as_bytes());
            Err(e)
        }
    }
}

/// Fills a session's directory, `name` in `holder`, which nobody takes for a session yet.
pub(crate) fn fill(
    state: &State,
    new: &New<'_>,
    id: &SessionId,
    holder: &OwnedFd,
    name: &[u8],
) -> Result<(OwnedFd, Meta), BeginError> {
    let what = "a session";
    let disk = &state.disk;
    disk.mkdir(holder, name, 0o700).doing(what)?;
    let dir = disk::open_dir(holder, name).doing(what)?;
    let layer = cap(dir.try_clone().doing(what)?);
    let t0 =
        View::create_layer(&layer, &disk.0).map_err(|e| crate::HostError::new(what, fs_io(e)))?;
    let t0 = new.lower.staged.map_or(t0, |(_, seen)| seen);
    let mut layers = new.parent.map(|p| p.layers.clone()).unwrap_or_default();
    let inherited = layers.len();
    layers.push(meta::Layer { session: id.clone(), n: 0 });
    let meta = Meta {
        format: FORMAT,
        id: id.clone(),
        landing: new.landing,
        // A child's base paths are judged from when its family began.
        t0: new.parent.map_or(t0, |p| p.t0),
        created: state.now(),
        metadata: new.options.metadata.clone(),
        subdir: new.options.subdir.clone(),
        dirs: new.dirs.clone(),
        parent: new.options.parent.clone(),
        layers,
        inherited,
        absorbed: Vec::new(),
        checkpoints: Vec::new(),
        isolation: new
            .parent
            .map_or(new.options.isolation, |p| p.isolation.max(new.options.isolation)),
        clean: false,
        boot: state.options.boot_id.clone(),
        torn: false,
        conflicted: false,
        unresolved: Vec::new(),
        stale: new.parent.is_some_and(|p| p.stale),
        lower: new.parent.map_or_else(|| new.lower.info.clone(), |p| p.lower.clone()),
        lower_at: match new.parent {
            Some(p) => p.lower_at.clone(),
            None => new.lower.staged.map(|_| id.clone()),
        },
        excludes: new.parent.map_or_else(|| new.lower.excludes.clone(), |p| p.excludes.clone()),
        adopted: false,
        undo_of: new.undo_of,
        pushed: new.options.pushed.clone(),
    };
    if let Some((staged, _)) = new.lower.staged {
        for name in [LOWER, LOWER_INDEX] {
            match disk.rename(staged, name, &dir, name) {
                // A snapshot needs no index.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && name == LOWER_INDEX => {}
                r => r.doing(what)?,
            }
        }
    }
    disk.write_new(&dir, META, &serde_json::to_vec(&meta).doing(what)?).doing(what)?;
    Ok((dir, meta))
}

/// A view's error as the host's.
pub(crate) fn fs_io(e: brio_session::FsError) -> std::io::Error {
    e.into()
}
