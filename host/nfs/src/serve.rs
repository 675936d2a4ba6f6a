//! Clients, by TCP: who is let in, how much at a time, and for how long.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::again::Again;
use crate::client::{Peer, peer};
use crate::counts::Counts;
use crate::dispatch::{dispatch, largest_answer, repeated};
use crate::handles::HandlesError;
use crate::server::Server;
use crate::{Exports, Options, Users, record};

/// So many connections are open at one time; a client makes a few.
const CONNECTIONS: usize = 128;
/// Calls that are carried out at one time, of all clients.
const CALLS: usize = 64;
/// What a connection has in memory, in KiB: calls, and answers that its client has not taken. Who
/// takes none comes to a stop by that, and nobody else.
const ROOM: u32 = 4 << 10;
/// What a call counts for at least, so that there are not more than 32 of one connection.
const SMALLEST: u32 = ROOM / 32;
/// A call that has begun must have come by then, and its answer be taken.
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection that says nothing is closed then: a client makes another.
const SILENCE: Duration = Duration::from_secs(15 * 60);
/// How often what is not used is closed, and what has ended forgotten.
const REST: Duration = Duration::from_secs(2);
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// A server at work. Dropping it ends it: what is under way is finished, what is written is in
/// its sessions.
#[must_use = "dropping it ends it"]
pub struct Serving {
    counts: Arc<Counts>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
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
    let counts = server.counts.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(CALLS + 4)
        .thread_name("brio-nfs")
        .enable_all()
        .build()?;
    listener.set_nonblocking(true)?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let (end, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("brio-nfs".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = accept(listener, server.clone()) => {}
                () = rest(server.clone()) => {}
                _ = ended => {}
            }
        });
        // What is under way holds a session's lease, and lets go of it in a moment.
        runtime.shutdown_timeout(PATIENCE);
        server.end();
    })?;
    Ok(Serving { counts, end: Some(end), thread: Some(thread) })
}

impl Serving {
    /// What it did so far.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

async fn rest(server: Arc<Server>) {
    let mut since = SWEEP;
    loop {
        let (of, sweep) = (server.clone(), since >= SWEEP);
        let done = tokio::task::spawn_blocking(move || {
            of.rest();
            if sweep {
                of.sweep();
            }
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "tidying up");
        }
        since = if sweep { Duration::ZERO } else { since + REST };
        sleep(REST).await;
    }
}

/// What connections share.
struct Shared {
    server: Arc<Server>,
    calls: Semaphore,
    again: Again,
    connections: AtomicU64,
}

async fn accept(listener: tokio::net::TcpListener, server: Arc<Server>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (calls, again) = (Semaphore::new(CALLS), Again::default());
    let shared = Arc::new(Shared { server, calls, again, connections: AtomicU64::new(0) });
    while let Ok(place) = places.clone().acquire_owned().await {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an NFS client was not taken");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let counts = shared.server.counts.clone();
            if !admit(&shared.server.options, &stream, client) {
                counts.refused();
                return;
            }
            counts.connected();
            if let Err(error) = converse(stream, client.ip().to_canonical(), &shared).await {
                tracing::debug!(%client, %error, "an NFS client's connection broke");
            }
            counts.disconnected();
            drop(place);
        });
    }
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
    let peer = stream.local_addr().map_or(Peer::Nobody, |server| peer(client, server));
    let owner = match peer {
        Peer::User(user) => user == 0 || user == options.uid,
        Peer::Nobody => false,
        Peer::Unknown => true,
    };
    if !owner {
        tracing::warn!(%client, ?peer, "turned away: another user of this machine");
    }
    owner
}

async fn converse(stream: TcpStream, client: IpAddr, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (from, to) = stream.into_split();
    let who = (shared.connections.fetch_add(1, Ordering::Relaxed), client);
    let (answers, waiting) = mpsc::channel((ROOM / SMALLEST) as usize);
    let room =
        Arc::new(Room { left: Arc::new(Semaphore::new(ROOM as usize)), open: AtomicU64::new(0) });
    let writer = tokio::spawn(write(to, waiting, room.clone()));
    let done = tokio::select! {
        done = read(from, who, shared, &room, answers.clone()) => done,
        // Nobody takes the answers any more.
        () = answers.closed() => Ok(Ended::Broken),
    };
    drop(answers);
    let answered = room.open.load(Ordering::SeqCst) == 0;
    let _ = writer.await;
    if matches!(done, Ok(Ended::Well)) && answered {
        shared.again.ended_well(who.0);
    }
    done.map(drop)
}

/// What one connection has under way.
struct Room {
    left: Arc<Semaphore>,
    /// Calls whose answer is not on its way.
    open: AtomicU64,
}

/// How a connection came to its end.
enum Ended {
    /// Its client hung up, between two calls.
    Well,
    Broken,
}

/// An answer, and the room that it takes until it was sent. `None`: whoever asked is hung up on.
type Answer = Option<(Vec<u8>, OwnedSemaphorePermit)>;

async fn write(mut to: OwnedWriteHalf, mut answers: mpsc::Receiver<Answer>, room: Arc<Room>) {
    while let Some(Some((answer, held))) = answers.recv().await {
        // Before it is sent: its client may hang up as soon as it has it.
        room.open.fetch_sub(1, Ordering::SeqCst);
        let head = record::framed(&answer);
        let sent = timeout(PATIENCE, async {
            to.write_all(&head).await?;
            to.write_all(&answer).await
        });
        if !matches!(sent.await, Ok(Ok(()))) {
            return;
        }
        drop(held);
    }
}

async fn read(
    mut from: OwnedReadHalf,
    who: (u64, IpAddr),
    shared: &Arc<Shared>,
    room: &Room,
    answers: mpsc::Sender<Answer>,
) -> io::Result<Ended> {
    loop {
        let Ok(begun) = timeout(SILENCE, record::begin(&mut from)).await else {
            return Ok(Ended::Well);
        };
        let Some(head) = begun? else { return Ok(Ended::Well) };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let call = timeout(PATIENCE, record::finish(head, &mut from)).await.map_err(late)??;
        let takes = u32::try_from((call.len() + largest_answer(&call)) >> 10).unwrap_or(ROOM);
        let takes = takes.clamp(SMALLEST, ROOM);
        let Ok(held) = room.left.clone().acquire_many_owned(takes).await else {
            return Ok(Ended::Broken);
        };
        room.open.fetch_add(1, Ordering::SeqCst);
        let (shared, answers) = (shared.clone(), answers.clone());
        tokio::spawn(async move {
            let answer = carry_out(&shared, who, call).await;
            let _ = answers.send(answer.map(|answer| (answer, held))).await;
        });
    }
}

/// Files are waited for on a thread that may wait. A call goes on when its client is gone.
async fn carry_out(shared: &Arc<Shared>, who: (u64, IpAddr), call: Vec<u8>) -> Option<Vec<u8>> {
    let Some(xid) = repeated(&call) else { return carried(shared, call).await };
    let place = shared.again.place(who, xid, &call);
    place.get_or_init(|| carried(shared, call)).await.clone()
}

async fn carried(shared: &Shared, call: Vec<u8>) -> Option<Vec<u8>> {
    let _place = shared.calls.acquire().await.ok()?;
    let server = shared.server.clone();
    let done = tokio::task::spawn_blocking(move || dispatch(&server, &call));
    done.await.unwrap_or_default()
}
