//! A base, what lies beside it, a home; and what all of that looks like, so that it can be told
//! whether a guest left anything.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brio_host::{AgentSource, Brio, ListFilter, Outcome, Place, RunRequest, STATE_DIR, Sandbox};
use tempfile::TempDir;

pub(crate) struct World {
    dir: TempDir,
    pub(crate) brio: Brio,
    sandbox: Sandbox,
}

/// What must be again what it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Traces {
    /// The base, and what lies beside it: all metadata but access times, all bytes.
    files: BTreeMap<PathBuf, String>,
    /// Names in the home and in the base's state.
    state: Vec<PathBuf>,
    /// Sessions that have not ended.
    sessions: usize,
    handles: usize,
    threads: usize,
    processes: usize,
}

/// A domain that is opened once more while somebody still holds it takes so many handles.
const REOPENED: usize = 16;

impl World {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (base, outside) = (dir.path().join("base"), dir.path().join("outside"));
        for d in ["src/deep", ".git/hooks", "locked", "empty"] {
            fs::create_dir_all(base.join(d)).unwrap();
        }
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret.txt"), "secret").unwrap();
        let files = [
            ("README.md", "# Base\n"),
            ("src/main.rs", "fn main() {}\n"),
            ("src/deep/data", "0123456789"),
            (".git/config", "[core]\n"),
            (".git/hooks/pre-commit", "#!/bin/sh\n"),
            ("locked/kept", "kept"),
        ];
        for (path, text) in files {
            fs::write(base.join(path), text).unwrap();
        }
        fs::hard_link(base.join("README.md"), base.join("second-name")).unwrap();
        let links = [
            ("out", "../outside"),
            ("out-absolute", outside.to_str().unwrap()),
            ("secret", "../outside/secret.txt"),
            ("up", ".."),
            ("inside", "src/deep"),
            ("round", "round"),
        ];
        for (name, to) in links {
            symlink(to, base.join(name)).unwrap();
        }
        fs::set_permissions(base.join("locked/kept"), fs::Permissions::from_mode(0o444)).unwrap();
        let brio = Brio::builder(dir.path().join("home")).cache(false).sandbox(sandbox);
        let brio = brio.open().unwrap();
        let world = Self { dir, brio, sandbox };
        // The domain is made, the agent compiled and whatever grows once has grown.
        world.answers();
        // Whoever looks at the record makes a place for it, and that stays.
        world.brio.project(&world.base()).unwrap();
        world
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.dir.path().join("base")
    }

    /// A file of the task, which the guest finds read-only in `/input`.
    pub(crate) fn input(&self) -> PathBuf {
        self.dir.path().join("outside/secret.txt")
    }

    /// An ordinary run in this process and home works, and its session ends.
    pub(crate) fn answers(&self) {
        let place = Place::Begin { base: self.base(), metadata: Default::default() };
        let mut request = RunRequest::new(AgentSource::Named("hello".into()), place);
        request.keep = true;
        request.input_files = vec![self.input()];
        let ran = self.brio.run(request).unwrap();
        assert_eq!(ran.report.outcome, Outcome::Succeeded, "{:?}", ran.report);
        assert_eq!(ran.enforced.sandbox(), self.sandbox, "{}", ran.enforced);
        assert!(!ran.changes.changes.is_empty());
        self.brio.find(ran.session.as_str(), None).unwrap().rollback(false).unwrap();
    }

    /// How everything looks; handles, threads and processes at a quiet moment.
    pub(crate) fn traces(&self) -> Traces {
        let mut files = BTreeMap::new();
        for part in ["base", "outside"] {
            look(self.dir.path(), &self.dir.path().join(part), &mut files);
        }
        let mut state = Vec::new();
        names(&self.brio.home().to_path_buf(), &mut state);
        names(&self.base().join(STATE_DIR), &mut state);
        state.sort();
        let all = self.brio.sessions(&ListFilter::default()).unwrap();
        let sessions = all.len();
        let [handles, threads, processes] = quiet();
        Traces { files, state, sessions, handles, threads, processes }
    }

    /// What is not as it was; waits for threads that are about to end.
    ///
    /// `before` is of the very beginning: what leaks little is seen after many.
    pub(crate) fn left(&self, before: &Traces) -> Option<String> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let now = self.traces();
            let left = difference(before, &now);
            if left.is_none() || Instant::now() > until {
                return left;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn difference(before: &Traces, now: &Traces) -> Option<String> {
    let mut wrong = Vec::new();
    for path in before.files.keys().chain(now.files.keys()) {
        let (was, is) = (before.files.get(path), now.files.get(path));
        if was != is {
            wrong.push(format!("{}: {was:?} is {is:?}", path.display()));
        }
    }
    let gone = before.state.iter().filter(|p| !now.state.contains(p));
    let new = now.state.iter().filter(|p| !before.state.contains(p));
    wrong.extend(gone.map(|p| format!("{}: gone", p.display())));
    wrong.extend(new.map(|p| format!("{}: left", p.display())));
    let counts = [
        ("open sessions", before.sessions, now.sessions),
        ("handles", before.handles + REOPENED, now.handles),
        ("threads", before.threads, now.threads),
        ("processes", before.processes, now.processes),
    ];
    wrong.extend(
        counts
            .into_iter()
            .filter(|(_, was, is)| is > was)
            .map(|(what, was, is)| format!("{what}: {was} before, {is} now")),
    );
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

fn look(root: &Path, path: &Path, out: &mut BTreeMap<PathBuf, String>) {
    let m = fs::symlink_metadata(path).unwrap();
    let content = if m.is_dir() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            if entry.file_name() != STATE_DIR {
                look(root, &entry.path(), out);
            }
        }
        Vec::new()
    } else if m.is_symlink() {
        fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()
    } else {
        fs::read(path).unwrap()
    };
    let meta = (m.ino(), m.mode(), m.uid(), m.gid(), m.nlink(), m.size());
    let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    let text = format!("{meta:?} {times:?} {}", content.escape_ascii());
    out.insert(path.strip_prefix(root).unwrap().to_owned(), text);
}

fn names(path: &PathBuf, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        // What SQLite makes and removes as it goes.
        if name.as_bytes().ends_with(b"-wal") || name.as_bytes().ends_with(b"-shm") {
            continue;
        }
        if path.is_dir() {
            names(&path, out);
        }
        out.push(path);
    }
}

/// The least of what was seen: the neighbour opens and closes files all the time.
fn quiet() -> [usize; 3] {
    let count = |path: &str| fs::read_dir(path).map_or(0, Iterator::count);
    let open = || fs::read_dir("/proc/self/fd").unwrap().flatten().filter(|e| !image(e)).count();
    let children = |task: fs::DirEntry| {
        let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        list.split_whitespace().count()
    };
    let mut least = [usize::MAX; 3];
    for _ in 0..20 {
        let processes = fs::read_dir("/proc/self/task").unwrap().flatten().map(children).sum();
        let seen = [open(), count("/proc/self/task"), processes];
        for (least, seen) in least.iter_mut().zip(seen) {
            *least = seen.min(*least);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    least
}

/// Whether it is what the memories of a loaded agent are made from: of those a number is kept.
fn image(handle: &fs::DirEntry) -> bool {
    fs::read_link(handle.path()).is_ok_and(|to| to.as_os_str().as_bytes().starts_with(b"/memfd:"))
}

/// How many of those there are.
pub(crate) fn images() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().flatten().filter(image).count()
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}
