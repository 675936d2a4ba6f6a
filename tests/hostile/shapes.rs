//! Guests that are too large, too deep or too broken to be written down.

use std::fmt::Write;

use super::components;

fn text(parts: impl FnOnce(&mut String)) -> Vec<u8> {
    let mut text = String::new();
    parts(&mut text);
    wat::parse_str(text).unwrap()
}

/// A command with these fields, and this in its body.
fn command(fields: &str, body: &str) -> Vec<u8> {
    components::module(&format!(
        ";; command: memory realloc\n{fields}\n\
         (func (export \"wasi:cli/run@0.2.12#run\") (result i32)\n{body}\n(i32.const 0))"
    ))
}

fn repeated(count: usize, mut line: impl FnMut(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        all.push_str(&line(n));
        all.push('\n');
        all
    })
}

pub(crate) fn garbage() -> Vec<u8> {
    (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

pub(crate) fn cut_off() -> Vec<u8> {
    let whole = command("", "");
    whole[..whole.len() / 2].to_vec()
}

/// A section that says it is 4 GiB, and a function count of as many.
pub(crate) fn lying_section() -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.extend([3, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    bytes
}

/// Memories of nothing: each takes a place that another run might need.
pub(crate) fn many_memories() -> Vec<u8> {
    command(&repeated(90, |n| format!("(memory $m{n} 0)")), "")
}

pub(crate) fn many_tables() -> Vec<u8> {
    command(&repeated(90, |n| format!("(table $t{n} 0 funcref)")), "")
}

const RUN: &str = "
    (core module $run (func (export \"run\") (result i32) (i32.const 0)))
    (core instance $r (instantiate $run))
    (func $f (result (result)) (canon lift (core func $r \"run\")))
    (instance $i (export \"run\" (func $f)))
    (export \"wasi:cli/run@0.2.12\" (instance $i))";

pub(crate) fn many_instances() -> Vec<u8> {
    text(|t| {
        let _ = write!(t, "(component (core module $m (memory 1)) {RUN}");
        t.push_str(&repeated(900, |_| "(core instance (instantiate $m))".into()));
        t.push(')');
    })
}

pub(crate) fn many_components() -> Vec<u8> {
    text(|t| {
        let _ = write!(
            t,
            "(component (component $c (core module $m (memory 1)) (core instance (instantiate $m))) {RUN}"
        );
        t.push_str(&repeated(900, |_| "(instance (instantiate $c))".into()));
        t.push(')');
    })
}

pub(crate) fn nested_components() -> Vec<u8> {
    // By hand: a parser of the text would not get so deep.
    let mut inner = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..2_000 {
        let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
        let mut len = inner.len();
        while len >= 0x80 {
            outer.push(len as u8 | 0x80);
            len >>= 7;
        }
        outer.push(len as u8);
        outer.extend(inner);
        inner = outer;
    }
    inner
}

pub(crate) fn deep_types() -> Vec<u8> {
    text(|t| {
        let _ = write!(t, "(component (type $t0 (list u8))");
        t.push_str(&repeated(2_000, |n| format!("(type $t{} (list $t{n}))", n + 1)));
        let _ = write!(t, "{RUN})");
    })
}

/// Each type is two of the one before: 2^60 fields.
pub(crate) fn doubled_types() -> Vec<u8> {
    text(|t| {
        let _ = write!(t, "(component (type $t0 (tuple u64 u64))");
        t.push_str(&repeated(60, |n| format!("(type $t{} (tuple $t{n} $t{n}))", n + 1)));
        let _ = write!(t, "{RUN})");
    })
}

pub(crate) fn many_imports() -> Vec<u8> {
    text(|t| {
        let _ = write!(t, "(component");
        t.push_str(&repeated(2_000, |n| format!("(import \"a{n}\" (func))")));
        let _ = write!(t, "{RUN})");
    })
}

pub(crate) fn unknown_import() -> Vec<u8> {
    text(|t| {
        let _ = write!(
            t,
            "(component (import \"wasi:filesystem/types@0.2.12\" (instance (export \"own-the-host\" (func)))) {RUN})"
        );
    })
}

pub(crate) fn long_import() -> Vec<u8> {
    text(|t| {
        let _ = write!(t, "(component (import \"{}\" (func)) {RUN})", "a".repeat(90_000));
    })
}

pub(crate) fn many_functions() -> Vec<u8> {
    command(
        &repeated(2_000, |n| {
            format!("(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))")
        }),
        "",
    )
}

/// One function of twenty thousand additions that depend on each other.
pub(crate) fn huge_function() -> Vec<u8> {
    let body = repeated(20_000, |n| {
        format!(
            "(local.set 1 (i32.add (i32.mul (local.get 1) (i32.const {})) (local.get 0)))",
            n * 2 + 1
        )
    });
    command(&format!("(func (param i32) (result i32) (local i32)\n{body}\n(local.get 1))"), "")
}

pub(crate) fn deep_blocks() -> Vec<u8> {
    const DEPTH: usize = 5_000;
    let body = "block\n".repeat(DEPTH) + "local.get 0 br_if 7\n" + &"end\n".repeat(DEPTH);
    command(&format!("(func (param i32)\n{body})"), "")
}

pub(crate) fn wide_branch_table() -> Vec<u8> {
    let table = "0 ".repeat(60_000);
    command(&format!("(func (param i32) (block (br_table {table} (local.get 0))))"), "")
}

/// Frames so large that few fill the stack.
pub(crate) fn many_locals() -> Vec<u8> {
    const LOCALS: usize = 4_000;
    let locals = "i64 ".repeat(LOCALS);
    let uses = repeated(LOCALS, |n| format!("(local.set {n} (i64.load (i32.const {n})))"));
    let sum =
        repeated(LOCALS, |n| format!("(local.set 0 (i64.add (local.get 0) (local.get {n})))"));
    command(
        &format!(
            "(func $deep (result i64) (local {locals})\n{uses}(drop (call $deep))\n{sum}\n(local.get 0))"
        ),
        "(drop (call $deep))",
    )
}

/// A resource of its own, of which it makes one after the other: a place in the host's table for each.
pub(crate) fn own_handles() -> Vec<u8> {
    wat::parse_str(
        "(component
            (type $r (resource (rep i32)))
            (core func $new (canon resource.new $r))
            (core module $m
                (import \"\" \"new\" (func $new (param i32) (result i32)))
                (func (export \"run\") (result i32)
                    (loop $l (drop (call $new (i32.const 1))) (br $l)) (unreachable)))
            (core instance $i (instantiate $m (with \"\" (instance (export \"new\" (func $new))))))
            (func $f (result (result)) (canon lift (core func $i \"run\")))
            (instance $e (export \"run\" (func $f)))
            (export \"wasi:cli/run@0.2.12\" (instance $e)))",
    )
    .unwrap()
}
