//! Clients, by TCP: who is let in, how much at a time, and for how long.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brio_peer::Peer;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::again::Again;
use crate::connection::{Connection, PATIENCE};
use crate::counts::Counts;
use crate::server::Server;
use crate::table::HandlesError;
use crate::{Exports, Options, Users};

/// So many connections are open at one time; a client makes a few.
const CONNECTIONS: usize = 128;
/// Calls that are carried out at one time, of all clients.
const CALLS: usize = 64;
/// How often what is not used is closed, and what has ended forgotten.
const REST: Duration = Duration::from_secs(2);
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// How long who waits for a client takes to find that the server ends.
const TICK: Duration = Duration::from_millis(100);

/// A server at work. Dropping it ends it: what is under way is finished, what is written is in
/// its sessions.
#[must_use = "dropping it ends it"]
pub struct Serving {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// It could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Its table of handles.
    #[error(transparent)]
    Handles(#[from] HandlesError),
    /// There is no thread, or no socket, to be had.
    #[error("NFS_START: {0}")]
    Host(#[from] io::Error),
}

impl ServeError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Handles(_) => "NFS_HANDLES",
            Self::Host(_) => "NFS_START",
        }
    }
}

/// Serves `exports` to whoever `options` let in, at the address that `listener` has, on threads of
/// its own: NFSv3 and MOUNT, and nothing else. `table` is the file in which handles outlive the
/// server; without one they end with it.
///
/// # Errors
/// See [`ServeError`].
pub fn serve(
    listener: TcpListener,
    exports: impl Exports,
    options: Options,
    table: Option<PathBuf>,
) -> Result<Serving, ServeError> {
    let server = Arc::new(Server::new(Box::new(exports), options, table)?);
    listener.set_nonblocking(true)?;
    let shared = Arc::new(Shared {
        server,
        again: Again::default(),
        busy: Mutex::default(),
        free: Condvar::new(),
        open: Mutex::default(),
        changed: Condvar::new(),
    });
    let mut serving = Serving { shared: shared.clone(), threads: Vec::new() };
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let of = shared.clone();
    serving.threads.push(thread("brio-nfs").spawn(move || accept(&listener, &of))?);
    serving.threads.push(thread("brio-nfs-rest").spawn(move || rest(&shared))?);
    Ok(serving)
}

impl Serving {
    /// What it did so far.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.shared.server.counts
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let all: Vec<_> = {
            let mut open = self.shared.open();
            open.over = true;
            open.connections.values().filter_map(Weak::upgrade).collect()
        };
        self.shared.changed.notify_all();
        all.iter().for_each(|connection| connection.hang_up());
        drop(all);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        // What is under way holds a session's lease, and lets go of it in a moment.
        let (begun, mut open) = (Instant::now(), self.shared.open());
        while !open.connections.is_empty() && begun.elapsed() < PATIENCE {
            let waited = self.shared.changed.wait_timeout(open, TICK);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_quiet = open.connections.is_empty();
        drop(open);
        self.shared.server.end(is_quiet);
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

/// What connections share.
pub(crate) struct Shared {
    pub(crate) server: Arc<Server>,
    pub(crate) again: Again,
    /// Calls that are carried out now.
    busy: Mutex<usize>,
    free: Condvar,
    open: Mutex<Open>,
    changed: Condvar,
}

#[derive(Default)]
struct Open {
    over: bool,
    made: u64,
    connections: HashMap<u64, Weak<Connection>>,
}

/// The right to carry out a call.
pub(crate) struct Place<'a>(&'a Shared);

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is one.
    pub(crate) fn place(&self) -> Place<'_> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy == CALLS {
            busy = self.free.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        *busy += 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.free.notify_one();
    }
}

fn rest(shared: &Shared) {
    let mut swept: Option<Instant> = None;
    loop {
        shared.server.rest();
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            shared.server.sweep();
            swept = Some(Instant::now());
        }
        let (begun, mut open) = (Instant::now(), shared.open());
        while !open.over && begun.elapsed() < REST {
            let waited = shared.changed.wait_timeout(open, REST);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if open.over {
            return;
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
    loop {
        {
            let mut open = shared.open();
            while !open.over && open.connections.len() >= CONNECTIONS {
                let waited = shared.changed.wait_timeout(open, TICK);
                open = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if open.over {
                return;
            }
        }
        match listener.accept() {
            Ok((stream, client)) => begin(stream, client, shared),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                // Woken by a client, or to look whether this is the end.
                let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&tick));
            }
            Err(error) => {
                tracing::warn!(%error, "an NFS client was not taken");
                std::thread::sleep(TICK);
            }
        }
    }
}

/// Gives a client its first thread.
fn begin(stream: TcpStream, client: SocketAddr, shared: &Arc<Shared>) {
    let number = {
        let mut open = shared.open();
        open.made += 1;
        let number = open.made;
        // Its place is taken from here on.
        open.connections.insert(number, Weak::new());
        number
    };
    let of = shared.clone();
    let serve = move || {
        let leaving = Leaving { shared: of.clone(), number };
        if let Err(error) = converse(stream, client, &leaving) {
            tracing::debug!(%client, %error, "an NFS client's connection broke");
        }
    };
    let spawned = std::thread::Builder::new().name("brio-nfs-call".into()).spawn(serve);
    if let Err(error) = spawned {
        tracing::warn!(%client, %error, "an NFS client was not taken");
        shared.open().connections.remove(&number);
    }
}

/// A connection that is over when its last thread is.
struct Leaving {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.open().connections.remove(&self.number);
        self.shared.changed.notify_all();
    }
}

fn converse(stream: TcpStream, client: SocketAddr, leaving: &Leaving) -> io::Result<()> {
    let shared = &leaving.shared;
    // A socket has it from its listener, on some systems.
    stream.set_nonblocking(false)?;
    if !admit(&shared.server.options, &stream, client) {
        shared.server.counts.refused();
        return Ok(());
    }
    let who = (leaving.number, client.ip().to_canonical());
    let connection = Connection::new(stream, who, shared.clone())?;
    {
        let mut open = shared.open();
        if open.over {
            return Ok(());
        }
        open.connections.insert(leaving.number, Arc::downgrade(&connection));
    }
    shared.server.counts.connected();
    connection.work();
    connection.wait();
    shared.server.counts.disconnected();
    Ok(())
}

/// On this machine, only the owner's programs and root's (the kernel's client is one of those) are
/// clients, where the system tells whose they are; from elsewhere, who is on the list.
fn admit(options: &Options, stream: &TcpStream, client: SocketAddr) -> bool {
    let ip = client.ip().to_canonical();
    if !ip.is_loopback() {
        let listed = options.clients.iter().any(|network| network.contains(ip));
        if !listed {
            tracing::warn!(%client, "turned away: no NFS client of this server");
        }
        return listed;
    }
    if options.users == Users::Anyone {
        return true;
    }
    let peer = stream.local_addr().map_or(Peer::Nobody, |server| brio_peer::peer(client, server));
    let owner = peer.may_be(options.uid);
    if !owner {
        tracing::warn!(%client, ?peer, "turned away: another user of this machine");
    }
    owner
}
