//! Domains that are open: sessions of one base share one, and its landings are flushed together.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use brio_landing::{Domain, DomainError, OpenOptions};
use brio_session::RelPath;

/// So long a domain that nobody uses stays open: its base cannot be unmounted meanwhile.
const IDLE: Duration = Duration::from_secs(2);
/// Each has a dozen descriptors.
const MOST: usize = 64;

/// What was opened lately. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Domains(Arc<Mutex<Vec<Opened>>>);

struct Opened {
    domain: Domain,
    used: Instant,
}

impl Domains {
    /// Opens the domain that a directory lies in, or finds it open.
    pub(crate) fn open(
        &self,
        base: &Path,
        options: OpenOptions,
    ) -> Result<(Domain, RelPath), DomainError> {
        for domain in self.nearest(base) {
            if let Some(below) = domain.reopen(base, &options)? {
                self.keep(&domain);
                return Ok((domain, below));
            }
        }
        let (domain, below) = Domain::open(base, options)?;
        if domain.frozen_only().is_none() {
            self.keep(&domain);
        }
        Ok((domain, below))
    }

    /// Those that a path may lie in by its name, the deepest first.
    fn nearest(&self, base: &Path) -> Vec<Domain> {
        let Ok(base) = base.canonicalize() else { return Vec::new() };
        let open = self.lock();
        let mut above: Vec<_> = open
            .iter()
            .map(|opened| opened.domain.clone())
            .filter(|domain| base.starts_with(domain.root_path()))
            .collect();
        above.sort_by_key(|domain| std::cmp::Reverse(domain.root_path().components().count()));
        above
    }

    fn keep(&self, domain: &Domain) {
        let used = Instant::now();
        let mut open = self.lock();
        let path = domain.root_path();
        if let Some(known) = open.iter_mut().find(|o| o.domain.root_path() == path) {
            *known = Opened { domain: domain.clone(), used };
            return;
        }
        if open.len() >= MOST
            && let Some(oldest) = (0..open.len()).min_by_key(|n| open[*n].used)
        {
            open.swap_remove(oldest);
        }
        open.push(Opened { domain: domain.clone(), used });
        if open.len() == 1 {
            let domains = Arc::downgrade(&self.0);
            let closing = move || {
                while let Some(domains) = domains.upgrade().map(Domains) {
                    let mut open = domains.lock();
                    open.retain(|o| o.used.elapsed() < IDLE);
                    if open.is_empty() {
                        return;
                    }
                    drop(open);
                    drop(domains);
                    std::thread::sleep(IDLE / 2);
                }
            };
            // Without it nothing stays open.
            let spawned = std::thread::Builder::new().name("brio-domains".into()).spawn(closing);
            if spawned.is_err() {
                open.clear();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
