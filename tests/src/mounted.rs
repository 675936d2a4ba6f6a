//! File systems in an image, mounted for a test and gone with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file system of its own. Dropping it, also in a panic, unmounts and deletes it.
#[derive(Debug)]
pub struct Mounted {
    dir: PathBuf,
}

impl Mounted {
    /// Makes a file system of a kind (`ext4`, `xfs`, `btrfs`; `tmpfs` needs no image) with
    /// `mib` MiB and mounts it with the given options (may be empty).
    ///
    /// # Errors
    /// Why it cannot be had here: not root, no `mkfs`, no such file system in the kernel.
    pub fn new(kind: &str, mib: u64, options: &str) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("brio-fs-{}-{n}", std::process::id()));
        let made = Self { dir };
        fs::create_dir_all(made.path()).map_err(|e| format!("no mount point: {e}"))?;
        let point = made.path().display().to_string();
        if kind == "tmpfs" {
            let options = join(&format!("size={mib}m"), options);
            run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &point])?;
            return Ok(made);
        }
        let image = made.dir.join("image");
        fs::File::create(&image)
            .and_then(|f| f.set_len(mib << 20))
            .map_err(|e| format!("no image: {e}"))?;
        let image = image.display().to_string();
        run(&format!("mkfs.{kind}"), &["-q", &image])?;
        run("mount", &["-t", kind, "-o", &join("loop", options), &image, &point])?;
        Ok(made)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.join("mnt")
    }

    /// A directory in it that is a user's own.
    ///
    /// # Panics
    /// When it cannot be made: then no test can go on.
    pub fn dir(&self, name: &str) -> PathBuf {
        let dir = self.path().join(name);
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        dir
    }

    fn unmount(&self) {
        for lazily in [&[][..], &["-l"]] {
            let mut umount = Command::new("umount");
            let done = umount.args(lazily).arg(self.path()).stderr(Stdio::null()).status();
            if done.is_ok_and(|s| s.success()) || !is_mounted(&self.path()) {
                return;
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.unmount();
        // Never into what is still mounted.
        if !is_mounted(&self.path()) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A directory that is seen at another place as well, where nothing can be written. Dropping it
/// unmounts it.
#[derive(Debug)]
pub struct ReadOnly {
    point: PathBuf,
}

impl ReadOnly {
    /// Shows `from` at `point`, a directory.
    ///
    /// # Errors
    /// Why it cannot be had here: not root.
    pub fn bind(from: &Path, point: &Path) -> Result<Self, String> {
        let at = point.display().to_string();
        run("mount", &["--bind", &from.display().to_string(), &at])?;
        let made = Self { point: point.to_owned() };
        run("mount", &["-o", "remount,bind,ro", &at])?;
        Ok(made)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        for lazily in [&[][..], &["-l"]] {
            let mut umount = Command::new("umount");
            let done = umount.args(lazily).arg(&self.point).stderr(Stdio::null()).status();
            if done.is_ok_and(|s| s.success()) {
                return;
            }
        }
    }
}

fn join(a: &str, b: &str) -> String {
    if b.is_empty() { a.to_owned() } else { format!("{a},{b}") }
}

fn is_mounted(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = path.display().to_string();
    table.lines().any(|l| l.split(' ').nth(4) == Some(&path))
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).output();
    let out = out.map_err(|e| format!("{program}: {e}"))?;
    match out.status.success() {
        true => Ok(()),
        false => {
            // One line, as a list of skipped tests has it.
            let said = String::from_utf8_lossy(&out.stderr);
            Err(format!("{program}: {}", said.lines().next().unwrap_or_default().trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_no_mount() {
        let mounted = match Mounted::new("tmpfs", 1, "") {
            Ok(m) => m,
            Err(why) => return crate::skip::skip("a_panic_leaves_no_mount", &why),
        };
        let point = mounted.path();
        assert!(is_mounted(&point));
        let panicked = std::panic::catch_unwind(move || {
            let _held = mounted;
            panic!("as a test does");
        });
        assert!(panicked.is_err() && !is_mounted(&point) && !point.exists());
    }
}
