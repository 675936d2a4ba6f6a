//! Finishing what a crash left, and taking over a copied base.

use std::path::Path;

use brio_landing::{Adopted, Domain, DomainError, RecoverError, Recovered};

use crate::Brio;

impl Brio {
    /// Completes or undoes interrupted landings of the domain that `base` lies in.
    ///
    /// # Errors
    /// [`RecoverError`]: the base is damaged, or the domain cannot be used.
    pub fn recover(&self, base: &Path) -> Result<Recovered, RecoverError> {
        // Opening a domain recovers it as well; what that did is told too.
        let (domain, _) = self.domain(base, false)?;
        domain.recover()
    }

    /// Gives a copied, restored or lost base a claim of its own. Its old sessions can be
    /// looked at, not landed.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn adopt(&self, base: &Path) -> Result<Adopted, DomainError> {
        let adopted = Domain::adopt(base, self.domain_options(base, true))?;
        self.look_at(base);
        Ok(adopted)
    }
}
