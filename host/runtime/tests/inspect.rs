//! What a file of WebAssembly says of itself, and why it would not run.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use brio_runtime::{AgentKind, ExportInfo, Inspected, WasmFormat};
use common::{ENGINE, prebuilt};

fn inspect(wat: &str) -> Inspected {
    ENGINE.inspect(&wat::parse_str(wat).unwrap())
}

fn file(name: &str) -> Inspected {
    ENGINE.inspect(&std::fs::read(prebuilt(name).unwrap()).unwrap())
}

/// The code of the refusal, which is that of loading, and its text.
fn refusal(found: &Inspected) -> (&'static str, String) {
    let error = found.agent.as_ref().unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    (error.code(), error.to_string())
}

/// A command, with these imports.
fn command(imports: &str, version: &str) -> String {
    format!(
        r#"(component {imports}
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@{version}" (instance $r)))"#
    )
}

#[test]
fn what_was_built_for_brio_runs() {
    for (name, kind, export) in [
        ("hello.wasm", AgentKind::Agent, "brio:core/run"),
        ("check-secrets.wasm", AgentKind::Reviewer, "brio:core/review"),
        ("test/fs-probe.wasm", AgentKind::Command, "wasi:cli/run"),
        ("test/spin.wasm", AgentKind::Agent, "brio:core/run"),
    ] {
        let found = file(name);
        assert_eq!(found.agent.as_ref().unwrap().kind(), kind, "{name}");
        assert_eq!((found.format, found.kind), (Some(WasmFormat::Component), Some(kind)), "{name}");
        let exports: Vec<_> = found.exports.iter().map(|e| e.interface.as_str()).collect();
        assert_eq!(exports, [export], "{name}");
        assert!(found.exports[0].version.is_some(), "{name}");
        assert!(found.grants().is_empty(), "{name}");
        for import in &found.imports {
            assert!(import.served && import.version.is_some(), "{name}: {import:?}");
            assert_eq!((&import.nearest, import.needs), (&None, None), "{name}: {import:?}");
        }
        assert!(found.imports.iter().any(|i| i.interface == "wasi:filesystem/types"), "{name}");
    }
}

#[test]
fn a_grant_that_is_needed_is_named() {
    let found = file("test/sessions.wasm");
    assert_eq!(found.agent.as_ref().unwrap().needs(), ["session-fs"]);
    assert_eq!(found.grants(), ["session-fs"]);
    let granted: Vec<_> = found.imports.iter().filter(|i| i.grant.is_some()).collect();
    assert!(granted.iter().any(|i| i.interface == "brio:core/session-fs"), "{granted:?}");
    let order: Vec<_> = found.imports.iter().map(|i| &i.interface).collect();
    assert!(order.is_sorted(), "{order:?}");
    // The words of any guest's own session are free.
    let found = file("test/journal.wasm");
    assert!(found.agent.as_ref().unwrap().needs().is_empty());
    assert_eq!(found.grants(), [""; 0]);
}

#[test]
fn every_import_that_is_not_offered_is_named() {
    let found = inspect(&command(
        r#"(import "wasi:cli/enviroment@0.2.0" (instance (export "f" (func))))
           (import "wasi:cli/stdout@0.4.0" (instance (export "f" (func))))
           (import "wasi:cli/stderr@0.2.0" (instance))
           (import "acme:db/tables@1.0.0" (instance (export "f" (func))))
           (import "acme:db/streams@1.0.0" (instance (export "f" (func))))
           (import "wasi:http/streams@0.2.0" (instance (export "f" (func))))
           (import "wasi:keyvalue/types@0.2.0" (instance (export "f" (func))))
           (import "log" (func))"#,
        "0.2.0",
    ));
    assert_eq!(refusal(&found).0, "UNKNOWN_IMPORT");
    assert_eq!(found.kind, Some(AgentKind::Command));
    let import = |name: &str| found.imports.iter().find(|i| i.interface == name).unwrap();
    let slip = import("wasi:cli/enviroment");
    assert_eq!((slip.served, slip.version.as_deref()), (false, Some("0.2.0")));
    assert_eq!(slip.nearest.as_deref(), Some("wasi:cli/environment@0.2"));
    let newer = import("wasi:cli/stdout");
    assert_eq!((newer.served, newer.needs), (false, Some("a build for WASI 0.2")));
    assert_eq!(newer.nearest.as_deref(), Some("wasi:cli/stdout@0.2"));
    assert!(import("wasi:cli/stderr").served);
    let unknown = import("acme:db/tables");
    assert_eq!((unknown.served, unknown.nearest.as_deref()), (false, None));
    assert_eq!(import("acme:db/streams").nearest.as_deref(), None);
    assert_eq!(import("wasi:http/streams").nearest.as_deref(), Some("wasi:io/streams@0.2"));
    // Every package has some.
    assert_eq!(import("wasi:keyvalue/types").nearest.as_deref(), None);
    let bare = import("log");
    assert_eq!(
        (bare.served, bare.version.as_deref(), bare.nearest.as_deref()),
        (false, None, None)
    );
    assert_eq!(found.imports.len(), 8);
}

