//! The plain form: wasmtime-wasi's own file system on one directory.

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host;
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::Plain;

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

/// The directory under the session's name and as the current directory.
///
/// # Errors
/// The host's, when the handle cannot be duplicated.
pub(crate) fn preopens(plain: &Plain, at: &str) -> std::io::Result<Vec<(Dir, String)>> {
    let file = plain.dir.try_clone()?.into_std_file();
    let dir = Dir::new(
        file,
        FsPerms::ReadWrite,
        OpenMode::READ | OpenMode::WRITE,
        plain.block_current_thread,
    );
    if at == "/" {
        return Ok(vec![(dir, at.to_owned())]);
    }
    Ok(vec![(dir.clone(), at.to_owned()), (dir, ".".to_owned())])
}

impl Host for PlainCtx<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let open = |(dir, name): &(Dir, String)| {
            Ok((self.table.push(Descriptor::Dir(dir.clone()))?, name.clone()))
        };
        self.dirs.iter().map(open).collect()
    }
}
