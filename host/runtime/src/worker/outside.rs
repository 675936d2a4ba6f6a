//! One run in a worker, as its supervisor sees it.

use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::code::Code;
use super::protocol::{Ask, Done, Job, PIECE, Up};
use super::server::{Broken, Server};
use super::wire::{Most, Reader, Writer};
use crate::fs::Files;
use crate::http::Net;
use crate::judge::{Killed, judge, without_return};
use crate::limits::{Cause, LimitHit};
use crate::output::Outputs;
use crate::records::MAX_NOTE;
use crate::watch::Watch;
use crate::{
    Agent, AgentErrorInfo, AgentKind, Engine, Limit, Outcome, RunReport, RunSpec, Usage, Workspace,
    codes,
};

/// A worker says by itself when its time is over; one that does not is ended so much later.
const GRACE: Duration = Duration::from_secs(2);
/// The longest head that a worker of ours sends: words for the journal.
const HEAD: usize = 8 << 20;
/// What a guest returned, beyond its limit of output: names, numbers, codes.
const RETURNED: u64 = 1 << 20;
const MOST_RETURNED: u64 = 1 << 30;

/// A process that called [`enter_worker`](crate::enter_worker), for one run.
pub struct Worker {
    /// Where it asks.
    pub socket: UnixStream,
    /// Where it asks for the network.
    pub net: UnixStream,
    /// Ends the process at once, whatever it does; called again, does nothing.
    pub kill: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Engine {
    /// As [`run`](Self::run), with the guest in another process: only what it asks for is done
    /// here. Whatever that process does or says, this returns, and it is ended then. The plain
    /// form cannot be run so.
    pub fn run_in_worker(&self, agent: &Agent, spec: RunSpec, worker: Worker) -> RunReport {
        self.on_own_thread(|| {
            let kill = worker.kill.clone();
            let report = self.supervise(agent, spec, worker);
            kill();
            report
        })
    }

    fn supervise(&self, agent: &Agent, mut spec: RunSpec, worker: Worker) -> RunReport {
        if let Some(refused) = self.refusal(agent, &spec) {
            return refused;
        }
        let Workspace::Session(own) = &spec.view else {
            let message = "the plain form runs in this process only";
            return RunReport::refused(codes::RUN_INVALID, message.into());
        };
        let own = own.clone();
        let Worker { socket, net, kill } = worker;
        let failed = |e: io::Error| {
            RunReport::refused(codes::WORKER, format!("the worker cannot be told what to run: {e}"))
        };
        let ends = agent.code().and_then(|code| {
            tell(&socket, &job(agent, &spec, &own, code.bytes), code)?;
            Ok((Writer::new(socket.try_clone()?), Reader::new(socket.try_clone()?)))
        });
        let (writer, mut reader) = match ends {
            Ok(ends) => ends,
            Err(e) => return failed(e),
        };
        let cause = Cause::default();
        let mut outputs = crate::run::outputs(&mut spec, &cause);
        let watch = Watch::new(&spec, &cause);
        let before = (own.written(), own.limit_hit().is_some());
        let timers = &self.0.timers;
        let relay = timers.spawn(relay(&spec.net, net));
        let guard = timers.spawn({
            let (stop, cause, wall) = (spec.stop.clone(), cause.clone(), spec.limits.wall);
            async move {
                tokio::select! {
                    () = stop.stopped() => {}
                    () = tokio::time::sleep(wall.saturating_add(GRACE)) => { cause.hit(Limit::Time); }
                }
                kill();
            }
        });
        let mut run = Run {
            engine: self,
            spec: &spec,
            server: Server::new(&spec, &own),
            outputs: &outputs,
            watch: &watch,
        };
        let ended = run.serve(&writer, &mut reader);
        run.server.abandon();
        drop(guard);
        // What was under way is given up, and recorded so.
        timers.block_on(relay.end());
        let network = spec.net.close();
        let hit = if before.1 { None } else { own.limit_hit() };
        let mut report = believed(ended, agent, &spec, &cause);
        if let Some(view) = hit
            && !matches!(report.outcome, Outcome::Killed | Outcome::Limited(_))
        {
            let usage = report.usage;
            report = judge(Ok(crate::judge::Returned::Command(Ok(()))), None, Some(view));
            report.usage = usage;
        }
        report.network = network;
        let (written, files) = own.written();
        report.usage = Usage {
            wall: watch.wall(),
            cpu: report.usage.cpu.saturating_add(watch.cpu()),
            memory: report.usage.memory.max(spec.memory.peak()),
            output: cause.output(),
            written: written.saturating_sub(before.0.0),
            files: files.saturating_sub(before.0.1),
        };
        self.drain(&spec, &mut outputs, &mut report);
        report
    }
}

/// Sends what the worker asks for.
fn relay(net: &Net, worker: UnixStream) -> impl Future<Output = ()> + Send + use<> {
    let net = net.clone();
    async move {
        if let Net::Here(egress) = net
            && let Err(error) = brio_net::serve(egress, worker).await
        {
            tracing::debug!(%error, "a worker's requests");
        }
    }
}

fn job(agent: &Agent, spec: &RunSpec, own: &Files, code: u64) -> Job {
    Job {
        kind: agent.kind(),
        code,
        at: spec.at.clone(),
        read_only: own.is_read_only(),
        binds: spec.binds.iter().map(|(at, files)| (at.clone(), files.is_read_only())).collect(),
        task_id: spec.task.task_id.clone(),
        description: spec.task.description.clone(),
        input_files: spec.task.input_files.clone(),
        session_id: spec.task.session_id.clone(),
        args: spec.args.clone(),
        env: spec.env.clone(),
        limits: spec.limits,
        sessions: spec.sessions.is_some(),
        info: spec.session_info.is_some(),
        records: spec.records.is_some(),
    }
}

/// The job's length goes with the code's descriptor, then the job.
fn tell(mut socket: &UnixStream, job: &Job, code: &Code) -> io::Result<()> {
    let job = postcard::to_stdvec(job).map_err(io::Error::other)?;
    let length = u32::try_from(job.len()).map_err(io::Error::other)?.to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [code.memory.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    // Four bytes are never sent in part.
    sendmsg(socket, &[IoSlice::new(&length)], &mut control, SendFlags::NOSIGNAL)?;
    socket.write_all(&job)
}

struct Run<'a> {
    engine: &'a Engine,
    spec: &'a RunSpec,
    server: Server<'a>,
    outputs: &'a Outputs,
    watch: &'a Watch,
}

/// How a worker's last word came.
enum Ended {
    Said(Box<Done>),
    /// Time, a stop, a limit: it was not waited for.
    Over(wasmtime::Error),
    /// Its process ended.
    Died,
    Broke(Broken),
}

impl Run<'_> {
    fn serve(&mut self, writer: &Writer, reader: &mut Reader) -> Ended {
        match self.serve_until_done(writer, reader) {
            Ok(ended) => ended,
            Err(Broken::Wire(e)) if gone(&e) => Ended::Died,
            Err(e) => Ended::Broke(e),
        }
    }

