//! A branch of a directory, mounted.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "part of several tests"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_mount::{Mount, MountError, Options};
use brio_session::{DirLower, Fixed, Lender, Lower, Tracked, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

pub fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// A base, a layer over it, and where the view of both is mounted.
pub struct Branch {
    // In this order: a mount point that is busy cannot be removed.
    pub mount: Mount,
    pub view: View,
    tmp: tempfile::TempDir,
}

impl Branch {
    /// `None`: nothing can be mounted here, which is said.
    pub fn new(test: &str, fill: impl FnOnce(&Path)) -> Option<Self> {
        Self::with(test, fill, ViewOptions::default(), Fixed)
    }

    pub fn with<S: Lender>(
        test: &str,
        fill: impl FnOnce(&Path),
        options: ViewOptions,
        source: impl FnOnce(View) -> S,
    ) -> Option<Self> {
        let tmp = tempfile::tempdir().unwrap();
        for d in ["base", "layer", "at"] {
            std::fs::create_dir(tmp.path().join(d)).unwrap();
        }
        fill(&tmp.path().join("base"));
        let layer = open(&tmp.path().join("layer"));
        View::create_layer(&layer, &options.door).unwrap();
        let mut base: Arc<dyn Lower> = Arc::new(DirLower::new(open(&tmp.path().join("base"))));
        if options.track_reads {
            base = Arc::new(Tracked::new(base));
        }
        let view = View::open(layer, base, options).unwrap();
        let mount = mount(test, &tmp.path().join("at"), source(view.clone()))?;
        Some(Self { mount, view, tmp })
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.tmp.path().join("at").join(path)
    }

    pub fn base(&self) -> PathBuf {
        self.tmp.path().join("base")
    }
}

pub fn mount(test: &str, at: &Path, lender: impl Lender) -> Option<Mount> {
    match Mount::at(at, lender, &Options::default()) {
        Ok(mount) => Some(mount),
        Err(e @ (MountError::NoDevice(_) | MountError::NoHelper)) => {
            skip(test, &e.to_string());
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// A file, mapped and shared.
pub struct Mapped {
    at: *mut std::ffi::c_void,
    len: usize,
}

#[allow(unsafe_code, reason = "mapping a file has no safe form")]
impl Mapped {
    pub fn new(file: &std::fs::File, len: usize) -> Self {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let how = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses where; nothing else is mapped there.
        let at = unsafe { mmap(std::ptr::null_mut(), len, how, MapFlags::SHARED, file, 0) };
        Self { at: at.unwrap(), len }
    }

    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at + len <= self.len);
        // SAFETY: it lies in the mapping, and the file is not cut while it is there.
        (0..len).map(|i| unsafe { self.at.cast::<u8>().add(at + i).read_volatile() }).collect()
    }

    pub fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len);
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: as above; nobody holds a reference into it.
            unsafe { self.at.cast::<u8>().add(at + i).write_volatile(*byte) };
        }
    }

    pub fn sync(&self) {
        // SAFETY: it is the mapping.
        unsafe { rustix::mm::msync(self.at, self.len, rustix::mm::MsyncFlags::SYNC) }.unwrap();
    }
}

#[allow(unsafe_code, reason = "as above")]
impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: it is the mapping, and nobody uses it any more.
        let _ = unsafe { rustix::mm::munmap(self.at, self.len) };
    }
}

/// Says loudly that a test cannot run here, and has it counted (`$BRIO_SKIPS`).
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED: {name}: {why}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut f| writeln!(f, "{name}: {why}"));
    }
}
