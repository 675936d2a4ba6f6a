//! The writer lease: `flock` decides who may write; its content tells people who that is.

mod beat;
mod channel;
mod holder;
mod kill;
mod status;
mod wish;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::errors::Doing;
use crate::look::Look;
use crate::operations;
use crate::state::State;
use crate::{LeaseError, RunInfo, RunTag, SessionError, SessionId, meta};
use beat::Beat;
use holder::Holder;

pub(crate) use kill::stop;
pub(crate) use status::{is_free, status, used_at};
pub(crate) use wish::Wish;

const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a wish is said again that somebody took back.
const AGAIN: Duration = Duration::from_millis(50);

/// For what a lease is held.
#[derive(Debug, Clone)]
pub(crate) enum Hold<'a> {
    /// For a look at what lies there: what it says of an earlier holder stays.
    Aside,
    /// For one operation.
    Brief(&'a str),
    /// For a run, which lasts.
    Run(RunTag),
    /// As long as nobody else wants it.
    Yielding(RunTag),
}

/// How long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Somebody else's lease is an error at once.
    Refuse,
    /// Ask the holder to stop, and wait so long.
    Stop(Wish, Duration),
}

impl Ask {
    /// Asks the holder to stop and waits for five seconds, if that is wanted.
    pub(crate) fn stop_if(wanted: bool) -> Self {
        if wanted { Self::Stop(Wish { keep: false }, PATIENCE) } else { Self::Refuse }
    }
}

/// The right to write in a session, held.
pub(crate) struct Lease {
    file: Arc<File>,
    beat: Option<Beat>,
    /// It says who holds it.
    told: bool,
}

impl Lease {
    /// Takes the lease of a session. A holder that yields is asked to let go by everybody.
    pub(crate) fn take(
        state: &Arc<State>,
        id: &SessionId,
        ask: Ask,
        hold: Hold<'_>,
    ) -> Result<Self, LeaseError> {
        let dir = open_dir(state, id)?;
        let file = holder::open(&dir).doing(id)?;
        if let Err(holder) = wait(state, &dir, &file, ask).doing(id)? {
            return Err(LeaseError::Busy { id: id.clone(), pid: holder.map_or(0, |h| h.pid) });
        }
        // It may have been rolled back between the look-up and the lock.
        let here = Look::at(&state.sessions, id.as_str().as_bytes()).doing(id)?;
        if here.map(|l| l.ino()) != Some(Look::of(&dir).doing(id)?.ino()) {
            return Err(LeaseError::Session(match crate::journal::ended(state, id) {
                SessionError::Unknown { id } => SessionError::Unknown { id },
                e => e,
            }));
        }
        // Its landing may have died after the seal: then its files are the base's, and a write
        // would reach it. What is recovered here may be the end of this session.
        if crate::recover::concerns(state, id).doing(id)? {
            let recovered = crate::recover::now(state).map_err(Box::new);
            recovered.map_err(|e| LeaseError::Session(crate::DomainError::from(e).into()))?;
            if meta::dir(state, id).is_err() {
                return Err(crate::journal::ended(state, id).into());
            }
        }
        let holder = match hold {
            Hold::Aside => return Ok(Self { file: Arc::new(file), beat: None, told: false }),
            Hold::Brief(purpose) => Ok(Holder::brief(state, purpose)),
            Hold::Run(tag) => Holder::of_run(state, &tag, false),
            Hold::Yielding(tag) => Holder::of_run(state, &tag, true),
        };
        let holder = holder.doing(id)?;
        wish::forget(&dir);
        if let Some(died) = Holder::read(&file).and_then(|h| h.info()) {
            operations::died(state, &dir, died);
        }
        let lasts = holder.run.is_some();
        let file = Arc::new(file);
        holder.write(&file).doing(id)?;
        let beat = lasts.then(|| Beat::start(state.options.now, dir, file.clone(), holder));
        let beat = beat.transpose().doing(id)?;
        Ok(Self { file, beat, told: true })
    }

    /// Takes the lease of a session that nobody else has seen yet.
    pub(crate) fn of_new(state: &State, dir: &OwnedFd, purpose: &str) -> io::Result<Self> {
        let file = holder::open(dir)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Holder::brief(state, purpose).write(&file)?;
        Ok(Self { file: Arc::new(file), beat: None, told: true })
    }

    /// Whether somebody wants the holder to stop, and how.
    pub(crate) fn wish(&self) -> Option<Wish> {
        self.beat.as_ref().and_then(Beat::wish)
    }

    /// See [`Writer::on_stop`](crate::Writer::on_stop).
    pub(crate) fn on_stop(&self, f: Box<dyn FnOnce() + Send>) {
        if let Some(beat) = &self.beat {
            beat.on_stop(f);
        }
    }

    /// See [`Writer::measure`](crate::Writer::measure).
    pub(crate) fn measure(&self, f: Box<dyn Fn() -> crate::Figures + Send>) {
        if let Some(beat) = &self.beat {
            beat.measure(f);
        }
    }

    /// The run that holds it.
    pub(crate) fn run(&self) -> Option<RunInfo> {
        self.beat.as_ref().and_then(Beat::info)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The last beat before the content goes.
        drop(self.beat.take());
        if self.told {
            let _ = self.file.set_len(0);
        }
        let _ = flock(&*self.file, FlockOperation::Unlock);
    }
}

fn open_dir(state: &Arc<State>, id: &SessionId) -> Result<OwnedFd, LeaseError> {
    match meta::dir(state, id) {
        Ok(dir) => Ok(dir),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(crate::journal::ended(state, id).into())
        }
        Err(e) => Err(crate::HostError::new(id, e).into()),
    }
}

fn wait(
    state: &State,
    dir: &OwnedFd,
    file: &File,
    ask: Ask,
) -> io::Result<Result<(), Option<Holder>>> {
    let begun = Instant::now();
    let mut ask = ask;
    let mut said = None::<Instant>;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Ok(())),
            Err(Errno::WOULDBLOCK) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        if ask == Ask::Refuse && Holder::read(file).is_some_and(|h| h.yields) {
            ask = Ask::stop_if(true);
        }
        let patience = match ask {
            Ask::Stop(_, patience) => patience,
            // Who looks at a lease holds it for an instant: never be refused because of that.
            Ask::Refuse => Duration::from_millis(30),
        };
        if begun.elapsed() >= patience {
            if said.is_some() {
                wish::forget(dir);
            }
            return Ok(Err(Holder::read(file)));
        }
        // Another may have been faster to take what was given up, and does not know of the wish.
        if let Ask::Stop(wish, _) = ask
            && said.is_none_or(|at| at.elapsed() >= AGAIN && wish::read(dir).is_none())
        {
            said = Some(Instant::now());
            wish::say(state, dir, wish)?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
