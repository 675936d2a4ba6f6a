//! Calls that come again: a client that lost its connection sends what had no answer once more.
//! Doing it twice would report a file that was just made as in the way, and one that was just
//! removed as missing; so it gets the answer of the first time, also while that is still under way.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Answers that are kept; each is a few hundred bytes.
const KEPT: usize = 2048;

/// Of what a call says, this much is compared: all, but for what is written.
const COMPARED: usize = 512;

/// Whose call, its number, and a digest of what it says: numbers come again.
type Key = (IpAddr, u32, u64);
type Answer = Arc<OnceCell<Option<Vec<u8>>>>;

#[derive(Default)]
pub(crate) struct Again(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    answers: HashMap<Key, Answer>,
    order: VecDeque<Key>,
}

impl Again {
    /// The place of the answer to a call, which is made once.
    pub(crate) fn place(&self, client: IpAddr, xid: u32, record: &[u8]) -> Answer {
        let mut hasher = DefaultHasher::new();
        (record.len(), &record[..record.len().min(COMPARED)]).hash(&mut hasher);
        let key = (client, xid, hasher.finish());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = kept.answers.get(&key) {
            return answer.clone();
        }
        if kept.order.len() == KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.answers.remove(&oldest);
        }
        let answer = Answer::default();
        kept.answers.insert(key, answer.clone());
        kept.order.push_back(key);
        answer
    }
}
