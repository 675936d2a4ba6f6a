//! What can be loaded, and what a person is told of what cannot.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use brio_runtime::{AgentKind, Engine, EngineOptions, LoadError, Outcome, RunSpec};
use common::{ENGINE, Session, guest, populate, prebuilt, spec};

/// The error of loading this text, checked to be one line that begins with its code.
fn refused(wat: &str) -> LoadError {
    let error = ENGINE.load_bytes(&wat::parse_str(wat).unwrap()).map(|a| a.kind()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{}: ", error.code())), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

#[test]
fn a_missing_file_is_named() {
    let error = ENGINE.load("no/such/agent.wasm").unwrap_err();
    assert_eq!(error.code(), "AGENT_MISSING");
    assert!(error.to_string().contains("no/such/agent.wasm"));
}

#[test]
fn a_directory_is_unreadable() {
    assert_eq!(ENGINE.load("/").unwrap_err().code(), "AGENT_UNREADABLE");
}

#[test]
fn what_is_no_wasm_is_said_so() {
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\0asm", b"\x7fELF"] {
        let error = ENGINE.load_bytes(bytes).map(|a| a.kind()).unwrap_err();
        assert_eq!(error.code(), "NOT_WASM", "{bytes:?}: {error}");
    }
}

#[test]
fn damaged_wasm_is_invalid() {
    let mut bytes = std::fs::read(prebuilt("hello.wasm").unwrap()).unwrap();
    bytes.truncate(bytes.len() / 2);
    let error = ENGINE.load_bytes(&bytes).map(|a| a.kind()).unwrap_err();
    assert_eq!(error.code(), "INVALID_WASM", "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn an_unknown_import_of_a_component_is_named_with_what_it_needs() {
    let error = refused(
        r#"(component
            (import "wasi:http/incoming-handler@0.2.6" (instance (export "f" (func))))
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.6" (instance $r)))"#,
    );
    assert_eq!(error.code(), "UNKNOWN_IMPORT");
    let text = error.to_string();
    assert!(
        text.contains("wasi:http/incoming-handler@0.2.6") && text.contains("serves HTTP"),
        "{text}"
    );
}

#[test]
fn an_unknown_import_of_a_module_is_named_with_what_it_needs() {
    let error =
        refused(r#"(module (import "env" "emscripten_notify" (func)) (func (export "_start")))"#);
    assert_eq!(error.code(), "UNKNOWN_IMPORT");
    assert!(error.to_string().contains("env.emscripten_notify"), "{error}");
    let error =
        refused(r#"(module (import "wasi_unstable" "fd_close" (func)) (func (export "_start")))"#);
    assert!(error.to_string().contains("wasi_unstable.fd_close"), "{error}");
}

#[test]
fn another_wasi_is_refused() {
    let error = refused(
        r#"(component
            (import "wasi:cli/environment@0.4.0" (instance (export "f" (func))))
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.6" (instance $r)))"#,
    );
    assert!(error.to_string().contains("WASI 0.2"), "{error}");
}

#[test]
fn without_an_entry_point_there_is_no_agent() {
    for wat in [
        "(component)",
        "(module)",
        r#"(module (func (export "main")) (memory (export "memory") 1))"#,
    ] {
        assert_eq!(refused(wat).code(), "NO_ENTRY_POINT", "{wat}");
    }
    let text = refused(r#"(module (func (export "main")))"#).to_string();
    assert!(text.contains("main"), "{text}");
}

/// A preview-1 command without a toolchain.
const EXIT_7: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (i32.const 7))))"#;

#[test]
fn a_preview_1_module_is_adapted() {
    let agent = ENGINE.load_bytes(&wat::parse_str(EXIT_7).unwrap()).unwrap();
    assert_eq!(agent.kind(), AgentKind::Preview1);
    let session = Session::over(populate);
    let report = ENGINE.run(&agent, RunSpec::new(session.view.clone()));
    // The adapter knows only success and failure.
    assert_eq!((report.outcome, report.exit), (Outcome::Failed, Some(1)), "{report:?}");
}

#[test]
fn a_command_component_of_another_patch_version_runs() {
    let agent = ENGINE
        .load_bytes(
            &wat::parse_str(
                r#"(component
                    (import "wasi:filesystem/preopens@0.2.3" (instance))
                    (core module $m (func (export "run") (result i32) i32.const 0))
                    (core instance $i (instantiate $m))
                    (func $run (result (result)) (canon lift (core func $i "run")))
                    (instance $r (export "run" (func $run)))
                    (export "wasi:cli/run@0.2.0" (instance $r)))"#,
            )
            .unwrap(),
        )
        .unwrap();
    assert_eq!(agent.kind(), AgentKind::Command);
    let session = Session::over(populate);
    let report = ENGINE.run(&agent, RunSpec::new(session.view.clone()));
    assert_eq!((report.outcome, report.exit), (Outcome::Succeeded, Some(0)), "{report:?}");
}

#[test]
fn every_kind_is_told_apart() {
    for (name, kind) in [
        ("hello.wasm", AgentKind::Agent),
        ("check-secrets.wasm", AgentKind::Reviewer),
        ("test/fs-probe.wasm", AgentKind::Command),
    ] {
        assert_eq!(guest(name).kind(), kind, "{name}");
    }
}

#[test]
fn compiled_code_is_kept_between_engines() {
    let dir = tempfile::tempdir().unwrap();
    let options = || EngineOptions { cache_dir: Some(dir.path().join("cache")) };
    let session = Session::over(populate);
    for _ in 0..2 {
        let engine = Engine::new(options()).unwrap();
        let agent = engine.load(prebuilt("hello.wasm").unwrap()).unwrap();
        let report = engine.run(&agent, spec(&session, &[]));
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    }
    assert!(dir.path().join("cache").read_dir().unwrap().next().is_some());
}

#[test]
fn a_cache_that_cannot_be_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Engine::new(EngineOptions { cache_dir: Some(file.path().into()) }).unwrap_err();
    assert_eq!(error.code(), "CACHE_DIR");
    assert!(error.to_string().contains(file.path().to_str().unwrap()));
}

