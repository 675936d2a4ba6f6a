//! The worker's `main`.

use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use brio_net::Relay;

use super::client::{Link, RemoteFiles, RemoteSessions};
use super::protocol::{Done, Job, Up};
use super::records::RemoteRecords;
use crate::fs::Files;
use crate::http::Net;
use crate::outcome::Outcome;
use crate::{
    Agent, AgentErrorInfo, Engine, MemoryGauge, Records, RunLimits, RunReport, RunSpec, Sessions,
    TaskContext, Workspace, codes,
};

/// Bytes that a worker takes beside its guest's memory: tables, stacks, streams, its own.
const BESIDE: u64 = 1 << 30;
/// Seconds of processor time beyond the guest's limit.
const GRACE: u64 = 10;
/// How often the supervisor is told of the guest's memory.
const MEASURE: Duration = Duration::from_millis(250);

/// Becomes a worker: takes one job from the supervisor and carries it out. The descriptors are the
/// other ends of [`Worker::socket`](super::Worker::socket) and [`Worker::net`](super::Worker::net),
/// in this order; the return value is the process's exit status.
///
/// To be called when the process is confined: nothing is opened from here on.
pub fn enter_worker(descriptors: Vec<OwnedFd>) -> i32 {
    let mut descriptors = descriptors.into_iter().map(UnixStream::from);
    let (Some(socket), Some(net)) = (descriptors.next(), descriptors.next()) else { return 1 };
    match work(&socket, net) {
        Ok(()) => 0,
        // There is nobody to tell: the socket is what broke.
        Err(_) => 1,
    }
}

fn work(socket: &UnixStream, net: UnixStream) -> io::Result<()> {
    // All that can be done before the job is known.
    let engine = Engine::for_one().map_err(io::Error::other)?;
    let link = Link::new(socket)?;
    link.tell(&Up::Ready, &[]);
    let (job, code) = receive(socket)?;
    limit(&job.limits, job.code);
    let report = match Agent::from_code(&engine, job.kind, code, job.code) {
        Ok(agent) => run(&engine, &agent, job, &link, net),
        Err(e) => {
            let error = AgentErrorInfo::new(codes::WORKER, format!("its code: {e}"));
            RunReport::of(Outcome::Failed, Some(error))
        }
    };
    let RunReport { outcome, output, verdict, error, exit, usage, .. } = report;
    let done = Done { outcome, output, verdict, error, exit, usage };
    link.tell(&Up::Done, &postcard::to_stdvec(&done).map_err(io::Error::other)?);
    Ok(())
}

/// The run ends by its own limits; what the process is bounded by is for who has broken out of it.
fn limit(limits: &RunLimits, code: u64) {
    let data = limits.memory.saturating_add(code).saturating_add(BESIDE);
    let seconds = limits.cpu.as_secs().saturating_add(GRACE);
    for (resource, most) in [(Resource::Data, data), (Resource::Cpu, seconds)] {
        let most = getrlimit(resource).maximum.map_or(most, |known| known.min(most));
        // No reason not to run: one that cannot be lowered is as it was.
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

/// The job, and the code that came with it.
fn receive(socket: &UnixStream) -> io::Result<(Job, OwnedFd)> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let got = rustix::io::retry_on_intr(|| {
        recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut length)], &mut control, flags)
    })?;
    let code = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let Some(code) = code.filter(|_| got.bytes == length.len()) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let mut job = vec![0; u32::from_le_bytes(length) as usize];
    io::Read::read_exact(&mut &*socket, &mut job)?;
    Ok((postcard::from_bytes(&job).map_err(io::Error::other)?, code))
}

fn run(engine: &Engine, agent: &Agent, job: Job, link: &Arc<Link>, net: UnixStream) -> RunReport {
    let memory = MemoryGauge::default();
    measure(link, &memory);
    let remote = |root, read_only| Files::Remote(RemoteFiles::new(link, root, read_only));
    let binds = job.binds.into_iter().zip(1..);
    let sessions: Arc<dyn Sessions> = Arc::new(RemoteSessions(link.clone()));
    let records: Arc<dyn Records> = Arc::new(RemoteRecords(link.clone()));
    let shown = |which| -> Box<dyn Write + Send> { Box::new(Shown { link: link.clone(), which }) };
    engine.run_to(
        agent,
        RunSpec {
            at: job.at,
            binds: binds.map(|((at, only), root)| (at, remote(root, only))).collect(),
            task: TaskContext {
                task_id: job.task_id,
                description: job.description,
                input_files: job.input_files,
                session_id: job.session_id,
            },
            args: job.args,
            env: job.env,
            limits: job.limits,
            sessions: job.sessions.then(|| sessions.clone()),
            session_info: job.info.then_some(sessions),
            records: job.records.then_some(records),
            net: Net::Relayed(Relay::new(net)),
            memory,
            ..RunSpec::new(Workspace::Session(remote(0, job.read_only)))
        },
        [shown(0), shown(1)],
    )
}

/// Tells of the guest's memory while it grows.
fn measure(link: &Arc<Link>, memory: &MemoryGauge) {
    let (link, memory) = (link.clone(), memory.clone());
    let watch = move || {
        let mut told = 0;
        loop {
            std::thread::sleep(MEASURE);
            let peak = memory.peak();
            if peak != told {
                link.tell(&Up::Memory(peak), &[]);
                told = peak;
            }
        }
    };
    // Without a thread it is told at the end.
    let _ = std::thread::Builder::new().name("brio-memory".into()).spawn(watch);
}

/// A stream that the supervisor shows.
struct Shown {
    link: Arc<Link>,
    which: u8,
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(super::protocol::PIECE)];
        self.link.tell(&Up::Output(self.which), bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
