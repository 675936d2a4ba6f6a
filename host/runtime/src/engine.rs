//! The shared engine: one per process is enough.

use std::path::PathBuf;
use std::sync::Arc;

use crate::timers::Timers;
use wasmtime::{Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::link::Linkers;
use crate::ticker::Ticker;

/// How an [`Engine`] is made.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Where compiled code is kept between processes. The directory must be private to the
    /// user: what lies there is version-checked but not integrity-checked. `None` keeps none.
    pub cache_dir: Option<PathBuf>,
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The directory for compiled code cannot be used.
    #[error("CACHE_DIR: {}: {reason}; choose another directory or none", .dir.display())]
    CacheDir {
        /// The directory.
        dir: PathBuf,
        /// What wasmtime said of it.
        reason: String,
    },
    /// wasmtime does not run on this machine.
    #[error("ENGINE: WebAssembly cannot run here: {0}")]
    Unsupported(String),
    /// Threads, timers or file descriptors could not be had.
    #[error("ENGINE: cannot start: {0}")]
    Host(#[from] std::io::Error),
}

impl EngineError {
    /// The stable code: `CACHE_DIR` or `ENGINE`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CacheDir { .. } => "CACHE_DIR",
            Self::Unsupported(_) | Self::Host(_) => "ENGINE",
        }
    }
}

/// Compiles and runs agents. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) linkers: Linkers,
    pub(crate) ticker: Ticker,
    /// Timers for guests that wait. Guests themselves run on the caller's thread.
    pub(crate) timers: Timers,
}

impl Engine {
    /// Makes an engine: pooled instances where the address space can be reserved, epochs of
    /// 10 ms, compiled code from the cache.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let cache = options.cache_dir.map(open_cache).transpose()?;
        let mut config = config(cache);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
        Self::of(&config).or_else(|e| {
            tracing::debug!("no pooled instances, falling back to single ones: {e}");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Self::of(&config)
        })
    }

    /// An engine for one run, which compiles nothing, but runs what [`Engine::new`] compiles.
    #[cfg(target_os = "linux")]
    pub(crate) fn for_one() -> Result<Self, EngineError> {
        let mut config = config(None);
        // Pooled as well, so that a guest meets the same bounds of its tables and instances.
        let mut pool = pool();
        pool.total_component_instances(1)
            .total_core_instances(PER_COMPONENT)
            .total_memories(PARTS)
            .total_tables(PARTS)
            .total_stacks(4)
            .max_unused_warm_slots(0);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        Self::of(&config)
    }

    fn of(config: &Config) -> Result<Self, EngineError> {
        let unsupported = |e: wasmtime::Error| EngineError::Unsupported(format!("{e:#}"));
        let wasm = wasmtime::Engine::new(config).map_err(unsupported)?;
        let linkers = Linkers::new(&wasm).map_err(unsupported)?;
        let ticker = Ticker::start(&wasm)?;
        let timers = Timers::start()?;
        Ok(Self(Arc::new(Inner { wasm, linkers, ticker, timers })))
    }

    /// Whether instances are pooled; if not, the address space could not be reserved.
    pub fn pooled(&self) -> bool {
        self.0.wasm.pooling_allocator_metrics().is_some()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("pooled", &self.pooled()).finish()
    }
}

fn open_cache(dir: PathBuf) -> Result<Cache, EngineError> {
    let error = |reason: String| EngineError::CacheDir { dir: dir.clone(), reason };
    std::fs::create_dir_all(&dir).map_err(|e| error(e.to_string()))?;
    // wasmtime wants an absolute path without links.
    let absolute = dir.canonicalize().map_err(|e| error(e.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(absolute);
    Cache::new(config).map_err(|e| error(format!("{e:#}")))
}

fn config(cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // wasmtime keeps exceptions in its collected heap; guests get no types of their own in it.
        .wasm_exceptions(true)
        .wasm_gc(false)
        .epoch_interruption(true)
        .parallel_compilation(true)
        // Room for the recursion of an interpreter or a compiler; address space only.
        .max_wasm_stack(2 << 20)
        .async_stack_size(4 << 20)
        // Traps are reported by their message; a guest's stack is of no use to a supervisor.
        .wasm_backtrace_max_frames(None)
        // In 0.2 nothing runs concurrently within one store: saves the bookkeeping (spike, c3n).
        .concurrency_support(cfg!(feature = "wasi-0-3"))
        .cache(cache);
    config
}

/// Core instances of one component, at most.
const PER_COMPONENT: u32 = 200;
/// And memories, and tables.
const PARTS: u32 = 128;

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // Sizes that a compiler or an interpreter built for WASI fits in; address space only.
    pool.max_core_instance_size(8 << 20)
        .max_component_instance_size(8 << 20)
        .total_memories(256)
        .total_tables(512)
        .total_core_instances(1024)
        .total_component_instances(256)
        .total_stacks(256)
        .total_gc_heaps(256)
        .table_elements(200_000)
        .max_core_instances_per_component(PER_COMPONENT)
        .max_memories_per_component(PARTS)
        .max_tables_per_component(PARTS)
        .max_unused_warm_slots(64)
        .linear_memory_keep_resident(128 << 10)
        .table_keep_resident(16 << 10);
    pool
}
