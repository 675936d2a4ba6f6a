//! Calls that come again: a client that lost its connection sends what had no answer once more.
//! Doing it twice would report a file that was just made as in the way, and one that was just
//! removed as missing; so it gets the answer of the first time, also while that is still under way.
//!
//! Numbers come again, too, of clients that all count from the same one. So all of a call is
//! compared, and what was answered on a connection that ended well is forgotten with it.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Answers that are kept; each is a few hundred bytes.
const KEPT: usize = 2048;

/// The head of a call, with all but what is written. The rest is compared by its checksum alone.
const HEAD: usize = 512;

/// Whose call, its number, and a digest of what it says.
type Key = (IpAddr, u32, u64);
type Answer = Arc<OnceLock<Option<Vec<u8>>>>;

#[derive(Default)]
pub(crate) struct Again(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// With the connection that each came by first.
    answers: HashMap<Key, (u64, Answer)>,
    order: VecDeque<Key>,
}

impl Again {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of the answer to a call, which is made once.
    pub(crate) fn place(
        &self,
        (connection, client): (u64, IpAddr),
        xid: u32,
        record: &[u8],
    ) -> Answer {
        let mut hasher = DefaultHasher::new();
        let head = &record[..record.len().min(HEAD)];
        (record.len(), head, crc32c::crc32c(record)).hash(&mut hasher);
        let key = (client, xid, hasher.finish());
        let mut kept = self.lock();
        if let Some((_, answer)) = kept.answers.get(&key) {
            return answer.clone();
        }
        if kept.order.len() == KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.answers.remove(&oldest);
        }
        let answer = Answer::default();
        kept.answers.insert(key, (connection, answer.clone()));
        kept.order.push_back(key);
        answer
    }

    /// A client took all its answers, and then hung up.
    pub(crate) fn ended_well(&self, connection: u64) {
        let kept = &mut *self.lock();
        kept.answers.retain(|_, (of, _)| *of != connection);
        kept.order.retain(|key| kept.answers.contains_key(key));
    }
}
