//! Worker processes: made ahead where many are needed, one for each run, ended with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brio_confine::RoomError;

/// Workers of this process.
#[derive(Clone, Default)]
pub(crate) struct Workers(Arc<Mutex<Pool>>);

#[derive(Default)]
struct Pool {
    ready: Vec<Idle>,
    making: usize,
    /// How many are to be ready.
    ahead: usize,
}

impl Workers {
    pub(crate) fn new(ahead: usize) -> Self {
        Self(Arc::new(Mutex::new(Pool { ahead, ..Pool::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is ready, or a new one; another is made in its place.
    pub(crate) fn take(&self) -> Result<Idle, RoomError> {
        let ready = loop {
            let next = self.lock().ready.pop();
            // Somebody may have killed it meanwhile.
            if next.as_ref().is_none_or(Idle::is_alive) {
                break next;
            }
        };
        self.refill();
        ready.map_or_else(Idle::spawn, Ok)
    }

    /// Makes those that are missing, beside the caller.
    pub(crate) fn refill(&self) {
        let missing = {
            let mut pool = self.lock();
            let missing = pool.ahead.saturating_sub(pool.ready.len() + pool.making);
            pool.making += missing;
            missing
        };
        for _ in 0..missing {
            let workers = self.clone();
            let make = move || {
                let made = Idle::spawn();
                let mut pool = workers.lock();
                pool.making -= 1;
                match made {
                    Ok(idle) => pool.ready.push(idle),
                    // Whoever needs one is told.
                    Err(error) => tracing::debug!(%error, "no worker was made ahead"),
                }
            };
            if std::thread::Builder::new().name("brio-workers".into()).spawn(make).is_err() {
                self.lock().making -= 1;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::Idle;
#[cfg(target_os = "linux")]
pub(crate) use linux::Idle;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use brio_confine::{Cell, CellLimits, Report, RoomError, Running};
    use brio_runtime::{Agent, Engine, RunReport, RunSpec, Worker};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Descriptors that a worker needs: two sockets, an agent's code, what a tokio runtime polls
    /// with.
    const OPEN_FILES: u64 = 64;

    /// A worker that has no job yet. Dropped, it is ended.
    pub(crate) struct Idle {
        running: Running,
        socket: UnixStream,
        net: UnixStream,
    }

    impl Idle {
        pub(super) fn spawn() -> Result<Self, RoomError> {
            let pair = || {
                let failed = |source| RoomError::Io { step: "make a socket".into(), source };
                UnixStream::pair().map_err(failed)
            };
            let ((socket, its_socket), (net, its_net)) = (pair()?, pair()?);
            let limits = CellLimits { open_files: Some(OPEN_FILES), ..CellLimits::default() };
            let given = vec![OwnedFd::from(its_socket), OwnedFd::from(its_net)];
            let running = Cell::new().limits(limits).spawn(given)?;
            Ok(Self { running, socket, net })
        }

        pub(super) fn is_alive(&self) -> bool {
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let polled = poll(&mut fds, Some(&now));
            polled.is_ok() && !fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
        }

        pub(crate) fn report(&self) -> &Report {
            self.running.report()
        }

        pub(crate) fn pid(&self) -> Option<u32> {
            self.running.init_pid()
        }

        /// The one job that it does. No process of it is left when this returns.
        pub(crate) fn run(self, engine: &Engine, agent: &Agent, spec: RunSpec) -> RunReport {
            let Self { running, socket, net } = self;
            let handle = running.handle();
            let worker = Worker { socket, net, kill: Arc::new(move || handle.kill()) };
            let report = engine.run_in_worker(agent, spec, worker);
            drop(running);
            report
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use brio_confine::{Cell, Report, RoomError};
    use brio_runtime::{Agent, Engine, RunReport, RunSpec};

    /// There is none here.
    pub(crate) struct Idle(std::convert::Infallible);

    impl Idle {
        pub(super) fn spawn() -> Result<Self, RoomError> {
            Err(match Cell::new().spawn(Vec::new()) {
                Err(refused) => refused,
                Ok(_) => RoomError::Helper { status: "no workers on this system".into() },
            })
        }

        pub(super) fn is_alive(&self) -> bool {
            match self.0 {}
        }

        pub(crate) fn report(&self) -> &Report {
            match self.0 {}
        }

        pub(crate) fn pid(&self) -> Option<u32> {
            match self.0 {}
        }

        pub(crate) fn run(self, _: &Engine, _: &Agent, _: RunSpec) -> RunReport {
            match self.0 {}
        }
    }
}
