//! The files of a task: the session's own where they lie below the base, else copies that
//! the guest sees read-only below `/input`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_runtime::Files;
use brio_session::{DirLower, FsError, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::RunRequest;
use crate::scratch::Scratch;

/// Where the guest sees them.
const INPUT: &str = "/input";

/// A file of a task could not be given to an agent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It cannot be read.
    #[error("INPUT: {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no regular file.
    #[error("INPUT: {} is no regular file; give files", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Its name cannot be told to a guest.
    #[error("INPUT: {} is not UTF-8; rename it", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// The plain form shows one directory.
    #[error("INPUT: {} lies outside of the base; put it there, or run without --preopen", path.display())]
    Outside {
        /// The path.
        path: PathBuf,
    },
    /// The copies cannot be shown.
    #[error("INPUT: the input files cannot be shown: {source}")]
    View {
        /// Why.
        source: FsError,
    },
}

/// The files of one run, until it is dropped.
pub(crate) struct Inputs {
    names: Vec<String>,
    view: Option<View>,
    /// Holds the copies.
    copies: Option<Scratch>,
}

impl Inputs {
    /// Finds or copies each file. Nothing is begun yet: a missing file leaks no session.
    pub(crate) fn prepare(
        scratch: &Path,
        base: &Path,
        request: &RunRequest,
    ) -> Result<Self, InputError> {
        let mut inputs = Self { names: Vec::new(), view: None, copies: None };
        // A base that is missing is reported by the begin, better than here.
        let base = fs::canonicalize(base).unwrap_or_else(|_| base.to_owned());
        for path in &request.input_files {
            let fail = |source| InputError::Unreadable { path: path.clone(), source };
            let real = fs::canonicalize(path).map_err(fail)?;
            if !fs::metadata(&real).map_err(fail)?.is_file() {
                return Err(InputError::NotAFile { path: path.clone() });
            }
            let text = |p: &Path| {
                p.to_str()
                    .map(str::to_owned)
                    .ok_or_else(|| InputError::NotUtf8 { path: path.clone() })
            };
            if let Ok(below) = real.strip_prefix(&base) {
                inputs.names.push(format!("{}/{}", request.at, text(below)?));
                continue;
            }
            if request.plain {
                return Err(InputError::Outside { path: path.clone() });
            }
            let dir = inputs.copies(scratch).map_err(fail)?;
            // Numbered: two files of one name stay two.
            let name = Path::new(&inputs.names.len().to_string())
                .join(real.file_name().unwrap_or_default());
            let copy = dir.join(&name);
            fs::create_dir(copy.parent().unwrap_or(&dir)).map_err(fail)?;
            fs::copy(&real, &copy).map_err(fail)?;
            inputs.names.push(format!("{INPUT}/{}", text(&name)?));
        }
        if let Some(copies) = &inputs.copies {
            inputs.view = Some(show(copies.path()).map_err(|source| InputError::View { source })?);
        }
        Ok(inputs)
    }

    /// The files as the guest names them.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// What the runtime shows beside the session.
    pub(crate) fn binds(&self) -> Vec<(String, Files)> {
        self.view.iter().map(|v| (INPUT.to_owned(), v.clone().into())).collect()
    }

    fn copies(&mut self, scratch: &Path) -> io::Result<PathBuf> {
        if let Some(copies) = &self.copies {
            return Ok(copies.path().join("files"));
        }
        // The process and a counter: unique while this process lives.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let copies = Scratch::take(scratch, &format!("input-{}-{n}", std::process::id()))?;
        let dir = copies.path();
        crate::brio::make_private(dir)?;
        fs::create_dir(dir.join("layer"))?;
        let files = dir.join("files");
        fs::create_dir(&files)?;
        self.copies = Some(copies);
        Ok(files)
    }
}

fn show(dir: &Path) -> Result<View, FsError> {
    let open = |name| Dir::open_ambient_dir(dir.join(name), ambient_authority());
    let layer = open("layer")?;
    let options = ViewOptions { read_only: true, ..ViewOptions::default() };
    View::create_layer(&layer, &options.door)?;
    View::open(layer, Arc::new(DirLower::new(open("files")?)), options)
}
