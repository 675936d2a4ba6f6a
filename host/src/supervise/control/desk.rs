//! Where requests are heard and subscribers are told: one thread, which waits for nobody.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::hub::{Hub, Shared, lock};
use super::{LONGEST, PATIENCE, Update};

/// So many peers are heard at once: one more, and who has been silent longest is hung up on. And
/// so many subscribers there are.
pub(super) const PEERS: usize = 64;
/// So many are let in before those who are in are heard again.
const AT_ONCE: usize = 16;

/// What is said to a request.
pub(super) enum Answer {
    /// This line.
    Line(String),
    /// This line, and then whatever happens.
    Events(String),
}

/// The server's end of the control socket.
pub(super) struct Desk<'a> {
    listener: UnixListener,
    hub: &'a Hub,
    peers: Vec<Peer>,
    subscribers: Vec<Subscriber>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(listener: UnixListener, hub: &'a Hub) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, hub, peers: Vec::new(), subscribers: Vec::new() })
    }

    /// Waits until there is something to hear or to tell, for a moment, and answers whoever has
    /// said all.
    pub(super) fn attend(
        &mut self,
        moment: Duration,
        answer: &dyn Fn(&str) -> Answer,
    ) -> io::Result<()> {
        self.wait(moment)?;
        self.hub.heard();
        self.hear(answer);
        self.tell();
        self.let_in()
    }

    /// Hears nobody any more, and gives subscribers a moment to take what is kept for them.
    pub(super) fn close(mut self, patience: Duration) {
        self.peers.clear();
        let until = Instant::now() + patience;
        self.tell();
        while self.subscribers.iter().any(Subscriber::is_behind) && Instant::now() < until {
            if let Err(error) = self.wait(patience / 10) {
                tracing::debug!(%error, "subscribers are left");
                return;
            }
            self.hub.heard();
            self.tell();
        }
    }

    fn wait(&mut self, moment: Duration) -> io::Result<()> {
        let moment = Timespec {
            tv_sec: moment.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: moment.subsec_nanos().into(),
        };
        let peers = self.peers.iter().map(|peer| PollFd::new(&peer.stream, PollFlags::IN));
        let subscribers = self.subscribers.iter().map(|one| {
            // What it says is not read; that it hung up is always told.
            let wanted = if one.is_behind() { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::new(&one.stream, wanted)
        });
        let mut all: Vec<_> = [&self.listener as &dyn std::os::fd::AsFd, self.hub.bell()]
            .into_iter()
            .map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
            .chain(peers)
            .chain(subscribers)
            .collect();
        match rustix::event::poll(&mut all, Some(&moment)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            done => done.map_err(io::Error::from)?,
        };
        let hung_up = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let gone: Vec<_> =
            all[2 + self.peers.len()..].iter().map(|fd| fd.revents().intersects(hung_up)).collect();
        let mut gone = gone.into_iter();
        self.subscribers.retain(|_| !gone.next().unwrap_or(false));
        Ok(())
    }

    fn hear(&mut self, answer: &dyn Fn(&str) -> Answer) {
        let now = Instant::now();
        for mut peer in std::mem::take(&mut self.peers) {
            let done = match peer.request() {
                Ok(None) if now < peer.until => {
                    self.peers.push(peer);
                    continue;
                }
                Ok(None) => Err(io::ErrorKind::TimedOut.into()),
                Ok(Some(request)) => self.answer(peer, answer(&request)),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::debug!(%error, "a request was not answered");
            }
        }
    }

    fn answer(&mut self, mut peer: Peer, answer: Answer) -> io::Result<()> {
        match answer {
            Answer::Line(line) => peer.stream.write_all(line.as_bytes()),
            Answer::Events(_) if self.subscribers.len() >= PEERS => {
                let full = Update::error("SUBSCRIBERS", "as many subscribe as may; try later");
                let full = full.line().unwrap_or_default();
                peer.stream.write_all(full.as_bytes())
            }
            Answer::Events(first) => {
                let backlog = self.hub.subscribe();
                let unsent = Some((Arc::from(first), 0));
                self.subscribers.push(Subscriber { stream: peer.stream, backlog, unsent });
                Ok(())
            }
        }
    }

    fn tell(&mut self) {
        self.subscribers.retain_mut(|one| match one.send() {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "a subscriber is gone");
                false
            }
        });
    }

    fn let_in(&mut self) -> io::Result<()> {
        for _ in 0..AT_ONCE {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if self.peers.len() == PEERS {
                        self.peers.remove(0);
                    }
                    self.peers.push(Peer::new(stream)?);
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
}

/// Somebody who is told what happens, as fast as they take it.
struct Subscriber {
    stream: UnixStream,
    backlog: Shared,
    /// A line, and how much of it is sent.
    unsent: Option<(Arc<str>, usize)>,
}

impl Subscriber {
    fn is_behind(&self) -> bool {
        self.unsent.is_some() || !lock(&self.backlog).is_empty()
    }

    /// Sends as much as the other side takes now.
    fn send(&mut self) -> io::Result<()> {
        loop {
            let Some((line, at)) = &mut self.unsent else {
                match lock(&self.backlog).pop() {
                    Some(line) => self.unsent = Some((line, 0)),
                    None => return Ok(()),
                }
                continue;
            };
            match self.stream.write(&line.as_bytes()[*at..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => *at += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
            if *at == line.len() {
                self.unsent = None;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn answer(request: &str) -> Answer {
        match request {
            "events" => Answer::Events("first\n".to_owned()),
            other => Answer::Line(format!("not {other}\n")),
        }
    }

    /// Does something with peers while a desk attends to them.
    fn with_desk(act: impl FnOnce(&Hub, &dyn Fn(&str) -> BufReader<UnixStream>)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (hub, over) = (Hub::new().unwrap(), AtomicBool::new(false));
        let mut desk = Desk::new(UnixListener::bind(&path).unwrap(), &hub).unwrap();
        let connect = |say: &str| {
            let mut peer = UnixStream::connect(&path).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            peer.write_all(say.as_bytes()).unwrap();
            BufReader::new(peer)
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    desk.attend(Duration::from_millis(20), &answer).unwrap();
                }
                desk.close(Duration::from_secs(5));
            });
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                act(&hub, &connect);
            }));
            over.store(true, Ordering::Relaxed);
            if let Err(panic) = done {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn line(from: &mut BufReader<UnixStream>) -> String {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        line
    }

    fn event(n: usize) -> Update {
        Update::error("E", &format!("{n:>1000}"))
    }

    fn number(line: &str) -> usize {
        let update: serde_json::Value = serde_json::from_str(line).unwrap();
        update["message"].as_str().unwrap().trim().parse().unwrap()
    }

    // F-020: updates and errors reach who subscribed, and who is slow holds up nobody.
    #[test]
    fn who_reads_slowly_misses_what_he_is_told_he_missed_and_nobody_waits_for_him() {
        const ALL: usize = 5000;
        with_desk(|hub, connect| {
            let (mut slow, mut quick) = (connect("events\n"), connect("events\n"));
            assert_eq!((line(&mut slow), line(&mut quick)), ("first\n".into(), "first\n".into()));
            for n in 0..ALL {
                hub.tell(&event(n));
                assert_eq!(number(&line(&mut quick)), n, "who is quick misses nothing");
            }
            assert_eq!(line(&mut connect("what\n")), "not what\n", "others are answered");
            let mut next = 0;
            let missed = loop {
                let line = line(&mut slow);
                let update: serde_json::Value = serde_json::from_str(&line).unwrap();
                if update["event"] == "missed" {
                    break usize::try_from(update["count"].as_u64().unwrap()).unwrap();
                }
                assert_eq!(number(&line), next, "in order");
                next += 1;
            };
            assert!(missed > 0 && next > 100, "{next} and {missed}");
            assert_eq!(next + missed, ALL);
            hub.tell(&event(ALL));
            assert_eq!(number(&line(&mut slow)), ALL, "he goes on");
            // What was said before the end is told.
            hub.tell(&event(ALL + 1));
            drop(slow);
        });
    }

    #[test]
    fn so_many_subscribe_and_who_leaves_makes_room() {
        with_desk(|hub, connect| {
            let mut all: Vec<_> = (0..PEERS).map(|_| connect("events\n")).collect();
            all.iter_mut().for_each(|one| assert_eq!(line(one), "first\n"));
            let mut refused = connect("events\n");
            let said = line(&mut refused);
            assert!(
                said.contains("\"event\":\"error\",") && said.contains("SUBSCRIBERS"),
                "{said}"
            );
            assert_eq!(line(&mut refused), "", "and is hung up on");
            drop(all.pop());
            let until = Instant::now() + Duration::from_secs(30);
            while line(&mut connect("events\n")) != "first\n" {
                assert!(Instant::now() < until, "there is room");
            }
            // Who has said all that he will is told all the same.
            let half = all.last_mut().unwrap();
            half.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
            hub.tell(&event(7));
            all.iter_mut().for_each(|one| assert_eq!(number(&line(one)), 7));
        });
    }
}
