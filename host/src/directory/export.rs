//! A session as a directory of one's own.

use std::path::{Path, PathBuf};

use brio_landing::{LeaseError, Short, SpaceGuards, check_reflink_support};
use brio_session::{RelPath, View};

use super::target::Target;
use super::{DirectoryError, Listing, Watch, space_left, write_out};
use crate::SessionHandle;

/// How a session is exported.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// What a full copy may take of the disk. Where blocks are shared nothing is asked.
    pub space: SpaceGuards,
    /// Who looks on, and may end it.
    pub watch: Watch,
}

/// What an export made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The directory.
    pub dir: PathBuf,
    /// Names of regular files in it.
    pub files: u64,
    /// Directories in it.
    pub dirs: u64,
    /// Symbolic links in it.
    pub symlinks: u64,
    /// Bytes of its files, each counted once.
    pub bytes: u64,
    /// Bytes that were copied, and not shared with the session.
    pub bytes_copied: u64,
    /// Devices, FIFOs and sockets of the base: they are not in it.
    pub left_out: Vec<RelPath>,
}

/// A session could not be exported. The directory is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Something is there.
    #[error("EXPORT_EXISTS: {} is there, and is no empty directory; name one that is not there yet", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// It would lie in what Brio works on.
    #[error("EXPORT_INSIDE: {} lies in {what} ({}), where it would be part of what is branched; name a directory outside of it", path.display(), of.display())]
    Inside {
        /// The directory.
        path: PathBuf,
        /// What it lies in.
        what: &'static str,
        /// Where that is.
        of: PathBuf,
    },
    /// A full copy does not fit.
    #[error("NO_SPACE: {0}; free some, or export to another disk")]
    Space(Short),
    /// The session cannot be used, or somebody works in it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Reading or writing failed, or was interrupted.
    #[error("{code}: {0}; the directory is as it was", code = .0.code())]
    Directory(#[from] DirectoryError),
}

impl ExportError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "EXPORT_EXISTS",
            Self::Inside { .. } => "EXPORT_INSIDE",
            Self::Space(_) => "NO_SPACE",
            Self::Lease(e) => e.code(),
            Self::Directory(e) => e.code(),
        }
    }
}

impl SessionHandle {
    /// Writes all that the session shows into `dir`, which must not be there or be an empty
    /// directory: files with their holes (sharing blocks where the file system can), modes,
    /// modification times, symbolic and hard links. Owners are the caller's. Nobody can write
    /// in the session meanwhile; what others land in its base does not show.
    ///
    /// `dir` is there as a whole when this returns, though not synced. Where it was not there
    /// before, it appears at once, also under `kill -9`; what a killed export left beside it is
    /// removed by the next one to the same name.
    ///
    /// # Errors
    /// [`ExportError`]; `dir` is as it was.
    pub fn export(&self, dir: &Path, options: &ExportOptions) -> Result<Exported, ExportError> {
        let base = self.info().map_err(LeaseError::from)?.base;
        let closed = [(base.as_path(), "the base"), (self.brio().home(), "Brio's home")];
        self.export_unless_in(&closed, dir, options)
    }

    /// Writes the session out as [`export`](Self::export) does, to its own directory in Brio's
    /// home, which no session shows.
    ///
    /// # Errors
    /// As [`export`](Self::export); `Exists` when that was done before, see
    /// [`exported_home`](Self::exported_home).
    pub fn export_home(&self, options: &ExportOptions) -> Result<Exported, ExportError> {
        let dir = self.exported_home();
        let exports = self.brio().home().join("exports");
        crate::brio::make_private(&exports).map_err(DirectoryError::host(&exports))?;
        self.export_unless_in(&[], &dir, options)
    }

    /// The directory in Brio's home that [`export_home`](Self::export_home) makes. Who deletes
    /// it is whoever works there.
    pub fn exported_home(&self) -> PathBuf {
        self.brio().home().join("exports").join(self.id().as_str())
    }

    fn export_unless_in(
        &self,
        closed: &[(&Path, &'static str)],
        dir: &Path,
        options: &ExportOptions,
    ) -> Result<Exported, ExportError> {
        let info = self.info().map_err(LeaseError::from)?;
        let reading = self.session().map_err(LeaseError::from)?.reading("export")?;
        let view = reading.view();
        let mut target = Target::make(dir, closed)?;
        let listing = Listing::of(view, &view.root(), &options.watch)?;
        let reflink =
            same_device(&info.base, target.work()) && check_reflink_support(target.work());
        if !reflink {
            let have = space_left(target.work())?;
            options.space.check(listing.bytes, have).map_err(ExportError::Space)?;
        }
        target.expect(&listing);
        let made = write_out(view, &view.root(), &listing, target.work(), reflink, &options.watch)?;
        let dir = target.finish(&root_meta(view)?)?;
        Ok(Exported {
            dir,
            files: made.files,
            dirs: made.dirs,
            symlinks: made.symlinks,
            bytes: listing.bytes,
            bytes_copied: made.bytes_copied,
            left_out: listing.special,
        })
    }
}

fn root_meta(view: &View) -> Result<brio_session::Meta, DirectoryError> {
    view.root().meta().map_err(DirectoryError::view(&RelPath::root()))
}

#[cfg(unix)]
fn same_device(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let dev = |p: &Path| std::fs::metadata(p).map(|m| m.dev());
    // Subvolumes of one btrfs have devices of their own: what cannot be shared is copied.
    matches!((dev(a), dev(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
fn same_device(_: &Path, _: &Path) -> bool {
    false
}
