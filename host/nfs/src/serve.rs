//! Clients, by TCP: who is let in, how much at a time, and for how long.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::again::Again;
use crate::client::user_of;
use crate::counts::Counts;
use crate::dispatch::{dispatch, repeated};
use crate::handles::HandlesError;
use crate::server::Server;
use crate::{Exports, Options, Users, record};

/// So many connections are open at one time; a client makes a few.
const CONNECTIONS: usize = 128;
/// Calls under way, of all clients and of one connection. Each has at most 2 MiB in memory.
const CALLS: usize = 64;
const CALLS_OF_ONE: usize = 32;
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
    calls: Arc<Semaphore>,
    again: Again,
}

async fn accept(listener: tokio::net::TcpListener, server: Arc<Server>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let calls = Arc::new(Semaphore::new(CALLS));
    let shared = Arc::new(Shared { server, calls, again: Again::default() });
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
    let user = stream.local_addr().ok().and_then(|server| user_of(client, server));
    let owner = user.is_none_or(|user| user == 0 || user == options.uid);
    if !owner {
        tracing::warn!(%client, user, "turned away: another user of this machine");
    }
    owner
}

async fn converse(stream: TcpStream, client: IpAddr, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (from, to) = stream.into_split();
    let (answers, waiting) = mpsc::channel(CALLS_OF_ONE);
    let writer = tokio::spawn(write(to, waiting));
    let done = tokio::select! {
        done = read(from, client, shared, answers.clone()) => done,
        // Nobody takes the answers any more.
        () = answers.closed() => Ok(()),
    };
    drop(answers);
    let _ = writer.await;
    done
}

/// An answer, and what it holds until it has been sent. `None`: whoever asked is hung up on.
type Answer = Option<(Vec<u8>, OwnedSemaphorePermit)>;

async fn write(mut to: OwnedWriteHalf, mut answers: mpsc::Receiver<Answer>) {
    while let Some(Some((answer, held))) = answers.recv().await {
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
    client: IpAddr,
    shared: &Arc<Shared>,
    answers: mpsc::Sender<Answer>,
) -> io::Result<()> {
    let own = Arc::new(Semaphore::new(CALLS_OF_ONE));
    loop {
        let Ok(begun) = timeout(SILENCE, record::begin(&mut from)).await else { return Ok(()) };
        let Some(head) = begun? else { return Ok(()) };
        let (Ok(mine), Ok(place)) =
            (own.clone().acquire_owned().await, shared.calls.clone().acquire_owned().await)
        else {
            return Ok(());
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let call = timeout(PATIENCE, record::finish(head, &mut from)).await.map_err(late)??;
        let (shared, answers) = (shared.clone(), answers.clone());
        tokio::spawn(async move {
            let answer = carry_out(&shared, client, call).await;
            let _ = answers.send(answer.map(|answer| (answer, place))).await;
            drop(mine);
        });
    }
}

/// Files are waited for on a thread that may wait. A call goes on when its client is gone.
async fn carry_out(shared: &Arc<Shared>, client: IpAddr, call: Vec<u8>) -> Option<Vec<u8>> {
    let server = shared.server.clone();
    match repeated(&call) {
        None => carried(server, call).await,
        Some(xid) => {
            let place = shared.again.place(client, xid, &call);
            place.get_or_init(|| carried(server, call)).await.clone()
        }
    }
}

async fn carried(server: Arc<Server>, call: Vec<u8>) -> Option<Vec<u8>> {
    let done = tokio::task::spawn_blocking(move || dispatch(&server, &call));
    done.await.unwrap_or_default()
}
