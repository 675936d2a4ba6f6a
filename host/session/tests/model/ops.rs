//! The operations, and how they are made up.

use brio_session::Time;

use super::Rng;

pub const SLOTS: usize = 4;

#[derive(Debug, Clone)]
pub enum Op {
    Open { slot: usize, path: Vec<u8>, how: How },
    Close { slot: usize },
    Read { slot: usize, at: u64, len: usize },
    Write { slot: usize, at: u64, data: Data },
    Append { slot: usize, data: Data },
    SetLen { slot: usize, len: u64 },
    HandleStat { slot: usize },
    HandleTimes { slot: usize, mtime: Time },
    ReadPath { path: Vec<u8> },
    WritePath { path: Vec<u8>, at: u64, data: Data },
    AppendPath { path: Vec<u8>, data: Data },
    SetLenPath { path: Vec<u8>, len: u64 },
    Unlink { path: Vec<u8> },
    Mkdir { path: Vec<u8> },
    Rmdir { path: Vec<u8> },
    Rename { from: Vec<u8>, to: Vec<u8> },
    Link { from: Vec<u8>, to: Vec<u8> },
    Symlink { target: Vec<u8>, path: Vec<u8> },
    ReadLink { path: Vec<u8> },
    Stat { path: Vec<u8>, follow: bool },
    List { path: Vec<u8> },
    SetTimes { path: Vec<u8>, mtime: Time },
}

#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    pub read: bool,
    pub write: bool,
    pub create: bool,
    pub exclusive: bool,
    pub truncate: bool,
    pub follow: bool,
}

/// Content that follows from its seed.
#[derive(Clone, Copy)]
pub struct Data {
    pub seed: u8,
    pub len: usize,
}

impl Data {
    pub fn bytes(&self) -> Vec<u8> {
        (0..self.len).map(|i| self.seed.wrapping_add((i % 251) as u8)).collect()
    }
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}*{}", self.seed, self.len)
    }
}

/// Printable, for a failing sequence.
pub fn show(op: &Op) -> String {
    // Paths are shown as strings, so that a sequence can be read.
    let mut text = String::new();
    let raw = format!("{op:?}");
    let mut rest = raw.as_str();
    while let Some(i) = rest.find('[') {
        let Some(end) = rest[i..].find(']') else { break };
        let bytes: Vec<u8> =
            rest[i + 1..i + end].split(',').filter_map(|n| n.trim().parse().ok()).collect();
        text.push_str(&rest[..i]);
        text.push_str(&format!("\"{}\"", super::show(&bytes)));
        rest = &rest[i + end + 1..];
    }
    text.push_str(rest);
    text
}

const NAMES: &[&[u8]] =
    &[b"a", b"b", b"c", b"d", b"f", b"g", b"new", b"ln", b"up", b"\xff\xfe", b"esc", b"loop"];

const TARGETS: &[&[u8]] = &[
    b"a",
    b"b",
    b"../a",
    b"../../a",
    b"a/b",
    b".",
    b"..",
    b"f",
    b"../f",
    b"nowhere",
    b"ln",
    b"loop",
    b"a/",
    b"a/.",
    b"f/",
    b"../../../etc",
    b"/etc",
    b"d/../f",
    b"./a//b",
    b"up/f",
];

/// Makes up the next operation; `known` are paths that exist.
pub fn generate(rng: &mut Rng, known: &[Vec<u8>]) -> Op {
    let slot = rng.below(SLOTS);
    match rng.below(100) {
        0..=13 => Op::Open { slot, path: path(rng, known), how: how(rng) },
        14..=15 => Op::Close { slot },
        16..=19 => Op::Read { slot, at: offset(rng), len: rng.below(4000) },
        20..=24 => Op::Write { slot, at: offset(rng), data: data(rng) },
        25..=27 => Op::Append { slot, data: data(rng) },
        28..=29 => Op::SetLen { slot, len: offset(rng) },
        30..=31 => Op::HandleStat { slot },
        32 => Op::HandleTimes { slot, mtime: time(rng) },
        33..=35 => Op::ReadPath { path: path(rng, known) },
        36..=40 => Op::WritePath { path: path(rng, known), at: offset(rng), data: data(rng) },
        41..=42 => Op::AppendPath { path: path(rng, known), data: data(rng) },
        43..=44 => Op::SetLenPath { path: path(rng, known), len: offset(rng) },
        45..=50 => Op::Unlink { path: path(rng, known) },
        51..=55 => Op::Mkdir { path: path(rng, known) },
        56..=58 => Op::Rmdir { path: path(rng, known) },
        59..=73 => Op::Rename { from: path(rng, known), to: path(rng, known) },
        74..=80 => Op::Link { from: path(rng, known), to: path(rng, known) },
        81..=84 => Op::Symlink { target: rng.pick(TARGETS).to_vec(), path: path(rng, known) },
        85..=86 => Op::ReadLink { path: path(rng, known) },
        87..=92 => Op::Stat { path: path(rng, known), follow: rng.one_in(2) },
        93..=95 => Op::List { path: path(rng, known) },
        _ => Op::SetTimes { path: path(rng, known), mtime: time(rng) },
    }
}

fn how(rng: &mut Rng) -> How {
    let create = rng.one_in(2);
    let write = create || rng.one_in(2);
    How {
        read: !write || rng.one_in(2),
        write,
        create,
        exclusive: create && rng.one_in(3),
        truncate: write && rng.one_in(4),
        follow: !rng.one_in(4),
    }
}

fn data(rng: &mut Rng) -> Data {
    let len = match rng.below(10) {
        0 => 0,
        1 => 5000 + rng.below(9000),
        _ => 1 + rng.below(300),
    };
    Data { seed: rng.next() as u8, len }
}

fn offset(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => 0,
        1 => rng.below(10_000) as u64,
        _ => rng.below(200) as u64,
    }
}

fn time(rng: &mut Rng) -> Time {
    Time { secs: rng.below(1_500_000_000) as i64, nanos: rng.below(1_000_000_000) as u32 }
}

fn path(rng: &mut Rng, known: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    if !known.is_empty() && !rng.one_in(5) {
        out = rng.pick(known).clone();
        if rng.one_in(3) {
            out.push(b'/');
            out.extend_from_slice(NAMES[rng.below(NAMES.len())]);
        }
    } else {
        for i in 0..1 + rng.below(3) {
            if i > 0 {
                out.push(b'/');
            }
            out.extend_from_slice(NAMES[rng.below(NAMES.len())]);
        }
    }
    if rng.one_in(8) {
        twist(rng, &mut out);
    }
    out
}

/// Says the same, or nearly, in another way.
fn twist(rng: &mut Rng, path: &mut Vec<u8>) {
    let cut = path.iter().position(|b| *b == b'/');
    match rng.below(9) {
        0 => path.push(b'/'),
        1 => path.extend_from_slice(b"/."),
        2 => path.extend_from_slice(b"/.."),
        3 => drop(path.splice(0..0, *b"./")),
        4 => drop(path.splice(0..0, *b"../")),
        5 => drop(path.splice(0..0, *b"a/../")),
        6 => path.extend_from_slice(b"//"),
        7 => {
            if let Some(i) = cut {
                path.splice(i..i, *b"/./");
            }
        }
        _ => {
            if let Some(i) = cut {
                path.splice(i..i, *b"/../a");
            }
        }
    }
}
