//! Agents that are loaded: one that runs often is compiled, or read from the cache, once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use brio_runtime::{Agent, Engine, LoadError};
use sha2::{Digest, Sha256};

/// Of loaded agents so many bytes of WebAssembly are kept; compiled code is a few times that.
const MOST: usize = 32 << 20;
/// And so many agents: each holds descriptors, however small it is.
const MOST_AGENTS: usize = 64;

/// What was loaded lately, by one engine.
#[derive(Default)]
pub(crate) struct Agents(Mutex<Loaded>);

#[derive(Default)]
struct Loaded {
    agents: HashMap<Key, Entry>,
    bytes: usize,
    turn: u64,
}

/// What tells an agent from others.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Bundled(&'static str),
    Hash([u8; 32]),
}

struct Entry {
    agent: Arc<Agent>,
    bytes: usize,
    used: u64,
}

impl Agents {
    /// A bundled agent.
    pub(crate) fn bundled(
        &self,
        engine: &Engine,
        name: &'static str,
        wasm: &[u8],
    ) -> Result<Arc<Agent>, LoadError> {
        self.get(engine, Key::Bundled(name), wasm)
    }

    /// Any other one.
    pub(crate) fn of_bytes(&self, engine: &Engine, wasm: &[u8]) -> Result<Arc<Agent>, LoadError> {
        self.get(engine, Key::Hash(Sha256::digest(wasm).into()), wasm)
    }

    fn get(&self, engine: &Engine, key: Key, wasm: &[u8]) -> Result<Arc<Agent>, LoadError> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = lock().find(&key) {
            return Ok(agent);
        }
        // Not under the lock: others run meanwhile.
        let agent = Arc::new(engine.load_bytes(wasm)?);
        lock().keep(key, agent.clone(), wasm.len());
        Ok(agent)
    }
}

impl Loaded {
    fn find(&mut self, key: &Key) -> Option<Arc<Agent>> {
        self.turn += 1;
        let entry = self.agents.get_mut(key)?;
        entry.used = self.turn;
        Some(entry.agent.clone())
    }

    fn keep(&mut self, key: Key, agent: Arc<Agent>, bytes: usize) {
        if bytes > MOST {
            return;
        }
        if let Some(had) = self.agents.insert(key, Entry { agent, bytes, used: self.turn }) {
            self.bytes -= had.bytes;
        }
        self.bytes += bytes;
        while self.bytes > MOST || self.agents.len() > MOST_AGENTS {
            let oldest = self.agents.iter().min_by_key(|(_, e)| e.used).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| self.agents.remove(&key)) else { return };
            self.bytes -= gone.bytes;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use brio_runtime::EngineOptions;

    use super::*;

    #[test]
    fn an_agent_is_loaded_once_and_never_taken_for_another() {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let agents = Agents::default();
        let hello = crate::bundled_agent("hello").unwrap();
        let replace = crate::bundled_agent("replace").unwrap();
        let bundled = agents.bundled(&engine, hello.name, hello.wasm).unwrap();
        let again = agents.bundled(&engine, hello.name, hello.wasm).unwrap();
        assert!(Arc::ptr_eq(&bundled, &again));
        let own = agents.of_bytes(&engine, hello.wasm).unwrap();
        assert!(Arc::ptr_eq(&own, &agents.of_bytes(&engine, hello.wasm).unwrap()));
        assert!(!Arc::ptr_eq(&own, &agents.of_bytes(&engine, replace.wasm).unwrap()));
        assert!(agents.of_bytes(&engine, b"no wasm").is_err());
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes() {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let hello = crate::bundled_agent("hello").unwrap();
        let agent = Arc::new(engine.load_bytes(hello.wasm).unwrap());
        let mut loaded = Loaded::default();
        for n in 0..3 {
            loaded.keep(Key::Hash([n; 32]), agent.clone(), MOST / 2);
            assert!(loaded.find(&Key::Hash([n; 32])).is_some());
        }
        assert!(loaded.find(&Key::Hash([0; 32])).is_none());
        assert!(loaded.find(&Key::Hash([2; 32])).is_some());
        loaded.keep(Key::Bundled("large"), agent.clone(), MOST + 1);
        assert!(loaded.find(&Key::Bundled("large")).is_none());
        assert!(loaded.bytes <= MOST);
        for n in 0..100 {
            loaded.keep(Key::Hash([n; 32]), agent.clone(), 1);
        }
        assert_eq!((loaded.agents.len(), loaded.bytes), (MOST_AGENTS, MOST_AGENTS));
    }
}
