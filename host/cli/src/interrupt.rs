//! Ctrl-C and a polite kill: the run ends, and its session is rolled back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use brio_host::StopToken;

use crate::failure::Failure;
use crate::progress;

/// Watches for SIGINT, SIGTERM and SIGHUP from now to the end of the process.
#[derive(Debug)]
pub(crate) struct Interrupt {
    token: StopToken,
    happened: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts to watch. A second signal does what the system does by default: waiting for a
    /// roll-back that hangs is not forced on anybody.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let this = Self { token: StopToken::default(), happened: Arc::default() };
        let (token, happened) = (this.token.clone(), this.happened.clone());
        let fail = |e: std::io::Error| Failure::new("SIGNALS", e.to_string());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new().map_err(fail)?
        };
        std::thread::Builder::new()
            .name("brio-signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    signals.next().await;
                    // Release: seen by whoever sees the run end.
                    happened.store(true, Ordering::Release);
                    token.stop();
                    signals.next().await;
                    progress::clear();
                    std::process::exit(130);
                });
            })
            .map_err(fail)?;
        Ok(this)
    }

    /// Ends a run when a signal comes.
    pub(crate) fn token(&self) -> StopToken {
        self.token.clone()
    }

    /// Set when a signal comes.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.happened.clone()
    }

    /// Whether a signal came.
    pub(crate) fn happened(&self) -> bool {
        self.happened.load(Ordering::Acquire)
    }
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! {
            _ = a.recv() => {}
            _ = b.recv() => {}
            _ = c.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
