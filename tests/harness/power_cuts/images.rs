//! Images, mounted over loop devices. Whatever ends this process, nothing stays mounted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// The smallest image of a kind, with room for the work, in MiB.
pub(crate) fn size(kind: &str) -> u64 {
    match kind {
        "ext4" => 96,
        "btrfs" => 160,
        _ => 304,
    }
}

/// Why no file system of a kind can be mounted here.
pub(crate) fn missing(kind: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("mounting needs root".into());
    }
    let mkfs = format!("mkfs.{kind}");
    let there = Command::new(&mkfs).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    there.is_err().then(|| format!("there is no {mkfs}"))
}

/// Has a command run when this process is gone, however it ends. Last in, first out.
pub(crate) fn when_gone(command: String) {
    static JANITOR: OnceLock<Mutex<Child>> = OnceLock::new();
    let janitor = JANITOR.get_or_init(|| {
        // Apart from our terminal and process group: an interrupt is not for it.
        let script =
            r#"list=$(cat); printf '%s\n' "$list" | tac | while read -r c; do sh -c "$c"; done"#;
        let mut c = Command::new("setsid");
        c.args(["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::null());
        Mutex::new(c.stderr(Stdio::null()).spawn().unwrap())
    });
    let mut janitor = janitor.lock().unwrap();
    writeln!(janitor.stdin.as_mut().unwrap(), "{command}").unwrap();
}

pub(crate) fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).output();
    let out = out.map_err(|e| format!("{program}: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr).trim()))
}

/// A directory that goes with this process, in memory where that can be.
pub(crate) fn scratch() -> tempfile::TempDir {
    let place = if Path::new("/dev/shm").is_dir() {
        PathBuf::from("/dev/shm")
    } else {
        std::env::temp_dir()
    };
    let dir = tempfile::Builder::new().prefix("brio-power-").tempdir_in(place).unwrap();
    when_gone(format!("rm -rf --one-file-system {}", dir.path().display()));
    dir
}

/// An empty file system in a new file.
pub(crate) fn make(kind: &str, image: &Path, mib: u64) -> Result<(), String> {
    let f = std::fs::File::create(image).map_err(|e| e.to_string())?;
    f.set_len(mib << 20).map_err(|e| e.to_string())?;
    run(&format!("mkfs.{kind}"), &["-q", image.to_str().unwrap()])
}

/// An image, mounted.
pub(crate) struct Mount(PathBuf);

impl Mount {
    pub(crate) fn new(kind: &str, image: &Path, point: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(point).map_err(|e| e.to_string())?;
        when_gone(format!("umount -l {}", point.display()));
        if kind == "btrfs" {
            // It remembers the file systems of copies that are gone.
            let _ = run("btrfs", &["device", "scan", "--forget"]);
        }
        let (image, at) = (image.to_str().unwrap(), point.to_str().unwrap());
        // The loop device goes with the mount.
        run("mount", &["-t", kind, "-o", "loop", image, at])?;
        Ok(Self(point.into()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let at = self.0.to_str().unwrap();
        for _ in 0..50 {
            if run("umount", &[at]).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = run("umount", &["-l", at]);
    }
}
