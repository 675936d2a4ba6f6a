//! One connection: calls are read one after the other, carried out at the same time, and answered
//! as they are done.
//!
//! Its threads take turns at reading. Who has read a call lets the next one read, carries it out
//! and answers it: a call is never handed from one thread to another, which would take longer than
//! most calls do.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dispatch::{dispatch, largest_answer, repeated};
use crate::record;
use crate::serve::Shared;

/// Threads of one connection, at most.
const THREADS: usize = 16;
/// A thread that had nothing to do for so long ends, if there are others.
const IDLE: Duration = Duration::from_secs(5);
/// What a connection has in memory, in KiB: calls, and answers that its client has not taken. Who
/// takes none comes to a stop by that, and nobody else.
const ROOM: usize = 4 << 10;
/// What a call counts for at least, so that there are not more than 32 of one connection.
const SMALLEST: usize = ROOM / 32;
/// A call that has begun must have come by then, and its answer be taken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A connection that says nothing is closed then: a client makes another.
const SILENCE: Duration = Duration::from_secs(15 * 60);
/// How often who waits for a client looks how long he has.
const TICK: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    shared: Arc<Shared>,
    /// What tells it from every other.
    number: u64,
    client: IpAddr,
    stream: TcpStream,
    /// What was read of it and belongs to the next call.
    input: Mutex<Input>,
    output: Mutex<()>,
    state: Mutex<State>,
    /// Somebody may read.
    turn: Condvar,
    /// Who reads has room for a call.
    room: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Input {
    buffer: Vec<u8>,
    at: usize,
}