#[test]
fn names_that_cannot_be_are_refused() {
    let agent = guest("hello.wasm");
    for at in ["workspace", "", "/a/../b", "/sessions", "/sessions/x", "/a//b"] {
        let session = Session::over(populate);
        let mut spec = spec(&session, &[]);
        spec.at = at.into();
        let report = ENGINE.run(&agent, spec);
        assert_eq!(report.error.map(|e| e.code), Some("RUN_INVALID".into()), "{at}");
    }
}

#[test]
fn odd_modules_are_loaded_or_refused_but_never_panic() {
    for wat in [
        r#"(module (func (export "_start")))"#,
        r#"(module (func (export "_start") (param i32)))"#,
        r#"(module (global (export "_start") i32 (i32.const 1)))"#,
        r#"(module (import "wasi_snapshot_preview1" "no_such_call" (func)) (memory (export "memory") 1) (func (export "_start")))"#,
        r#"(module (import "wasi_snapshot_preview1" "fd_close" (func)) (memory (export "memory") 1) (func (export "_start")))"#,
        r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#,
        r#"(module (import "brio:core/session-fs@0.1.0" "nonsense" (func)) (func (export "_start")))"#,
    ] {
        match ENGINE.load_bytes(&wat::parse_str(wat).unwrap()) {
            Ok(agent) => {
                let session = Session::over(populate);
                let report = ENGINE.run(&agent, RunSpec::new(session.view.clone()));
                println!("{wat}: {:?} {:?}", report.outcome, report.error);
            }
            Err(e) => {
                println!("{wat}: {e}");
                assert!(!e.to_string().contains('\n'), "{e}");
            }
        }
    }
}
