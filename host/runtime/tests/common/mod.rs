//! What the tests of this crate share: a session over a plain directory, an engine.
#![allow(
    dead_code,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

pub mod family;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use brio_runtime::{Engine, EngineOptions};
use brio_session::{DirLower, Door, Limits, Lower, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;

/// One engine for all tests of a process.
pub static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(EngineOptions::default()).unwrap());

/// A base with a few files, and a session over it.
pub struct Session {
    pub base: TempDir,
    layers: TempDir,
    pub view: View,
}

impl Session {
    /// Over a base that `fill` makes.
    pub fn over(fill: impl FnOnce(&Path)) -> Self {
        Self::with(fill, Limits::default())
    }

    pub fn with(fill: impl FnOnce(&Path), limits: Limits) -> Self {
        let base = tempfile::tempdir().unwrap();
        fill(base.path());
        let layers = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(base.path(), ambient_authority()).unwrap();
        let view = layer(layers.path(), "upper", Arc::new(DirLower::new(dir)), limits);
        Self { base, layers, view }
    }

    /// Another session over the same base: stands for a child in tests of `/sessions`.
    pub fn sibling(&self, name: &str) -> View {
        let dir = Dir::open_ambient_dir(self.base.path(), ambient_authority()).unwrap();
        layer(self.layers.path(), name, Arc::new(DirLower::new(dir)), Limits::default())
    }
}

fn layer(at: &Path, name: &str, below: Arc<dyn Lower>, limits: Limits) -> View {
    std::fs::create_dir(at.join(name)).unwrap();
    let dir = Dir::open_ambient_dir(at.join(name), ambient_authority()).unwrap();
    View::create_layer(&dir, &Door::default()).unwrap();
    View::open(dir, below, ViewOptions { limits, ..ViewOptions::default() }).unwrap()
}

/// A base with some files, directories and a link.
pub fn populate(at: &Path) {
    std::fs::create_dir_all(at.join("src/deep")).unwrap();
    std::fs::write(at.join("README.md"), "# Base\n").unwrap();
    std::fs::write(at.join("src/a.txt"), "one\ntwo\nthree\n").unwrap();
    std::fs::write(at.join("src/deep/b.txt"), "b").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("src/a.txt", at.join("link")).unwrap();
}

/// A prebuilt guest, if it is there.
pub fn prebuilt(name: &str) -> Option<PathBuf> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-agents/prebuilt").join(name);
    path.exists().then_some(path)
}

/// A prebuilt guest, loaded.
///
/// # Panics
/// When it was not built: these guests are committed.
pub fn guest(name: &str) -> brio_runtime::Agent {
    let path = prebuilt(name).unwrap_or_else(|| {
        panic!("example-agents/prebuilt/{name} is missing; run its build script")
    });
    ENGINE.load(path).unwrap()
}

/// A run in this session with these arguments.
pub fn spec(session: &Session, args: &[&str]) -> brio_runtime::RunSpec {
    let mut spec = brio_runtime::RunSpec::new(session.view.clone());
    spec.args.extend(args.iter().map(|a| (*a).to_owned()));
    spec.task.task_id = "task-1".into();
    spec.task.session_id = Some("sess-own".into());
    spec
}