/// The name is known and the version too; what is in it is not.
#[test]
fn linking_has_the_last_word() {
    let wat = r#"(import "wasi:cli/stderr@0.2.3" (instance (export "paint" (func))))"#;
    let found = inspect(&command(wat, "0.2.0"));
    let (code, text) = refusal(&found);
    assert_eq!(code, "UNKNOWN_IMPORT");
    assert!(text.contains("wasi:cli/stderr@0.2.3"), "{text}");
    assert!(text.contains("paint"), "{text}");
    assert!(!found.imports[0].served);
    assert_eq!(found.imports[0].nearest.as_deref(), Some("wasi:cli/stderr@0.2"));
}

#[test]
fn an_entry_point_of_another_version_is_none() {
    for (version, next) in [
        #[cfg(not(feature = "wasi-0-3"))]
        ("0.3.0", "WASI 0.2"),
        ("0.4.0", "WASI 0.2"),
        ("0.1.0", "WASI 0.2"),
    ] {
        let found = inspect(&command("", version));
        let (code, text) = refusal(&found);
        assert_eq!((code, found.kind), ("NO_ENTRY_POINT", None), "{text}");
        assert!(text.contains(&format!("wasi:cli/run@{version}")) && text.contains(next), "{text}");
    }
}

#[test]
fn modules() {
    let found = inspect(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
            (memory (export "memory") 1) (func (export "_start")))"#,
    );
    assert_eq!(found.agent.as_ref().unwrap().kind(), AgentKind::Preview1);
    assert_eq!((found.format, found.kind), (Some(WasmFormat::Module), Some(AgentKind::Preview1)));
    let imports: Vec<_> = found.imports.iter().map(|i| (i.interface.as_str(), i.served)).collect();
    assert_eq!(imports, [("wasi_snapshot_preview1", true)]);
    let exports: Vec<_> = found.exports.iter().map(|e| e.interface.as_str()).collect();
    assert_eq!(exports, ["_start", "memory"]);

    let found = inspect(r#"(module (func (export "main")) (memory (export "memory") 1))"#);
    assert_eq!((refusal(&found).0, found.kind), ("NO_ENTRY_POINT", None));
    assert_eq!(found.exports.len(), 2);

    // The parts of a component whose last step is missing: there is no telling how they fit.
    let found = inspect(
        r#"(module (import "brio:core/session@0.1.0" "status" (func))
            (func (export "brio:core/run@0.1.0#run")) (func (export "cabi_post_brio:core/run@0.1.0#run")))"#,
    );
    assert_eq!((refusal(&found).0, found.kind), ("NO_ENTRY_POINT", Some(AgentKind::Agent)));
    assert_eq!(found.imports[0].interface, "brio:core/session");
    let run = ExportInfo { interface: "brio:core/run".into(), version: Some("0.1.0".into()) };
    assert!(found.exports.contains(&run), "{:?}", found.exports);

    let found = inspect(
        r#"(module (import "env" "notify" (func)) (import "env" "a@b" (func))
            (import "wasi_unstable" "fd_close" (func)) (func (export "_start")))"#,
    );
    assert_eq!((refusal(&found).0, found.kind), ("UNKNOWN_IMPORT", Some(AgentKind::Preview1)));
    let imports: Vec<_> = found.imports.iter().map(|i| (i.interface.as_str(), i.served)).collect();
    let all = [("env.a@b", false), ("env.notify", false), ("wasi_unstable.fd_close", false)];
    assert_eq!(imports, all);
    assert!(found.imports[2].needs.unwrap().contains("wasi_snapshot_preview1"));
}

