//! Compiled code, handed from the supervisor to a worker.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use wasmtime::component::Component;

use crate::{Agent, AgentKind, Engine, LoadError};

/// What a component was compiled to, in memory that nobody can change any more.
#[derive(Debug)]
pub(crate) struct Code {
    pub(super) memory: OwnedFd,
    pub(super) bytes: u64,
}

impl Code {
    pub(crate) fn of(component: &Component) -> io::Result<Self> {
        let code = component.serialize().map_err(io::Error::other)?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut memory = File::from(memfd_create("brio-agent", flags)?);
        memory.write_all(&code)?;
        let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(&memory, all)?;
        Ok(Self { memory: memory.into(), bytes: code.len() as u64 })
    }
}

impl Agent {
    /// Takes what [`Code::of`] of an engine like this one has made.
    ///
    /// # Errors
    /// It cannot be mapped, or is of another version.
    #[expect(unsafe_code, reason = "compiled code is not checked again")]
    pub(super) fn from_code(
        engine: &Engine,
        kind: AgentKind,
        code: OwnedFd,
        bytes: u64,
    ) -> Result<Self, LoadError> {
        let invalid = |e: &dyn std::fmt::Display| LoadError::Invalid { reason: e.to_string() };
        let length = usize::try_from(bytes).map_err(|e| invalid(&e))?;
        // SAFETY: a new mapping, which nothing else points into, of sealed memory, which nobody
        // changes; it is what the supervisor's engine, of this very program, has compiled. The
        // engine copies it.
        let component = unsafe {
            let (prot, flags) = (ProtFlags::READ, MapFlags::PRIVATE);
            let mapped = mmap(ptr::null_mut(), length, prot, flags, code.as_fd(), 0);
            let mapped = mapped.map_err(|e| invalid(&e))?;
            let bytes = std::slice::from_raw_parts(mapped.cast::<u8>(), length);
            let component = Component::deserialize(&engine.0.wasm, bytes);
            munmap(mapped, length).map_err(|e| invalid(&e))?;
            component
        };
        Self::of(engine, component.map_err(|e| invalid(&format!("{e:#}")))?, kind)
    }
}