    fn serve_until_done(&mut self, writer: &Writer, reader: &mut Reader) -> Result<Ended, Broken> {
        let returned = self.spec.limits.output.min(MOST_RETURNED).saturating_add(RETURNED);
        let body = usize::try_from(returned).unwrap_or(usize::MAX).max(MAX_NOTE);
        let mut piece = Vec::new();
        while let Some(frame) = reader.head(Most { head: HEAD, body })? {
            let up = frame.decode()?;
            if let Up::Done = up {
                let done = reader.bytes(frame.body)?;
                let done = postcard::from_bytes(&done).map_err(io::Error::other)?;
                return Ok(Ended::Said(Box::new(done)));
            }
            let most = match &up {
                Up::Ask(_, Ask::Record(ask)) => ask.most(),
                _ => PIECE,
            };
            if frame.body > most {
                return Err(Broken::Asked("it sent more than goes into one message"));
            }
            let note;
            let bytes = if frame.body > PIECE {
                note = reader.bytes(frame.body)?;
                &note[..]
            } else {
                if piece.len() < frame.body {
                    piece.resize(frame.body, 0);
                }
                reader.fill(&mut piece[..frame.body])?;
                &piece[..frame.body]
            };
            match up {
                Up::Ask(closed, ask) => {
                    self.server.close(&closed)?;
                    self.server.answer(writer, ask, bytes)?;
                }
                Up::Closed(closed) => self.server.close(&closed)?,
                Up::Output(which) => self.show(which, Bytes::copy_from_slice(bytes)),
                Up::Memory(peak) => self.spec.memory.raise(peak.min(self.spec.limits.memory)),
                Up::Ready | Up::Done => {}
            }
            if let Err(over) = self.watch.check() {
                return Ok(Ended::Over(over));
            }
        }
        Ok(Ended::Died)
    }

    /// Waits while the sink has no room, as a guest here would.
    fn show(&self, which: u8, bytes: Bytes) {
        let stream = if which == 0 { &self.outputs.stdout } else { &self.outputs.stderr };
        if stream.free() < bytes.len() {
            self.engine.0.timers.block_on(async {
                tokio::select! {
                    () = stream.room() => {}
                    () = self.spec.stop.stopped() => {}
                    () = tokio::time::sleep(self.spec.limits.wall.saturating_sub(self.watch.wall())) => {}
                }
            });
        }
        stream.put(bytes);
    }
}

/// What a peer's end does to a socket.
fn gone(e: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(e.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// The report of a worker, as far as it can be one.
fn believed(ended: Ended, agent: &Agent, spec: &RunSpec, cause: &Cause) -> RunReport {
    let died = |why: String| match cause.get() {
        _ if spec.stop.is_stopped() => judge(Err(Killed.into()), None, None),
        Some(limit) => judge(Err(LimitHit(limit).into()), Some(limit), None),
        None => RunReport::of(Outcome::Trapped, Some(AgentErrorInfo::new(codes::WORKER, why))),
    };
    let done = match ended {
        Ended::Said(done) => done,
        Ended::Over(e) => return judge(Err(e), cause.get(), None),
        Ended::Died => {
            return died("the process that ran the agent ended before the agent did".into());
        }
        Ended::Broke(e) => return died(format!("the process that ran the agent was ended: {e}")),
    };
    let Done { outcome, output, verdict, error, exit, usage } = *done;
    let approved = verdict.as_ref().is_some_and(|v| v.approved);
    let sane = match outcome {
        Outcome::Succeeded => error.is_none() && (agent.kind() != AgentKind::Reviewer || approved),
        Outcome::Killed => false,
        _ => error.is_some(),
    };
    if !sane {
        return died("the process that ran the agent was ended: its report is none".into());
    }
    let mut report = RunReport { output, verdict, exit, usage, ..RunReport::of(outcome, error) };
    without_return(agent.session(), &mut report);
    report
}
