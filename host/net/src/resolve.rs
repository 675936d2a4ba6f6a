//! From a name to its addresses, without holding a thread of others.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// The addresses of a name, in the order in which they are to be tried.
pub type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of names. What it answers is checked; it need not be.
pub trait Resolve: Send + Sync {
    /// The addresses of a name. Dropped when it takes too long.
    fn resolve(&self, name: &str) -> Resolved;
}

/// So many names may be asked for at one time: the system's resolver cannot be interrupted, and
/// each holds a thread until it answers.
const AT_ONE_TIME: usize = 16;

/// What the system says: `/etc/hosts`, DNS.
#[derive(Debug, Clone)]
pub struct SystemResolver(Arc<Semaphore>);

impl Default for SystemResolver {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONE_TIME)))
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolved {
        let (permits, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move {
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            let asked = tokio::task::spawn_blocking(move || {
                // Held by the thread, not by who waits for it.
                let _permit = permit;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|a| a.ip()).collect::<Vec<_>>())
            });
            asked.await.map_err(io::Error::other)?
        })
    }
}
