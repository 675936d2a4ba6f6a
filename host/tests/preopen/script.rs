//! A sequence as the guest `fs-script` is told it, and what the tree in memory answers.

use super::model::memory::Memory;
use super::model::ops::{self, Data, Op};
use super::model::{Class, Kind, Outcome, Rng, Subject, Value, show};

/// Listings that are read while others go on.
pub(crate) const HELD: usize = 2;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Op(Op),
    /// Begins to read a directory.
    Hold {
        slot: usize,
        path: Vec<u8>,
    },
    /// Reads it to its end.
    Drain {
        slot: usize,
    },
    /// Whether two names are one file.
    Same {
        a: Vec<u8>,
        b: Vec<u8>,
    },
}

/// One run of the guest.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    /// What the tree in memory answers, a line for each step. A `-` stands for a time that
    /// nobody set.
    pub(crate) want: Vec<String>,
}

/// Makes up a run, and performs it on the tree in memory.
pub(crate) fn generate(rng: &mut Rng, memory: &mut Memory, len: usize) -> Script {
    let mut script = Script::default();
    let mut held: [Option<String>; HELD] = Default::default();
    while script.steps.len() < len {
        let known = memory.known();
        let slot = rng.below(HELD);
        let (step, want) = match rng.below(20) {
            0 => {
                let path = known_path(rng, &known);
                let want = line(&memory.apply(&Op::List { path: path.clone() }));
                let answer = match want.strip_prefix("names") {
                    Some(_) => "done".to_owned(),
                    None => want.clone(),
                };
                held[slot] = (answer == "done").then_some(want);
                (Step::Hold { slot, path }, answer)
            }
            1 => {
                let want = held[slot].take();
                let want = want.unwrap_or_else(|| code(Class::BadDescriptor).into());
                (Step::Drain { slot }, want)
            }
            2 => {
                let (a, b) = (known_path(rng, &known), known_path(rng, &known));
                let want = match memory.same(&a, &b) {
                    Ok(same) => format!("same {same}"),
                    Err(class) => code(class).into(),
                };
                (Step::Same { a, b }, want)
            }
            _ => {
                let op = say(ops::generate(rng, &known));
                let want = wanted(memory, &op);
                (Step::Op(op), want)
            }
        };
        script.steps.push(step);
        script.want.push(want);
    }
    memory.close_all();
    script
}

/// What WASI says where the model says otherwise.
pub(crate) fn wanted(memory: &mut Memory, op: &Op) -> String {
    // As ftruncate has it.
    let truncates = match op {
        Op::SetLen { slot, .. } => memory.apply(&Op::HandleStat { slot: *slot }).is_ok(),
        _ => false,
    };
    match (op, memory.apply(op)) {
        (_, Err(Class::BadDescriptor)) if truncates => code(Class::Invalid).into(),
        // An absolute target is a path of the host.
        (Op::ReadLink { .. }, Ok(Value::Bytes(target))) if target.starts_with(b"/") => {
            code(Class::NotPermitted).into()
        }
        (_, outcome) => line(&outcome),
    }
}

pub(crate) fn known_path(rng: &mut Rng, known: &[Vec<u8>]) -> Vec<u8> {
    if known.is_empty() { b"a".to_vec() } else { sayable(&known[rng.below(known.len())]) }
}

/// WASI has no name that is not UTF-8. What lies under one moves with its directory only.
fn sayable(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(_) => path.to_vec(),
        Err(_) => {
            let names = path.split(|b| *b == b'/');
            let names = names.map(|n| std::str::from_utf8(n).unwrap_or("\u{fe}"));
            names.collect::<Vec<_>>().join("/").into_bytes()
        }
    }
}

pub(crate) fn say(mut op: Op) -> Op {
    match &mut op {
        Op::Open { path, .. }
        | Op::ReadPath { path }
        | Op::WritePath { path, .. }
        | Op::AppendPath { path, .. }
        | Op::SetLenPath { path, .. }
        | Op::Unlink { path }
        | Op::Mkdir { path }
        | Op::Symlink { path, .. }
        | Op::ReadLink { path }
        | Op::Stat { path, .. }
        | Op::List { path }
        | Op::SetTimes { path, .. } => *path = sayable(path),
        // 7: wasmtime-wasi takes no slash after it.
        Op::Rmdir { path } => {
            *path = sayable(path);
            path.truncate(path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1));
        }
        Op::Rename { from, to } | Op::Link { from, to } => {
            (*from, *to) = (sayable(from), sayable(to));
        }
        _ => {}
    }
    op
}

