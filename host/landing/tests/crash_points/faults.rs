//! What goes wrong, and when.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use brio_session::{Door, Hook, Op, Verdict};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// One operation: stopped, failed, done and then stopped or failed.
    Once(Verdict),
    /// From here on some writes are lost; the machine goes down before the next sync.
    Lost(u64),
    /// From here on the disk is full.
    Full,
    /// From here on the disk fails.
    Dead,
}

/// A fault at the N-th operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) how: How,
}

impl Fault {
    pub(crate) fn random(rng: &mut Random, ops: usize) -> Self {
        let how = match rng.below(10) {
            0 | 1 => How::Once(Verdict::Stop),
            2 => How::Once(Verdict::StopAfter),
            3 | 4 => How::Once(Verdict::Fail(libc::EIO)),
            5 => How::Once(Verdict::Fail(libc::ENOSPC)),
            6 => How::Once(Verdict::FailAfter(libc::EIO)),
            7 => How::Lost(rng.next()),
            8 => How::Full,
            _ => How::Dead,
        };
        Self { at: rng.below(ops), how }
    }

    /// The program lives on and answers for what it says.
    pub(crate) fn survives(&self) -> bool {
        matches!(self.how, How::Full | How::Once(Verdict::Fail(_) | Verdict::FailAfter(_)))
    }
}

/// Two faults at most; the second counts from the first.
pub(crate) struct Faults {
    first: Fault,
    second: Option<Fault>,
    armed: AtomicBool,
    seen: AtomicUsize,
    pub(crate) reached: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lost: Option<Random>,
    full: bool,
    dead: bool,
    /// Operations for which the reserve that was given up has room.
    room: usize,
}

impl Faults {
    pub(crate) fn door(first: Fault, second: Option<Fault>) -> (Arc<Self>, Door) {
        let faults = Arc::new(Self {
            first,
            second: second.map(|s| Fault { at: first.at + 1 + s.at, ..s }),
            armed: AtomicBool::new(false),
            seen: AtomicUsize::new(0),
            reached: AtomicUsize::new(0),
            state: Mutex::default(),
        });
        (faults.clone(), Door::with_hook(faults))
    }

    /// Counts and fails from here on.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    fn strike(&self, how: How, op: Op, state: &mut State) -> Verdict {
        self.reached.fetch_add(1, Ordering::SeqCst);
        match how {
            How::Once(v) => v,
            How::Lost(seed) => {
                state.lost = Some(Random(seed));
                lost(state, op)
            }
            How::Full => {
                state.full = true;
                full(state, op)
            }
            How::Dead => {
                state.dead = true;
                Verdict::Fail(libc::EIO)
            }
        }
    }
}

/// File systems keep names in order (the images of the power-cut harness are the proof), so a
/// lost rename is a stop; content and records go each on its own.
fn lost(state: &mut State, op: Op) -> Verdict {
    match (&mut state.lost, op) {
        (Some(_), Op::Sync | Op::SyncFs) => Verdict::Stop,
        (Some(rng), Op::Write | Op::Append | Op::Clone | Op::Seq | Op::SetTimes | Op::SetXattr) => {
            if rng.below(2) == 0 {
                Verdict::Lie
            } else {
                Verdict::Go
            }
        }
        (Some(rng), _) => {
            if rng.below(8) == 0 {
                Verdict::Stop
            } else {
                Verdict::Go
            }
        }
        (None, _) => Verdict::Go,
    }
}

fn full(state: &mut State, op: Op) -> Verdict {
    match op {
        Op::Truncate => {
            state.room = 40;
            Verdict::Go
        }
        Op::Create | Op::Write | Op::Append | Op::Mkdir | Op::Symlink | Op::Clone => {
            if state.room == 0 {
                return Verdict::Fail(libc::ENOSPC);
            }
            state.room -= 1;
            Verdict::Go
        }
        _ => Verdict::Go,
    }
}

impl Hook for Faults {
    fn verdict(&self, op: Op) -> Verdict {
        if !self.armed.load(Ordering::SeqCst) {
            return Verdict::Go;
        }
        let n = self.seen.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock().unwrap();
        if n == self.first.at {
            return self.strike(self.first.how, op, &mut state);
        }
        if let Some(second) = self.second
            && n == second.at
        {
            return self.strike(second.how, op, &mut state);
        }
        if state.dead {
            Verdict::Fail(libc::EIO)
        } else if state.lost.is_some() {
            lost(&mut state, op)
        } else if state.full {
            full(&mut state, op)
        } else {
            Verdict::Go
        }
    }
}
