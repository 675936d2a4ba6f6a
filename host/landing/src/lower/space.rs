//! Two guards of the disk, before anything is copied.

use crate::Short;

/// What a full copy may take of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceGuards {
    /// Of what is available, in percent.
    pub share: u32,
    /// How many times the source's size must be available: the copy, and room to work.
    pub factor: u32,
}

impl Default for SpaceGuards {
    /// 80 percent; twice.
    fn default() -> Self {
        Self { share: 80, factor: 2 }
    }
}

impl SpaceGuards {
    /// Whether a full copy of `source` bytes may be made where `have` are available.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(self, source: u64, have: u64) -> Result<(), Short> {
        check(source, have, self)
    }
}

pub(super) fn check(source: u64, have: u64, guards: SpaceGuards) -> Result<(), Short> {
    let SpaceGuards { share, factor } = guards;
    if u128::from(source) * 100 > u128::from(have) * u128::from(share) {
        return Err(Short::Share { need: source, have, share });
    }
    let need = source.saturating_mul(u64::from(factor));
    if need > have { Err(Short::Room { need, have }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_guards_and_both_can_be_set() {
        // B-112, B-114
        let both = SpaceGuards::default();
        assert_eq!(check(0, 0, both), Ok(()));
        assert_eq!(check(50, 100, both), Ok(()));
        assert_eq!(check(51, 100, both), Err(Short::Room { need: 102, have: 100 }));
        assert_eq!(check(80, 100, both), Err(Short::Room { need: 160, have: 100 }));
        assert_eq!(check(81, 100, both), Err(Short::Share { need: 81, have: 100, share: 80 }));
        let one = SpaceGuards { share: 100, factor: 1 };
        assert_eq!(check(100, 100, one), Ok(()));
        assert_eq!(check(101, 100, one), Err(Short::Share { need: 101, have: 100, share: 100 }));
        assert_eq!(check(u64::MAX, u64::MAX, one), Ok(()), "nothing overflows");
    }
}
