//! The landing sequence: `4k + phase`, in eight bytes that only grow.

use std::fs::File;
use std::io;

use rustix::io::pread;

/// What a landing is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the first.
    None,
    Sealed,
    Aborting,
    Ended,
}

/// A value of the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Value(pub(crate) u64);

impl Value {
    pub(crate) fn new(landing: u64, phase: Phase) -> Self {
        Self(landing * 4 + phase as u64)
    }

    pub(crate) fn landing(self) -> u64 {
        self.0 / 4
    }

    pub(crate) fn phase(self) -> Phase {
        match self.0 % 4 {
            0 => Phase::None,
            1 => Phase::Sealed,
            2 => Phase::Aborting,
            _ => Phase::Ended,
        }
    }

    /// No landing is in the middle.
    pub(crate) fn quiet(self) -> bool {
        matches!(self.phase(), Phase::None | Phase::Ended)
    }
}

/// The file that holds it. It is written in place and never replaced, so a descriptor stays good.
pub(crate) struct Seq(pub(crate) File);

impl Seq {
    pub(crate) fn get(&self) -> io::Result<Value> {
        let mut b = [0; 8];
        match pread(&self.0, &mut b, 0)? {
            8 => Ok(Value(u64::from_le_bytes(b))),
            // Created and never written: before the first landing.
            _ => Ok(Value(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_landing_and_phase() {
        assert_eq!(Value(0).phase(), Phase::None);
        assert!(Value(0).quiet());
        let v = Value::new(7, Phase::Aborting);
        assert_eq!((v.landing(), v.phase(), v.quiet()), (7, Phase::Aborting, false));
        assert!(Value::new(7, Phase::Ended) < Value::new(8, Phase::Sealed));
    }
}