#[test]
fn what_is_no_webassembly_has_no_names() {
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\0asm", &[0xff; 4096]] {
        let found = ENGINE.inspect(bytes);
        assert_eq!((refusal(&found).0, found.format, found.kind), ("NOT_WASM", None, None));
        assert!(found.imports.is_empty() && found.exports.is_empty());
    }
}

/// Whatever it is cut to, there is an answer, and one that is cut runs nowhere.
#[test]
fn damaged_files_are_listed_up_to_the_damage() {
    let whole = std::fs::read(prebuilt("hello.wasm").unwrap()).unwrap();
    for cut in (0..40).map(|n| whole.len() * n / 40) {
        let found = ENGINE.inspect(&whole[..cut]);
        refusal(&found);
    }
    let found = ENGINE.inspect(&whole[..whole.len() / 2]);
    assert_eq!(refusal(&found).0, "INVALID_WASM");
    assert!(!found.imports.is_empty(), "the imports stand in front");
}

/// Valid WebAssembly that this host has off is said to be that, by name.
#[test]
fn proposals_that_are_off_are_named() {
    for (wat, name) in [
        (
            r#"(module (memory (export "memory") 1) (type (struct)) (func (export "_start")) (func (result structref) (struct.new 0)))"#,
            "gc",
        ),
        (
            r#"(module (memory (export "memory") 1) (memory 1 1 shared) (func (export "_start")))"#,
            "threads",
        ),
        (
            r#"(module (memory (export "memory") 1) (memory 1 (pagesize 1)) (func (export "_start")))"#,
            "custom page sizes",
        ),
        (
            r#"(module (memory (export "memory") 1) (func (export "_start")) (func (result i64 i64) (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))))"#,
            "wide arithmetic",
        ),
        #[cfg(not(feature = "wasi-0-3"))]
        (r#"(component (import "f" (func async)))"#, "WASI 0.3"),
        #[cfg(not(feature = "wasi-0-3"))]
        (r#"(component (type (stream u8)))"#, "WASI 0.3"),
        (r#"(component (type (list u8 4)))"#, "lists of fixed length"),
    ] {
        let (code, text) = refusal(&inspect(wat));
        assert_eq!(code, "INVALID_WASM", "{wat}: {text}");
        assert!(text.contains(name) && text.contains("off in this host"), "{wat}: {text}");
    }
}

/// The exceptions that came before those of the standard: the text format has no words for them.
#[test]
fn legacy_exceptions_are_off_and_named() {
    let wat = r#"(module (memory (export "memory") 1) (func (export "_start") (block (nop))))"#;
    let mut bytes = wat::parse_str(wat).unwrap();
    let block = bytes.windows(4).position(|b| b == [0x02, 0x40, 0x01, 0x0b]).unwrap();
    bytes[block..block + 4].copy_from_slice(&[0x06, 0x40, 0x19, 0x0b]);
    let (code, text) = refusal(&ENGINE.inspect(&bytes));
    assert_eq!(code, "INVALID_WASM", "{text}");
    assert!(text.contains("legacy exceptions") && text.contains("off in this host"), "{text}");
}

#[test]
fn what_is_too_large_is_refused_with_the_bound() {
    for wat in [
        r#"(module (memory (export "memory") 1) (table 20000000 funcref) (func (export "_start")))"#,
        r#"(module (memory (export "memory") 70000) (func (export "_start")))"#,
    ] {
        let (code, text) = refusal(&inspect(wat));
        assert_eq!(code, "INVALID_WASM", "{text}");
        assert!(text.contains("limit of 200000") || text.contains("at most"), "{text}");
    }
}