/// The argument that tells the guest of a step.
pub(crate) fn argument(step: &Step) -> String {
    let text = |path: &[u8]| String::from_utf8(path.to_vec()).unwrap();
    let data = |d: &Data| format!("{}\t{}", d.seed, d.len);
    let time = |t: &brio_session::Time| format!("{}\t{}", t.secs, t.nanos);
    let op = match step {
        Step::Op(op) => op,
        Step::Hold { slot, path } => return format!("hold\t{slot}\t{}", text(path)),
        Step::Drain { slot } => return format!("drain\t{slot}"),
        Step::Same { a, b } => return format!("same\t{}\t{}", text(a), text(b)),
    };
    match op {
        Op::Open { slot, path, how } => {
            let flags = [
                (how.read, 'r'),
                (how.write, 'w'),
                (how.create, 'c'),
                (how.exclusive, 'x'),
                (how.truncate, 't'),
                (how.follow, 'f'),
            ];
            let flags: String = flags.into_iter().filter_map(|(is, c)| is.then_some(c)).collect();
            format!("open\t{slot}\t{}\t{flags}", text(path))
        }
        Op::Close { slot } => format!("close\t{slot}"),
        Op::Read { slot, at, len } => format!("read\t{slot}\t{at}\t{len}"),
        Op::Write { slot, at, data: d } => format!("write\t{slot}\t{at}\t{}", data(d)),
        Op::Append { slot, data: d } => format!("append\t{slot}\t{}", data(d)),
        Op::SetLen { slot, len } => format!("set-len\t{slot}\t{len}"),
        Op::HandleStat { slot } => format!("handle-stat\t{slot}"),
        Op::HandleTimes { slot, mtime } => format!("handle-times\t{slot}\t{}", time(mtime)),
        Op::ReadPath { path } => format!("read-path\t{}", text(path)),
        Op::WritePath { path, at, data: d } => {
            format!("write-path\t{}\t{at}\t{}", text(path), data(d))
        }
        Op::AppendPath { path, data: d } => format!("append-path\t{}\t{}", text(path), data(d)),
        Op::SetLenPath { path, len } => format!("set-len-path\t{}\t{len}", text(path)),
        Op::Unlink { path } => format!("unlink\t{}", text(path)),
        Op::Mkdir { path } => format!("mkdir\t{}", text(path)),
        Op::Rmdir { path } => format!("rmdir\t{}", text(path)),
        Op::Rename { from, to } => format!("rename\t{}\t{}", text(from), text(to)),
        Op::Link { from, to } => format!("link\t{}\t{}", text(from), text(to)),
        Op::Symlink { target, path } => format!("symlink\t{}\t{}", text(target), text(path)),
        Op::ReadLink { path } => format!("read-link\t{}", text(path)),
        Op::Stat { path, follow: true } => format!("stat\t{}\tfollow", text(path)),
        Op::Stat { path, follow: false } => format!("stat\t{}\tkeep", text(path)),
        Op::List { path } => format!("list\t{}", text(path)),
        Op::SetTimes { path, mtime } => format!("set-times\t{}\t{}", text(path), time(mtime)),
    }
}

/// The line that the guest prints of an outcome.
pub(crate) fn line(outcome: &Outcome) -> String {
    match outcome {
        Err(class) => code(*class).into(),
        Ok(Value::Done) => "done".into(),
        Ok(Value::Dir) => "dir".into(),
        Ok(Value::Len(n)) => format!("len {n}"),
        Ok(Value::Bytes(bytes)) => {
            let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            format!("bytes {} {hash:016x}", bytes.len())
        }
        Ok(Value::Stat(s)) => {
            let mtime = s.mtime.map_or("-".into(), |t| format!("{}.{:09}", t.secs, t.nanos));
            format!("stat {} {} {} {mtime}", kind(s.kind), s.size, s.nlink)
        }
        Ok(Value::Names(names)) => {
            let mut text = "names".to_owned();
            text.extend(
                names.iter().filter(|(n, _)| std::str::from_utf8(n).is_err()).map(|_| " ?"),
            );
            for (name, of) in names {
                if let Ok(name) = std::str::from_utf8(name) {
                    text.push_str(&format!(" {}:{name}", kind(*of)));
                }
            }
            text
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Dir => "dir",
        Kind::Symlink => "link",
    }
}

/// What WASI calls them.
const CODES: [(Class, &str); 13] = [
    (Class::NotFound, "no-entry"),
    (Class::Exists, "exist"),
    (Class::NotDirectory, "not-directory"),
    (Class::IsDirectory, "is-directory"),
    (Class::NotEmpty, "not-empty"),
    (Class::NotPermitted, "not-permitted"),
    (Class::Loop, "loop"),
    (Class::Invalid, "invalid"),
    (Class::Busy, "busy"),
    (Class::BadDescriptor, "bad-descriptor"),
    (Class::NameTooLong, "name-too-long"),
    (Class::Access, "access"),
    (Class::ReadOnly, "read-only"),
];

pub(crate) fn code(class: Class) -> &'static str {
    CODES.iter().find(|(c, _)| *c == class).map_or("io", |(_, code)| code)
}

/// The error that a line is; `None` when it is none.
pub(crate) fn class(line: &str) -> Option<Class> {
    CODES.iter().find(|(_, code)| *code == line).map(|(class, _)| *class)
}

/// Printable, for a failing sequence.
pub(crate) fn display(step: &Step) -> String {
    match step {
        Step::Op(op) => ops::show(op),
        Step::Hold { slot, path } => format!("Hold {{ slot: {slot}, path: {:?} }}", show(path)),
        Step::Drain { slot } => format!("Drain {{ slot: {slot} }}"),
        Step::Same { a, b } => format!("Same {{ a: {:?}, b: {:?} }}", show(a), show(b)),
    }
}
