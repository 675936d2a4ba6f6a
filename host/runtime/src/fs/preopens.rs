//! `wasi:filesystem/preopens`: what a guest finds open.

use wasmtime::component::Resource;

use super::FsCtx;
use super::descriptor::{Descriptor, Node};
use super::mounts::{Mount, SESSIONS};
use crate::bindings::wasi::filesystem::preopens::Host;
use crate::bindings::wasi::filesystem::types::DescriptorFlags;

impl Host for FsCtx<'_> {
    /// The session by its name and as the current directory, the binds, and the directory of
    /// child sessions. A libc asks once and keeps the answer, so that directory is a handle
    /// whose entries come and go.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let own = self.fs.mounts.own().clone();
        let mut dirs = vec![(dir(&own), self.fs.mounts.at().to_owned())];
        if self.fs.mounts.at() != "/" {
            dirs.push((dir(&own), ".".to_owned()));
        }
        dirs.extend(self.fs.mounts.binds().iter().map(|(at, mount)| (dir(mount), at.clone())));
        if self.fs.mounts.has_sessions() {
            dirs.push((Node::Sessions, SESSIONS.to_owned()));
        }
        dirs.into_iter()
            .map(|(node, name)| {
                let mut flags = DescriptorFlags::READ;
                if !matches!(node, Node::Sessions) {
                    flags |= DescriptorFlags::MUTATE_DIRECTORY;
                }
                let serial = self.fs.next_serial();
                Ok((
                    self.table.push(Descriptor { serial, flags, node, id: Default::default() })?,
                    name,
                ))
            })
            .collect()
    }
}

fn dir(mount: &Mount) -> Node {
    Node::Dir(mount.clone(), mount.root())
}
