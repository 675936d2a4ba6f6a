//! Somebody else who works in the same process and on the same base: a guest that writes a file
//! and reads it again, a thousand times a second, and says how long each time took.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brio_host::{
    AgentSource, Outcome, Output, Place, RunLimits, RunRequest, SessionHandle, StopToken,
};

use super::components;
use super::world::World;

/// How long it waits between two pieces of work.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct Neighbour {
    told: Told,
    stop: StopToken,
    session: SessionHandle,
    run: JoinHandle<Outcome>,
}

/// Eight bytes, little endian, for each piece of work: the nanoseconds that it took, pause included.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Vec<u8>, Vec<u64>)>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (rest, all) = &mut *self.0.lock().unwrap();
        rest.extend_from_slice(bytes);
        let whole = rest.len() / 8 * 8;
        all.extend(rest[..whole].chunks(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())));
        rest.drain(..whole);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Neighbour {
    pub(crate) fn new(world: &World) -> Self {
        let session = world.brio.begin(&world.base(), Default::default()).unwrap();
        let wasm = components::module(include_str!("guests/neighbour.wat"));
        let agent = AgentSource::Bytes { name: "neighbour".into(), wasm };
        let mut request = RunRequest::new(agent, Place::Session(session.clone()));
        let (told, stop) = (Told::default(), StopToken::default());
        request.stop = stop.clone();
        request.limits = RunLimits {
            wall: Duration::MAX,
            cpu: Duration::MAX,
            output: u64::MAX,
            ..RunLimits::default()
        };
        request.stdout = Output { sink: Some(Box::new(told.clone())), capture: 0 };
        let brio = world.brio.clone();
        let run = std::thread::spawn(move || brio.run(request).unwrap().report.outcome);
        let neighbour = Self { told, stop, session, run };
        neighbour.goes_on(neighbour.done());
        neighbour
    }

    /// How many pieces of work it has done.
    pub(crate) fn done(&self) -> usize {
        self.told.0.lock().unwrap().1.len()
    }

    /// Waits until it has done some since there were `before`.
    pub(crate) fn goes_on(&self, before: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.done() <= before {
            assert!(
                !self.run.is_finished() && Instant::now() < until,
                "the neighbour stands still"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How long pieces of work took, from the `from`th on, without the pause.
    pub(crate) fn times(&self, from: usize) -> Vec<Duration> {
        let all = &self.told.0.lock().unwrap().1;
        let times = all[from.min(all.len())..].iter();
        times.map(|n| Duration::from_nanos(*n).saturating_sub(PAUSE)).collect()
    }

    pub(crate) fn end(self) {
        self.stop.stop();
        assert_eq!(self.run.join().unwrap(), Outcome::Killed);
        self.session.rollback(false).unwrap();
    }
}
