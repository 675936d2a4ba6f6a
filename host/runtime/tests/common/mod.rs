//! What the tests of this crate share: a session over a plain directory, an engine.
#![allow(
    dead_code,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

pub mod family;
pub mod notebook;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use brio_runtime::{Agent, Engine, EngineOptions, RunReport, RunSpec, Workspace};
use brio_session::{DirLower, Door, Limits, Lower, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;

/// One engine for all tests of a process.
pub static ENGINE: LazyLock<Runs> =
    LazyLock::new(|| Runs(Engine::new(EngineOptions::default()).unwrap()));

/// An engine whose agents run in this process, or, for the tests that `in_worker.rs` takes in,
/// each in a worker of its own.
pub struct Runs(Engine);

impl std::ops::Deref for Runs {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl Runs {
    pub fn run(&self, agent: &Agent, spec: RunSpec) -> RunReport {
        #[cfg(target_os = "linux")]
        if module_path!().starts_with("in_worker::") && !matches!(spec.view, Workspace::Plain(_)) {
            let (worker, _process) = worker::start();
            return self.0.run_in_worker(agent, spec, worker);
        }
        self.0.run(agent, spec)
    }
}

/// This program again, as a worker: `in_worker.rs` has the test that becomes one.
#[cfg(target_os = "linux")]
pub mod worker {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, Stdio};
    use std::sync::{Arc, Mutex};

    use brio_runtime::Worker;

    pub const BECOME: &str = "BRIO_TEST_WORKER";

    /// Killed and reaped when it is dropped.
    pub struct Process(Arc<Mutex<Child>>);

    impl Drop for Process {
        fn drop(&mut self) {
            let mut child = self.0.lock().unwrap();
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    pub fn start() -> (Worker, Process) {
        let (socket, its_socket) = UnixStream::pair().unwrap();
        let (net, its_net) = UnixStream::pair().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker_process", "--nocapture"])
            .env(BECOME, "1")
            .stdin(Stdio::from(OwnedFd::from(its_socket)))
            .stdout(Stdio::null())
            .stderr(Stdio::from(OwnedFd::from(its_net)))
            .spawn()
            .unwrap();
        let child = Arc::new(Mutex::new(child));
        let killed = child.clone();
        let kill = Arc::new(move || {
            let _ = killed.lock().unwrap().kill();
        });
        (Worker { socket, net, kill }, Process(child))
    }
}

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
