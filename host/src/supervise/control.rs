//! `brio serve`: one process a home, and the socket by which others wake and stop it.
//!
//! A request is a line, `wake`, `stop` or `ping`; the answer is a line, `ok PID`. The queue is the
//! truth: a request that is lost delays something, and nothing else.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brio_runtime::StopToken;
use brio_supervisor::Engine;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::{SuperviseError, Supervisor, WorkOptions};

/// How long a peer may take for all of its line.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often is looked whether it is to stop. A request is heard at once.
const POLL: Duration = Duration::from_millis(50);
/// How often is looked after everything that the home knows.
const TEND: Duration = Duration::from_secs(60);
/// A request is no longer than this.
const LONGEST: usize = 64;
/// So many peers are heard at once: one more, and who has been silent longest is hung up on.
const PEERS: usize = 64;
/// So many are let in before those who are in are heard again.
const AT_ONCE: usize = 16;

const SOCKET: &str = "control.sock";

/// The socket's path, by way of an open directory: one of more than 100 bytes or so is no address.
#[cfg(target_os = "linux")]
fn socket(home: &Path) -> io::Result<(PathBuf, File)> {
    use std::os::fd::AsRawFd;
    let dir = File::open(home)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd())), dir))
}

#[cfg(not(target_os = "linux"))]
fn socket(home: &Path) -> io::Result<(PathBuf, ())> {
    Ok((home.join(SOCKET), ()))
}

fn host(what: &'static str) -> impl FnOnce(io::Error) -> SuperviseError {
    move |source| SuperviseError::Host { what, source }
}

impl Supervisor {
    /// Works on the queue as the one server of this home, until `stop` or a request says so. What
    /// runs then is put back. `ready` is called when others can reach it.
    ///
    /// # Errors
    /// `Served` when another process serves this home.
    pub fn serve(
        &self,
        options: WorkOptions,
        stop: &StopToken,
        ready: impl FnOnce(),
    ) -> Result<(), SuperviseError> {
        let home = self.brio.home();
        let _lock = lock(&home.join("serve.lock"))?;
        let path = home.join(SOCKET);
        // Whoever left it is dead: it is us who hold the lock.
        let _ = std::fs::remove_file(&path);
        let (socket, _dir) = socket(home).map_err(host("the control socket"))?;
        let listener = UnixListener::bind(&socket).map_err(host("the control socket"))?;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(host("the control socket"))?;
        listener.set_nonblocking(true).map_err(host("the control socket"))?;
        let engine = self.work(options)?;
        let _tending = self.brio.tend_every(TEND).map_err(host("a thread that tends"))?;
        ready();
        let mut peers = Vec::new();
        while !stop.is_stopped() {
            if let Err(error) = hear(&listener, &mut peers, &engine, stop) {
                tracing::warn!(%error, "the control socket is not heard");
                std::thread::sleep(POLL);
            }
        }
        let _ = std::fs::remove_file(&path);
        engine.stop();
        Ok(())
    }

    /// Has the server of this home look at the queue now. The process; `None`: there is none.
    pub fn wake(&self) -> Option<u32> {
        self.ask("wake")
    }

    /// The process that serves this home.
    pub fn server(&self) -> Option<u32> {
        self.ask("ping")
    }

    /// Has the server of this home put back what runs, and end.
    pub fn stop_server(&self) -> Option<u32> {
        self.ask("stop")
    }

    fn ask(&self, what: &str) -> Option<u32> {
        let (socket, _dir) = socket(self.brio.home()).ok()?;
        let mut peer = UnixStream::connect(socket).ok()?;
        peer.set_read_timeout(Some(PATIENCE)).ok()?;
        peer.set_write_timeout(Some(PATIENCE)).ok()?;
        peer.write_all(format!("{what}\n").as_bytes()).ok()?;
        line(&peer).ok()?.strip_prefix("ok ")?.parse().ok()
    }
}

fn line(peer: &UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(peer.take(LONGEST as u64)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// Somebody who is saying a line. Nobody waits for them.
struct Peer {
    stream: UnixStream,
    said: Vec<u8>,
    until: Instant,
}

impl Peer {
    fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, said: Vec::new(), until: Instant::now() + PATIENCE })
    }

    /// What it asks for; `None`: it has not said all of it yet.
    fn request(&mut self) -> io::Result<Option<String>> {
        let mut some = [0; LONGEST];
        loop {
            let ended = match self.stream.read(&mut some) {
                Ok(n) => {
                    self.said.extend_from_slice(&some[..n]);
                    n == 0
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) => return Err(e),
            };
            let line = self.said.iter().position(|byte| *byte == b'\n');
            if line.is_some() || ended || self.said.len() >= LONGEST {
                let line = &self.said[..line.unwrap_or(self.said.len())];
                return Ok(Some(String::from_utf8_lossy(line).trim_end().to_owned()));
            }
        }
    }

    fn answer(&mut self, request: &str, engine: &Engine, stop: &StopToken) -> io::Result<()> {
        match request {
            "wake" => engine.wake(),
            "stop" => stop.stop(),
            "ping" => {}
            other => return Err(io::Error::other(format!("`{other}` is no request"))),
        }
        self.stream.write_all(format!("ok {}\n", std::process::id()).as_bytes())
    }
}

/// Waits until somebody says something, for a moment, and answers whoever has said all.
fn hear(
    listener: &UnixListener,
    peers: &mut Vec<Peer>,
    engine: &Engine,
    stop: &StopToken,
) -> io::Result<()> {
    let moment = Timespec { tv_sec: 0, tv_nsec: POLL.subsec_nanos().into() };
    let all = peers.iter().map(|peer| PollFd::new(&peer.stream, PollFlags::IN));
    let mut all: Vec<_> =
        std::iter::once(PollFd::new(listener, PollFlags::IN)).chain(all).collect();
    match rustix::event::poll(&mut all, Some(&moment)) {
        Err(rustix::io::Errno::INTR) => return Ok(()),
        done => done.map_err(io::Error::from)?,
    };
    drop(all);
    let now = Instant::now();
    peers.retain_mut(|peer| {
        let done = match peer.request() {
            Ok(None) => return now < peer.until,
            Ok(Some(request)) => peer.answer(&request, engine, stop),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a request was not understood");
        }
        false
    });
    for _ in 0..AT_ONCE {
        match listener.accept() {
            Ok((stream, _)) => {
                if peers.len() == PEERS {
                    peers.remove(0);
                }
                peers.push(Peer::new(stream)?);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            // It hung up before it was heard.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Holds the lock that says who serves.
fn lock(path: &Path) -> Result<File, SuperviseError> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = how.open(path).map_err(host("serve.lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(SuperviseError::Served { pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(e)) => return Err(host("serve.lock")(e)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(host("serve.lock"))?;
    Ok(file)
}
