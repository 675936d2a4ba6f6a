//! How a process finds out, without a look at every landing, that nothing is to be recovered.

use crate::check::{Config, Mutant};
use crate::world::*;

impl Disk {
    /// Landing `k` finished, and its session can still be found.
    pub(crate) fn left_behind(&self, k: usize) -> bool {
        let gone = self.trashed & (1 << self.intent[k].session) != 0;
        self.present(k) && self.landing[k] & FINISHED != 0 && !gone
    }

    /// What every process trusts: all landings have ended well and their sessions are gone. It looks at none.
    pub(crate) fn quiet(&self, config: &Config) -> bool {
        let next = usize::from(self.seq / 4);
        self.resting()
            && self.settled == self.seq / 4
            && (config.is(Mutant::QuietIgnoresNext) || next >= LANDINGS || !self.present(next))
    }

    /// No landing is in the middle, as far as `seq` tells.
    pub(crate) fn resting(&self) -> bool {
        matches!(self.seq % 4, 0 | 3)
    }

    /// What a process finds that opens the domain: something is to be recovered.
    pub(crate) fn pending(&self, config: &Config) -> bool {
        let open = |k: usize| {
            self.present(k) && (number(k) > self.seq / 4 || !self.ended(k) || self.left_behind(k))
        };
        !self.quiet(config) && (!self.resting() || (0..LANDINGS).any(open))
    }

    /// What a writer finds that has taken its session's lease: a landing of it that may not have ended.
    pub(crate) fn concerns_writer(&self, config: &Config) -> bool {
        let settled = if self.settled == UNSETTLED { 0 } else { self.settled };
        let dropped =
            if config.is(Mutant::LandedSessionOpens) { ABORTED | FINISHED } else { ABORTED };
        let open = |k: usize| {
            self.present(k)
                && number(k) > settled
                && self.intent[k].is_the_writers()
                && self.landing[k] & dropped == 0
        };
        !self.quiet(config) && (0..LANDINGS).any(open)
    }
}
