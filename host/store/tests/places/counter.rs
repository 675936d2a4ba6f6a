//! A counter in a ref, as a head is one: each value names the attempts that made the last ones,
//! so whoever does not know what became of his own finds it there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use brio_store::backend::Backend;
use brio_store::{AttemptId, Error, Swap};
use serde::{Deserialize, Serialize};

/// How many of the last attempts a value names.
const RECENT: u64 = 600;

#[derive(Serialize, Deserialize, Default)]
pub struct Counter {
    pub n: u64,
    pub attempt: String,
    recent: Vec<String>,
}

impl Counter {
    /// Whose increment made a position; `None`: nobody's yet.
    fn maker(&self, position: u64) -> Option<&str> {
        let back = self.n.checked_sub(position)?;
        assert!(back < RECENT, "too far behind to know");
        let at = self.recent.len() - 1 - back as usize;
        Some(&self.recent[at])
    }

    fn next(mut self, attempt: &AttemptId) -> Self {
        self.n += 1;
        self.attempt = attempt.to_string();
        self.recent.push(attempt.to_string());
        if self.recent.len() as u64 > RECENT {
            self.recent.remove(0);
        }
        self
    }
}

pub async fn read(backend: &dyn Backend, name: &str) -> Counter {
    loop {
        match backend.read_ref(name).await {
            Ok(Some((value, _))) => return serde_json::from_slice(&value).unwrap(),
            Ok(None) => return Counter::default(),
            Err(Error::Unreachable { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// One increment; the position that it made, and how many attempts it took.
pub async fn increment(backend: &dyn Backend, name: &str) -> (u64, u64) {
    // Attempts whose end is not known, by the positions that they would make: each may have been
    // made, and others after it, and may be made yet while its position is nobody's.
    let mut open: Vec<(u64, AttemptId)> = Vec::new();
    let mut tried = 0;
    loop {
        let now = match backend.read_ref(name).await {
            Ok(now) => now,
            Err(Error::Unreachable { .. }) => continue,
            Err(e) => panic!("{e}"),
        };
        let (counter, version) = match now {
            Some((value, version)) => {
                (serde_json::from_slice::<Counter>(&value).unwrap(), Some(version))
            }
            None => (Counter::default(), None),
        };
        let is_made = |(n, a): &&(u64, AttemptId)| counter.maker(*n) == Some(a.as_str());
        if let Some((n, _)) = open.iter().find(is_made) {
            return (*n, tried);
        }
        open.retain(|(n, _)| counter.maker(*n).is_none());
        let attempt = AttemptId::random().unwrap();
        let next = counter.next(&attempt);
        let n = next.n;
        open.push((n, attempt));
        tried += 1;
        let value = serde_json::to_vec(&next).unwrap();
        match backend.swap_ref(name, version.as_ref(), value.into()).await {
            Ok(Swap::Done(_)) => return (n, tried),
            Ok(Swap::Lost) => {
                let mut random = [0];
                getrandom::fill(&mut random).unwrap();
                let pause = u64::from(random[0]) * 60 * tried.min(8);
                tokio::time::sleep(Duration::from_micros(pause)).await;
            }
            Err(Error::Unreachable { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// Increments by `writers` at once; every position of `1..=increments` is made by exactly one.
pub async fn race(backend: Arc<dyn Backend>, writers: u64, increments: u64) {
    let name = "projects/o/n/head";
    let begun = std::time::Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let backend = backend.clone();
            let share = increments / writers + u64::from(writer < increments % writers);
            tokio::spawn(async move {
                let mut made = Vec::new();
                for _ in 0..share {
                    made.push(increment(&*backend, name).await);
                }
                made
            })
        })
        .collect();
    let (mut positions, mut attempts) = (BTreeSet::new(), 0);
    for task in tasks {
        for (n, tried) in task.await.unwrap() {
            assert!(positions.insert(n), "two increments made {n}");
            attempts += tried;
        }
    }
    let last = read(&*backend, name).await.n;
    assert_eq!(last, increments, "increments were lost or doubled");
    assert!(positions.iter().copied().eq(1..=increments), "a position is nobody's");
    eprintln!(
        "{}: {increments} increments by {writers}, {attempts} attempts, {:.1} s",
        backend.name(),
        begun.elapsed().as_secs_f64()
    );
}
