//! Guests that throw: WebAssembly exceptions work, and no limit is escaped by them (T9).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use std::time::Duration;

use brio_runtime::{Limit, Outcome, RunReport, RunSpec, codes};
use common::{ENGINE, Session, populate, spec};

fn run(wat: &str, change: impl FnOnce(&mut RunSpec)) -> RunReport {
    let agent = ENGINE.load_bytes(&wat::parse_str(wat).unwrap()).unwrap();
    let session = Session::over(populate);
    let mut spec = spec(&session, &[]);
    change(&mut spec);
    ENGINE.run(&agent, spec)
}

#[test]
fn what_is_thrown_is_caught_with_what_it_carries() {
    let report = run(
        r#"(module
            (memory (export "memory") 1)
            (tag $thrown (param i32))
            (func $throw (throw $thrown (i32.const 7)))
            (func (export "_start")
              (block $caught (result i32)
                (try_table (catch $thrown $caught) (call $throw))
                (unreachable))
              (i32.ne (i32.const 7))
              (if (then (unreachable)))))"#,
        |_| {},
    );
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
}

#[test]
fn what_nobody_catches_is_a_trap() {
    let report = run(
        r#"(module (memory (export "memory") 1) (tag $thrown)
            (func (export "_start") (throw $thrown)))"#,
        |_| {},
    );
    assert_eq!(report.outcome, Outcome::Trapped, "{report:?}");
    let error = report.error.unwrap();
    assert_eq!(error.code, codes::TRAPPED);
    assert!(error.message.contains("exception"), "{error:?}");
}

/// What is caught and forgotten takes no memory.
#[test]
fn throwing_without_end_meets_the_cpu_limit() {
    let report = run(
        r#"(module (memory (export "memory") 1) (tag $thrown (param i64 i64 i64 i64))
            (func (export "_start")
              (loop $more
                (block $caught (result exnref)
                  (try_table (catch_all_ref $caught)
                    (throw $thrown (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
                  (unreachable))
                (drop)
                (br $more))))"#,
        |s| {
            s.limits.memory = 8 << 20;
            s.limits.cpu = Duration::from_secs(1);
        },
    );
    assert_eq!(report.outcome, Outcome::Limited(Limit::Cpu), "{report:?}");
}

/// Each exception carries the one before, so none can be forgotten.
#[test]
fn keeping_exceptions_without_end_meets_the_memory_limit() {
    let report = run(
        r#"(module (memory (export "memory") 1) (tag $link (param exnref))
            (func (export "_start") (local $head exnref)
              (loop $more
                (block $caught (result exnref exnref)
                  (try_table (catch_ref $link $caught) (throw $link (local.get $head)))
                  (unreachable))
                (local.set $head)
                (drop)
                (br $more))))"#,
        |s| s.limits.memory = 4 << 20,
    );
    assert_eq!(report.outcome, Outcome::Limited(Limit::Memory), "{report:?}");
    assert!(report.usage.memory <= 4 << 20, "{:?}", report.usage);
}

#[test]
fn a_table_of_exceptions_counts_as_memory() {
    let report = run(
        r#"(module (memory (export "memory") 1) (table $kept 0 exnref)
            (func (export "_start")
              (loop $more
                (drop (table.grow $kept (ref.null exn) (i32.const 10000)))
                (br $more))))"#,
        |s| s.limits.memory = 1 << 20,
    );
    assert_eq!(report.outcome, Outcome::Limited(Limit::Memory), "{report:?}");
}
