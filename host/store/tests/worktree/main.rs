//! Directories and trees: what is imported is what is checked out, whatever happens in between.
#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(target_os = "linux")]

mod changes;
mod checkout;
mod kill;

mod refusals;
mod round_trip;
mod users;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use brio_store::backend::{Backend, Memory};
use brio_store::worktree::{Scan, ScanOptions, WorktreeError, import, scan};
use brio_store::{Landing, Project, Store, StoreOptions, Why};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

fn run<T>(f: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(f)
}

fn open(dir: &Path) -> Dir {
    Dir::open_ambient_dir(dir, ambient_authority()).unwrap()
}

/// A project on a backend, with nothing of it near.
fn project_on(backend: Arc<dyn Backend>) -> Project {
    let store = Store::new(backend, StoreOptions::default());
    run(store.create(&"org/name".parse().unwrap())).unwrap().0
}

fn project() -> Project {
    project_on(Arc::<Memory>::default())
}

fn scanned(p: &Project, dir: &Path, options: &ScanOptions) -> Result<Scan, WorktreeError> {
    run(async {
        let head = p.head().await?;
        scan(p, &open(dir), head.base(), options).await
    })
}

fn imported(p: &Project, dir: &Path, options: &ScanOptions) -> Landing {
    let scan = scanned(p, dir, options).unwrap();
    run(import(p, scan, &Why::default())).unwrap()
}

/// What lies in a directory, by path: kind and mode, and what it holds.
fn picture(dir: &Path) -> BTreeMap<Vec<u8>, (u32, Vec<u8>)> {
    let mut out = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let holds = match meta.file_type() {
                t if t.is_dir() => {
                    dirs.push(path.clone());
                    Vec::new()
                }
                t if t.is_symlink() => path.read_link().unwrap().as_os_str().as_bytes().to_vec(),
                _ => std::fs::read(&path).unwrap(),
            };
            let name = path.strip_prefix(dir).unwrap().as_os_str().as_bytes().to_vec();
            out.insert(name, (meta.mode(), holds));
        }
    }
    out
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Bytes in which nobody finds a pattern.
fn noise(n: usize, mut seed: u64) -> Vec<u8> {
    seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(n + 8);
    while out.len() < n {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        out.extend_from_slice(&seed.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    out.truncate(n);
    out
}

/// A directory of `files` files in some directories, of `size` bytes each.
fn fill(dir: &Path, files: usize, size: usize) {
    for n in 0..files {
        let at = dir.join(format!("dir-{:02}", n / 50));
        if n % 50 == 0 {
            std::fs::create_dir(&at).unwrap();
        }
        std::fs::write(at.join(format!("file-{n}")), noise(size, n as u64)).unwrap();
    }
}

/// Until what was written bears an old stamp.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(25));
}

/// A test that cannot run on this machine says so.
fn skip(test: &str, why: &str) {
    println!("SKIPPED: {test}: {why}");
    if let Some(path) = std::env::var_os("BRIO_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{test}: {why}").unwrap();
    }
}

/// A file system of its own, as long as it is wanted; `None`: this machine gives none.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        command.stderr(std::process::Stdio::null());
        command.status().is_ok_and(|s| s.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
