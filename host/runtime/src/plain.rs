//! The plain form: wasmtime-wasi's own file system on one directory.

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host;
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::Plain;
use crate::fs::Files;

/// What a guest of the plain form finds open.
pub(crate) struct PlainCtx<'a> {
    pub(crate) dirs: &'a [(Dir, String)],
    pub(crate) table: &'a mut ResourceTable,
}

/// Marks the implementation for the linker.
pub(crate) struct PlainFs;

impl HasData for PlainFs {
    type Data<'a> = PlainCtx<'a>;
}

/// The directory under the session's name and as the current directory, and the binds.
///
/// # Errors
/// The host's, when the handle cannot be duplicated.
pub(crate) fn preopens(
    plain: &Plain,
    at: &str,
    binds: &[(String, Files)],
) -> std::io::Result<Vec<(Dir, String)>> {
    let file = plain.dir.try_clone()?.into_std_file();
    let dir = Dir::new(
        file,
        FsPerms::ReadWrite,
        OpenMode::READ | OpenMode::WRITE,
        plain.block_current_thread,
    );
    let mut dirs = match at {
        "/" => vec![(dir, at.to_owned())],
        _ => vec![(dir.clone(), at.to_owned()), (dir, ".".to_owned())],
    };
    for (at, files) in binds {
        let Some(bound) = files.host_dir() else { continue };
        let (perms, mode) = match files.is_read_only() {
            true => (FsPerms::ReadOnly, OpenMode::READ),
            false => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
        };
        let file = bound?.into_std_file();
        dirs.push((Dir::new(file, perms, mode, plain.block_current_thread), at.clone()));
    }
    Ok(dirs)
}

impl Host for PlainCtx<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let open = |(dir, name): &(Dir, String)| {
            Ok((self.table.push(Descriptor::Dir(dir.clone()))?, name.clone()))
        };
        self.dirs.iter().map(open).collect()
    }
}
