//! A base, a home and the built binary, apart from everything else on this machine.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod beside;
pub(crate) mod mcp;
#[cfg(target_os = "linux")]
pub(crate) mod pty;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Removed with everything in it when it is dropped.
pub(crate) struct TestEnvironment {
    dir: tempfile::TempDir,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnvironment {
    /// A base with two files, in an empty world.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let env = Self { dir };
        fs::create_dir_all(env.base().join("src")).expect("a base");
        env.write("src/lib.rs", "// TODO: write it\npub fn colour() {}\n");
        env.write("notes.txt", "one\ntwo\nthree\n");
        env
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.dir.path().join("base")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.base().join(path), text).expect("written");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.base().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The command, in the base, with nothing of this process's environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brio"));
        command
            .args(args)
            .current_dir(self.base())
            .env_clear()
            .env("HOME", self.path())
            .env("BRIO_HOME", self.home())
            .env("TMPDIR", self.path())
            .stdin(Stdio::null());
        // A server that a harness started (`tests/harness/s3`).
        if let Some(server) = std::env::var_os("BRIO_S3_ENDPOINT") {
            command.env("AWS_ENDPOINT_URL", server);
            command
                .envs(std::env::vars_os().filter(|(k, _)| k.to_string_lossy().starts_with("AWS_")));
        }
        // The tests that `in_process.rs` takes in.
        if module_path!().starts_with("in_process::") {
            command.env("BRIO_SANDBOX", "process");
        }
        command
    }

    pub(crate) fn brio(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().expect("brio starts"))
    }

    /// Runs and expects status 0; what is on standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.brio(args);
        assert_eq!(ran.status, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs with a `--json` among the arguments.
    pub(crate) fn json(&self, args: &[&str]) -> (i32, Value) {
        let ran = self.brio(args);
        let value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {}{}", ran.stdout, ran.stderr));
        (ran.status, value)
    }

    /// Runs and expects an error of one line with its code and a status; the whole of it.
    pub(crate) fn error(&self, args: &[&str], status: i32, code: &str) -> String {
        let ran = self.brio(args);
        assert_eq!(ran.status, status, "{args:?}: {}{}", ran.stdout, ran.stderr);
        let errors: Vec<_> = ran.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{args:?}: one line: {}", ran.stderr);
        assert!(errors[0].starts_with(&format!("error: {code}: ")), "{args:?}: {}", ran.stderr);
        ran.stderr
    }

    /// Begins a session on the base.
    pub(crate) fn begin(&self) -> String {
        self.ok(&["session", "begin"]).trim_end().to_owned()
    }

    /// The ids of the open sessions.
    pub(crate) fn open_sessions(&self) -> Vec<String> {
        let (_, list) = self.json(&["session", "list", "--json"]);
        let sessions = list["sessions"].as_array().expect("an array");
        sessions.iter().map(|s| s["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Bytes on disk of the files below some directories of the base's state.
    pub(crate) fn taken(&self, names: &[&str]) -> u64 {
        fn below(path: &Path) -> u64 {
            let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
            if !meta.is_dir() {
                return meta.blocks() * 512;
            }
            let inside = fs::read_dir(path).expect("a directory");
            inside.map(|e| below(&e.expect("an entry").path())).sum()
        }
        names.iter().map(|name| below(&self.base().join(".brio").join(name))).sum()
    }

    /// Everything in the base but Brio's own state: kind, mode, content.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut all = BTreeMap::new();
        look(&self.base(), &mut all);
        all
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    let status = output.status;
    Ran {
        status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn look(dir: &Path, all: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|n| n == ".brio") {
            continue;
        }
        let meta = fs::symlink_metadata(&path).expect("metadata");
        let content = if meta.is_dir() {
            look(&path, all);
            Vec::new()
        } else if meta.is_symlink() {
            fs::read_link(&path).expect("a target").into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).expect("a file")
        };
        all.insert(path, (meta.mode(), content));
    }
}

/// A prebuilt guest that misbehaves in a way of its own.
pub(crate) fn guest(name: &str) -> String {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../example-agents/prebuilt/test");
    format!("{dir}/{name}.wasm")
}

/// Sets permission bits.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

/// Says loudly that a test cannot run here, and has it counted.
pub(crate) fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        use std::io::Write;
        let file = fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut f| writeln!(f, "{why}"));
    }
}

/// Whether native commands can be kept in a room here; says so if not.
pub(crate) fn rooms(test: &str) -> bool {
    let env = TestEnvironment::new();
    let id = env.begin();
    let ran = env.brio(&["session", "exec", &id, "--", "/bin/true"]);
    if ran.status == 0 {
        return true;
    }
    assert!(ran.stderr.contains("error: ROOM_"), "{}", ran.stderr);
    skip(&format!("{test}: {}", ran.stderr.trim_end()));
    false
}

/// Waits for what is bound to come.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Somebody who may do nothing in particular.
pub(crate) const NOBODY: u32 = 65534;

/// The command as another user, who has a home of its own.
pub(crate) fn as_nobody(env: &TestEnvironment, args: &[&str]) -> Ran {
    use std::os::unix::process::CommandExt;
    let home = env.path().join("nobody");
    fs::create_dir_all(&home).expect("done as root");
    std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).expect("done as root");
    chmod(env.path(), 0o755);
    // The binary may lie where only we may look.
    let program = env.path().join("brio");
    if !program.exists() {
        // By another process: one that a test forks meanwhile must not hold it open for writing.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_brio")).arg(&program).status();
        assert!(copied.is_ok_and(|s| s.success()), "copied");
        chmod(&program, 0o755);
    }
    let plain = env.command(args);
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(plain.get_current_dir().expect("one"))
        .env_clear()
        .env("HOME", &home)
        .env("BRIO_HOME", home.join("brio"))
        .env("TMPDIR", &home)
        .uid(NOBODY)
        .gid(NOBODY);
    ran(command.output().expect("done as root"))
}

/// Whether permission bits do not hold us back.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}
