//! A store in a world of its own: one thread, a clock that jumps, requests that are lost on the
//! way, on the way back, or come late; all of it from one seed. What is there is watched by an
//! oracle at each change.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use brio_store::backend::{Backend, Listed, Memory, Put, Swap, Version};
use brio_store::{Chance, Clock, Error, Result};
use bytes::Bytes;
use futures_util::FutureExt as _;
use time::OffsetDateTime;

use super::oracle::Oracle;

/// Numbers from a seed (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// Once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A change of the store, on its way.
#[derive(Clone)]
pub(crate) enum Op {
    Create(String, Bytes),
    Overwrite(String, Bytes),
    Delete(String),
    Swap(String, Option<Version>, Bytes),
    DeleteRef(String, Version),
}

pub(crate) enum Answer {
    Put(Put),
    Swap(Swap),
    Nothing,
}

struct World {
    dice: Dice,
    late: Vec<(u64, Op)>,
    trace: VecDeque<String>,
    /// Of all that was ever told.
    digest: u64,
    oracle: Oracle,
}

pub(crate) struct Sim {
    memory: Memory,
    millis: Arc<AtomicU64>,
    world: Mutex<World>,
    /// One request in so many fails; 0: none.
    pub(crate) faults: AtomicU64,
    pub(crate) crashes: AtomicU64,
}

/// As a server that refuses signatures that are older.
const TOO_LATE: u64 = 15 * 60_000;

