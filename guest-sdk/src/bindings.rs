//! The generated bindings, one set for what every agent may import and one per export.
//!
//! They are apart because a component must export what its bindings describe: an agent is no
//! reviewer. The types are shared through `with`. WASI is left to the standard library.

#![allow(unsafe_code, reason = "generated code crosses the component boundary by raw pointers")]
#![allow(missing_docs, unreachable_pub, reason = "generated; the WIT files are the documentation")]
#![allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]

/// What every agent may import.
pub mod common {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package brio:sdk; world common {
            import brio:core/types@0.1.0;
            import brio:core/session-tools@0.1.0;
            import brio:core/session@0.1.0;
            import brio:core/session-journal@0.1.0;
        }",
        world: "brio:sdk/common",
        generate_all,
    });
}

/// What the capability `session-fs` adds.
#[cfg(feature = "session-fs")]
pub mod branches {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package brio:sdk; world branches {
            import brio:core/session-fs@0.1.0;
            import brio:core/checkpoints@0.1.0;
        }",
        world: "brio:sdk/branches",
        generate_all,
    });
}

/// What the capability `project-record` adds.
#[cfg(feature = "project-record")]
pub mod project {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package brio:sdk; world project { import brio:core/project-record@0.1.0; }",
        world: "brio:sdk/project",
        generate_all,
    });
}

/// The export of an agent.
pub mod agent {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package brio:sdk; world agent { export brio:core/run@0.1.0; }",
        world: "brio:sdk/agent",
        with: { "brio:core/types@0.1.0": crate::bindings::common::brio::core::types },
        pub_export_macro: true,
        export_macro_name: "__export_run",
        default_bindings_module: "brio_agent::__private::bindings::agent",
    });
}

/// The export of a reviewer.
pub mod reviewer {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package brio:sdk; world reviewer { export brio:core/review@0.1.0; }",
        world: "brio:sdk/reviewer",
        with: { "brio:core/types@0.1.0": crate::bindings::common::brio::core::types },
        pub_export_macro: true,
        export_macro_name: "__export_review",
        default_bindings_module: "brio_agent::__private::bindings::reviewer",
    });
}
