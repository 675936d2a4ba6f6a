//! What `bindgen!` makes of the WIT: imports that this crate answers, exports that it calls.
//!
//! `wasi:io` and `wasi:clocks` are mapped to wasmtime-wasi's, so that its streams and ours
//! lie in one table; everything of `wasi:filesystem` is ours.
#![allow(missing_docs, unreachable_pub, private_interfaces, clippy::all, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package brio:runtime;
        world host {
            import wasi:filesystem/types@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
            import brio:core/types@0.1.0;
            import brio:core/session-fs@0.1.0;
            import brio:core/session-tools@0.1.0;
            import brio:core/session@0.1.0;
            import brio:core/session-journal@0.1.0;
            import brio:core/checkpoints@0.1.0;
            import brio:core/project-record@0.1.0;
        }
    ",
    world: "brio:runtime/host",
    imports: { default: trappable },
    require_store_data_send: true,
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:filesystem/types.descriptor": crate::fs::Descriptor,
        "wasi:filesystem/types.directory-entry-stream": crate::fs::DirStream,
    },
    trappable_error_type: { "wasi:filesystem/types.error-code" => crate::fs::Fault },
});

/// The export of an agent.
pub mod agent {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package brio:runtime;
            world agent { export brio:core/run@0.1.0; }
        ",
        world: "brio:runtime/agent",
        exports: { default: async },
        with: { "brio:core/types": super::brio::core::types },
    });
}

/// The export of a reviewer.
pub mod reviewer {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package brio:runtime;
            world reviewer { export brio:core/review@0.1.0; }
        ",
        world: "brio:runtime/reviewer",
        exports: { default: async },
        with: { "brio:core/types": super::brio::core::types },
    });
}