impl Sim {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let millis = Arc::new(AtomicU64::new(0));
        let clock = millis.clone();
        Arc::new(Self {
            memory: Memory::with_clock(move || time_at(clock.load(Ordering::SeqCst))),
            millis,
            world: Mutex::new(World {
                dice: Dice(seed),
                late: Vec::new(),
                trace: VecDeque::new(),
                digest: 0xcbf2_9ce4_8422_2325,
                oracle: Oracle::default(),
            }),
            faults: AtomicU64::new(0),
            crashes: AtomicU64::new(0),
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn millis(&self) -> u64 {
        self.millis.load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn dice<T>(&self, f: impl FnOnce(&mut Dice) -> T) -> T {
        f(&mut self.world().dice)
    }

    pub(crate) fn oracle<T>(&self, f: impl FnOnce(&mut Oracle) -> T) -> T {
        f(&mut self.world().oracle)
    }

    /// The last things that happened.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.world().trace.iter().cloned().collect()
    }

    /// Differs if anything differs that happened, or when.
    pub(crate) fn digest(&self) -> u64 {
        self.world().digest
    }

    fn tell(&self, text: String) {
        let at = self.millis();
        let mut w = self.world();
        // FNV-1a.
        let bytes = at.to_le_bytes().into_iter().chain(text.bytes());
        w.digest = bytes.fold(w.digest, |d, b| (d ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let text: String = text.replace("projects/test/project/", "").chars().take(110).collect();
        w.trace.push_back(format!("{:>12.3} {text}", at as f64 / 1000.0));
        if w.trace.len() > 120 {
            w.trace.pop_front();
        }
    }

    /// A change takes effect.
    fn apply(&self, who: &str, op: &Op) -> Answer {
        fn now<T>(f: impl Future<Output = Result<T>>) -> T {
            f.now_or_never().expect("memory answers at once").expect("memory does not fail")
        }
        let m = &self.memory;
        let (text, answer) = match op {
            Op::Create(key, value) => {
                let put = now(m.create(key, value.clone()));
                (format!("create {key}: {put:?}"), Answer::Put(put))
            }
            Op::Overwrite(key, value) => {
                now(m.overwrite(key, value.clone()));
                (format!("overwrite {key}"), Answer::Nothing)
            }
            Op::Delete(key) => {
                now(m.delete(key));
                (format!("delete {key}"), Answer::Nothing)
            }
            Op::Swap(name, from, value) => {
                let swap = now(m.swap_ref(name, from.as_ref(), value.clone()));
                (format!("swap {name}: {swap:?}"), Answer::Swap(swap))
            }
            Op::DeleteRef(name, from) => {
                let swap = now(m.delete_ref(name, from));
                (format!("delete ref {name}: {swap:?}"), Answer::Swap(swap))
            }
        };
        self.tell(format!("{who}: {text}"));
        let mut w = self.world();
        match (op, &answer) {
            (Op::Create(key, value), Answer::Put(Put::Created)) => w.oracle.created(key, value),
            (Op::Delete(key), _) => w.oracle.deleted(key),
            (Op::Swap(name, _, value), Answer::Swap(Swap::Done(_))) => w.oracle.moved(name, value),
            (Op::DeleteRef(name, _), Answer::Swap(Swap::Done(_))) => w.oracle.ref_deleted(name),
            _ => {}
        }
        answer
    }

    /// One of the requests that are late arrives, or never will.
    pub(crate) fn arrive(&self) {
        let now = self.millis();
        let op = {
            let mut w = self.world();
            w.late.retain(|(sent, _)| now - sent < TOO_LATE);
            match w.late.len() as u64 {
                0 => return,
                n => {
                    let i = w.dice.below(n) as usize;
                    w.late.swap_remove(i).1
                }
            }
        };
        self.apply("late", &op);
    }
}

pub(crate) fn time_at(millis: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis)
}

/// Lets others go on.
pub(crate) async fn step() {
    let mut first = true;
    poll_fn(|cx| match std::mem::take(&mut first) {
        true => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

impl Chance for Sim {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        let mut w = self.world();
        bytes
            .chunks_mut(8)
            .for_each(|c| c.copy_from_slice(&w.dice.next().to_le_bytes()[..c.len()]));
        Ok(())
    }
}

#[async_trait]
impl Clock for Sim {
    fn now(&self) -> OffsetDateTime {
        time_at(self.millis())
    }
    async fn sleep(&self, time: Duration) {
        let until = self.millis() + time.as_millis() as u64;
        step().await;
        while self.millis() < until {
            step().await;
        }
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.millis())
    }
}

/// What is wrong with a machine on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its collector sees no pins.
    Pins,
    /// Its collector sees no notes.
    Notes,
    /// Its collector's second look shows what the first one did.
    SecondLook,
    /// It stores as if nobody ever swept.
    Waiting,
}

/// A machine's way to the store.
pub(crate) struct Port {
    pub(crate) sim: Arc<Sim>,
    pub(crate) who: String,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) first: Mutex<std::collections::HashMap<String, Seen>>,
}

#[derive(Clone)]
pub(crate) enum Seen {
    List(Vec<Listed>),
    Names(Vec<String>),
    Ref(Option<(Bytes, Version)>),
}

/// A change that is on its way when its sender dies may still arrive.
struct Flight<'a> {
    sim: &'a Sim,
    sent: u64,
    op: Option<Op>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some(op) = self.op.take() {
            let mut w = self.sim.world();
            if w.dice.once_in(2) {
                w.late.push((self.sent, op));
            }
        }
    }
}

enum Fault {
    None,
    Before,
    After,
    Late,
}

impl Port {
    pub(crate) fn new(sim: &Arc<Sim>, who: String, flaw: Option<Flaw>) -> Arc<Self> {
        Arc::new(Self { sim: sim.clone(), who, flaw, first: Mutex::default() })
    }

    fn lost(&self, why: &str) -> Error {
        let store = "sim".into();
        Error::Unreachable { store, what: self.who.clone(), why: why.into() }
    }

    fn fault(&self) -> Fault {
        let one_in = self.sim.faults.load(Ordering::SeqCst);
        self.sim.dice(|d| match one_in > 0 && d.once_in(one_in) {
            false => Fault::None,
            true => match d.below(3) {
                0 => Fault::Before,
                1 => Fault::After,
                _ => Fault::Late,
            },
        })
    }