#[derive(Default)]
struct State {
    threads: usize,
    /// One has the turn to read.
    reading: bool,
    /// Those that wait for it.
    waiting: usize,
    /// In KiB.
    room: usize,
    /// Calls whose answer is not on its way.
    open: usize,
    /// Nothing more is read.
    over: bool,
    /// Its client hung up when every answer was on its way.
    had_all: bool,
    /// An answer was not taken, or a call not answered.
    broken: bool,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        (number, client): (u64, IpAddr),
        shared: Arc<Shared>,
    ) -> io::Result<Arc<Self>> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        let state = State { threads: 1, room: ROOM, ..State::default() };
        Ok(Arc::new(Self {
            shared,
            number,
            client,
            stream,
            input: Mutex::default(),
            output: Mutex::default(),
            state: Mutex::new(state),
            turn: Condvar::new(),
            room: Condvar::new(),
            ended: Condvar::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hangs up, whatever is under way: that is finished, and not answered.
    pub(crate) fn hang_up(&self) {
        let mut state = self.state();
        state.broken = true;
        self.end(&mut state);
        drop(state);
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Nothing more is read.
    fn end(&self, state: &mut State) {
        state.over = true;
        self.turn.notify_all();
        self.room.notify_all();
    }

    /// Waits until its other threads are done.
    pub(crate) fn wait(&self) {
        let mut state = self.state();
        while state.threads > 0 {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What each of its threads does.
    pub(crate) fn work(self: &Arc<Self>) {
        while let Some((call, takes)) = self.turn() {
            self.answer(&call);
            self.state().room += takes;
            self.room.notify_one();
        }
        let mut state = self.state();
        state.threads -= 1;
        // Not before: an answer that is on its way may still be one that nobody takes.
        if state.threads == 0 && state.had_all && !state.broken {
            self.shared.again.ended_well(self.number);
        }
        self.ended.notify_all();
    }

    /// Waits for the turn, reads a call, and gives the turn on. The call, and the room that it takes;
    /// `None`: there is nothing more to read, or others are enough.
    fn turn(self: &Arc<Self>) -> Option<(Vec<u8>, usize)> {
        let mut state = self.state();
        state.waiting += 1;
        let begun = Instant::now();
        while state.reading && !state.over {
            let waited = self.turn.wait_timeout(state, IDLE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.reading && begun.elapsed() >= IDLE && state.waiting > 1 {
                state.waiting -= 1;
                return None;
            }
        }
        state.waiting -= 1;
        if state.over {
            return None;
        }
        state.reading = true;
        drop(state);
        let read = self.read();
        let mut state = self.state();
        let call = match read {
            Ok(Some(call)) => call,
            ended => {
                if let Err(error) = &ended {
                    tracing::debug!(client = %self.client, %error, "an NFS client's connection broke");
                }
                state.had_all = ended.is_ok() && state.open == 0;
                state.reading = false;
                self.end(&mut state);
                return None;
            }
        };
        let takes = ((call.len() + largest_answer(&call)) >> 10).clamp(SMALLEST, ROOM);
        // Until there is room nothing more is read.
        while state.room < takes && !state.over {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.over {
            state.reading = false;
            return None;
        }
        state.room -= takes;
        state.open += 1;
        state.reading = false;
        let alone = state.waiting == 0 && state.threads < THREADS;
        if alone {
            state.threads += 1;
        }
        drop(state);
        if alone {
            self.another();
        } else {
            self.turn.notify_one();
        }
        Some((call, takes))
    }

    fn another(self: &Arc<Self>) {
        let connection = self.clone();
        let spawned = std::thread::Builder::new()
            .name("brio-nfs-call".into())
            .spawn(move || connection.work());
        if let Err(error) = spawned {
            tracing::warn!(%error, "one thread fewer for an NFS client");
            self.state().threads -= 1;
        }
    }

    fn answer(&self, call: &[u8]) {
        let answer = {
            let _place = self.shared.place();
            match repeated(call) {
                None => dispatch(&self.shared.server, call),
                Some(xid) => {
                    let of = (self.number, self.client);
                    let place = self.shared.again.place(of, xid, call);
                    place.get_or_init(|| dispatch(&self.shared.server, call)).clone()
                }
            }
        };
        let Some(answer) = answer else { return self.hang_up() };
        let _alone = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it is sent: its client may hang up as soon as it has it.
        self.state().open -= 1;
        if let Err(error) = self.send(&answer) {
            tracing::debug!(client = %self.client, %error, "an answer was not taken");
            self.hang_up();
        }
    }

    fn send(&self, answer: &[u8]) -> io::Result<()> {
        let begun = Instant::now();
        let head = record::framed(answer);
        let mut sent = 0;
        while sent < head.len() + answer.len() {
            let rest = [
                IoSlice::new(&head[sent.min(head.len())..]),
                IoSlice::new(&answer[sent.saturating_sub(head.len())..]),
            ];
            match (&self.stream).write_vectored(&rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => sent += n,
                Err(e) if is_tick(&e) && begun.elapsed() < PATIENCE => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// The next call; `None`: its client has hung up, or says nothing any more.
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let mut from = Incoming { of: self, input: &mut input, until: Instant::now() + SILENCE };
        let head = match record::begin(&mut from) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(None),
            Err(e) if is_tick(&e) => return Ok(None),
            Err(e) => return Err(e),
        };
        from.until = Instant::now() + PATIENCE;
        record::finish(head, &mut from).map(Some)
    }
}

/// Waiting took as long as one look.
fn is_tick(e: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(e.kind(), Interrupted | TimedOut | WouldBlock)
}

/// What a client sends, for as long as there is patience.
struct Incoming<'a> {
    of: &'a Connection,
    input: &'a mut Input,
    until: Instant,
}

/// Small calls are read several at a time.
const BUFFER: usize = 32 << 10;

impl Read for Incoming<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let Input { buffer, at } = &mut *self.input;
        if *at == buffer.len() {
            (*at, _) = (0, buffer.clear());
            if to.len() >= BUFFER {
                return wait(self.of, self.until, |mut stream| stream.read(to));
            }
            buffer.resize(BUFFER, 0);
            let read = wait(self.of, self.until, |mut stream| stream.read(buffer));
            buffer.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let n = to.len().min(buffer.len() - *at);
        to[..n].copy_from_slice(&buffer[*at..*at + n]);
        *at += n;
        Ok(n)
    }
}

fn wait(
    of: &Connection,
    until: Instant,
    mut read: impl FnMut(&TcpStream) -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match read(&of.stream) {
            Err(e) if is_tick(&e) => {
                if Instant::now() >= until {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                if of.state().over {
                    return Ok(0);
                }
            }
            done => return done,
        }
    }
}
