//! From the sources in `guests/` to the bytes that a host is given.
//!
//! A source is the fields of a core module. Its first line names the world that it claims to be
//! of, and the parts of `prelude/` that stand before it: imports, a memory, an allocator. So each
//! is written against the canonical ABI itself, with nothing between that would keep to it.

use std::path::Path;
use std::sync::LazyLock;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

const PRELUDE: [(&str, &str); 11] = [
    ("wasi", include_str!("prelude/wasi.wat")),
    ("tools", include_str!("prelude/tools.wat")),
    ("sessions", include_str!("prelude/sessions.wat")),
    ("record", include_str!("prelude/record.wat")),
    ("memory", include_str!("prelude/memory.wat")),
    ("realloc", include_str!("prelude/realloc.wat")),
    ("files", include_str!("prelude/files.wat")),
    ("children", include_str!("prelude/children.wat")),
    ("noted", include_str!("prelude/noted.wat")),
    ("paths", include_str!("prelude/paths.wat")),
    ("preview1", include_str!("prelude/preview1.wat")),
];

const WORLDS: &str = "
    package brio:hostile;
    world agent {
        include brio:core/session-agent@0.1.0;
        include brio:core/project-record-imports@0.1.0;
    }
    world reviewer {
        include brio:core/reviewer@0.1.0;
        include brio:core/project-record-imports@0.1.0;
    }
    world command {
        include brio:core/imports@0.1.0;
        export wasi:cli/run@0.2.12;
    }
";

static WIT: LazyLock<(Resolve, Vec<(&str, WorldId)>)> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let package = resolve.push_str("hostile.wit", WORLDS).unwrap();
    let world = |name| (name, resolve.packages[package].worlds[name]);
    let worlds = ["agent", "reviewer", "command"].map(world).to_vec();
    (resolve, worlds)
});

/// The module of a source: a preview-1 module as it is, of any other world one that says of
/// which, so that the host makes a component of it.
pub(crate) fn module(source: &str) -> Vec<u8> {
    let head = source.lines().next().and_then(|l| l.strip_prefix(";; ")).unwrap();
    let (world, parts) = head.split_once(':').unwrap();
    let part = |name| PRELUDE.iter().find(|(n, _)| *n == name).map(|(_, text)| *text).unwrap();
    let prelude: String = parts.split_whitespace().map(part).collect();
    let mut bytes = wat::parse_str(format!("(module\n{prelude}\n{source})")).unwrap();
    if world != "preview1" {
        let (resolve, worlds) = &*WIT;
        let world = worlds.iter().find(|(name, _)| *name == world).unwrap().1;
        embed_component_metadata(&mut bytes, resolve, world, StringEncoding::UTF8).unwrap();
    }
    bytes
}