    async fn change(&self, op: Op) -> Result<Answer> {
        let sim = &*self.sim;
        let sent = sim.millis();
        let mut flight = Flight { sim, sent, op: Some(op) };
        step().await;
        let Some(op) = flight.op.take() else { return Err(self.lost("gone")) };
        if sim.millis() - sent >= TOO_LATE {
            return Err(self.lost("its signature is too old"));
        }
        let answer = match self.fault() {
            Fault::None => Ok(sim.apply(&self.who, &op)),
            Fault::Before => Err(self.lost("before")),
            Fault::After => {
                sim.apply(&self.who, &op);
                Err(self.lost("after"))
            }
            Fault::Late => {
                sim.world().late.push((sent, op));
                Err(self.lost("late"))
            }
        };
        step().await;
        answer
    }

    async fn look(&self) -> Result<()> {
        step().await;
        match self.fault() {
            Fault::Before => Err(self.lost("a read")),
            _ => Ok(()),
        }
    }

    async fn swapped(&self, op: Op) -> Result<Swap> {
        match self.change(op).await {
            Ok(Answer::Swap(swap)) => Ok(swap),
            Ok(_) => unreachable!(),
            // Both ways of not knowing.
            Err(e) => match self.sim.dice(|d| d.once_in(2)) {
                true => Ok(Swap::Lost),
                false => Err(e),
            },
        }
    }

    /// What a collector that looks only once knows.
    fn once(&self, what: &str, key: &str, seen: Seen) -> Seen {
        let looked_at = ["/pins/", "/notes/", "/sessions/", "/head", "/landings/"];
        match self.flaw {
            Some(Flaw::SecondLook) if looked_at.iter().any(|l| key.contains(l)) => {
                self.first.lock().unwrap().entry(format!("{what} {key}")).or_insert(seen).clone()
            }
            _ => seen,
        }
    }
}

#[async_trait]
impl Backend for Port {
    fn name(&self) -> String {
        "sim".into()
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.look().await?;
        self.sim.memory.get(key).await
    }
    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        self.look().await?;
        self.sim.memory.get_range(key, offset, length).await
    }
    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        match self.change(Op::Create(key.into(), value)).await? {
            Answer::Put(put) => Ok(put),
            _ => unreachable!(),
        }
    }
    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        self.change(Op::Overwrite(key.into(), value)).await.map(drop)
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.change(Op::Delete(key.into())).await.map(drop)
    }
    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        self.look().await?;
        self.sim.memory.stat(key).await
    }
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        self.look().await?;
        if self.flaw == Some(Flaw::Pins) && prefix.ends_with("/pins/") {
            return Ok(Vec::new());
        }
        let found = self.sim.memory.list(prefix, after).await?;
        match self.once(&format!("list {after:?}"), prefix, Seen::List(found)) {
            Seen::List(found) => Ok(found),
            _ => unreachable!(),
        }
    }
    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        self.look().await?;
        if self.flaw == Some(Flaw::Waiting) && name.ends_with("/gc") {
            return Ok(None);
        }
        let found = self.sim.memory.read_ref(name).await?;
        match self.once("ref", name, Seen::Ref(found)) {
            Seen::Ref(found) => Ok(found),
            _ => unreachable!(),
        }
    }
    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        self.swapped(Op::Swap(name.into(), expected.cloned(), value)).await
    }
    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        self.look().await?;
        if self.flaw == Some(Flaw::Notes) && prefix.ends_with("/notes/") {
            return Ok(Vec::new());
        }
        let found = self.sim.memory.list_refs(prefix, after).await?;
        match self.once(&format!("refs {after:?}"), prefix, Seen::Names(found)) {
            Seen::Names(found) => Ok(found),
            _ => unreachable!(),
        }
    }
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        self.swapped(Op::DeleteRef(name.into(), expected.clone())).await
    }
    async fn now(&self) -> Result<OffsetDateTime> {
        self.look().await?;
        self.sim.memory.now().await
    }
}
