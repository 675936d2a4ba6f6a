//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "shared by files that are crates of their own")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod counter;
pub mod http;
pub mod proxy;
pub mod server;

use std::any::Any;
use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use brio_store::AttemptId;
use brio_store::backend::{Backend, Credentials, Directory, Memory, Patience, S3, S3Options};

use proxy::{Proxy, Rates};
use server::Server;

/// Says loudly that a test cannot run here, and has it counted.
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED: {name}: {why}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut f| writeln!(f, "{name}: {why}"));
    }
}

pub fn seed() -> u64 {
    let seed = std::env::var("BRIO_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    eprintln!("BRIO_SEED={seed}");
    seed
}

/// Random numbers that can be had again (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// A backend, and what must live as long.
pub struct Place {
    pub backend: Arc<dyn Backend>,
    /// Whether it refuses names that are none.
    pub strict: bool,
    pub proxy: Option<Arc<Proxy>>,
    open: Box<dyn Fn() -> Arc<dyn Backend> + Send + Sync>,
    _keep: Vec<Box<dyn Any + Send + Sync>>,
}

impl Place {
    fn new(open: impl Fn() -> Arc<dyn Backend> + Send + Sync + 'static, strict: bool) -> Self {
        let open = Box::new(open);
        Self { backend: open(), strict, proxy: None, open, _keep: Vec::new() }
    }

    fn s3(options: S3Options) -> Self {
        Self::new(move || Arc::new(S3::open(options.clone()).unwrap()), true)
    }

    /// Something that must live as long.
    pub fn keep(&mut self, what: impl Any + Send + Sync) {
        self._keep.push(Box::new(what));
    }

    /// As another machine opens it.
    pub fn open(&self) -> Arc<dyn Backend> {
        (self.open)()
    }
}

pub fn memory(_: &str) -> Option<Place> {
    let memory = Arc::new(Memory::default());
    Some(Place::new(move || memory.clone(), false))
}

pub fn directory(_: &str) -> Option<Place> {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("store");
    let mut place = Place::new(move || Arc::new(Directory::open(&at).unwrap()), true);
    place.keep(dir);
    Some(place)
}

/// The server of these tests, which wants ETags with quotes.
pub fn test_server(_: &str) -> Option<Place> {
    let server = Server::start(server::Rules::default());
    let mut place = Place::s3(options(&server.url()));
    place.keep(server);
    Some(place)
}

/// The same behind a network that is slow, and a server that is busy now and then.
pub fn test_server_proxied(_: &str) -> Option<Place> {
    let server = Server::start(server::Rules { quoted: false, ..server::Rules::default() });
    let mut place = proxied(server.address(), options(&server.url()), Rates::gentle());
    place.keep(server);
    Some(place)
}

/// The server that the environment names, if it does.
pub fn real_server(name: &str) -> Option<Place> {
    Some(Place::s3(real_options(name)?.1))
}

/// The same through the proxy.
pub fn real_server_proxied(name: &str) -> Option<Place> {
    real_with(name, Rates::gentle())
}

pub fn real_with(name: &str, rates: Rates) -> Option<Place> {
    let (address, options) = real_options(name)?;
    Some(proxied(address, options, rates))
}

pub fn proxied(upstream: SocketAddr, mut options: S3Options, rates: Rates) -> Place {
    let proxy = Proxy::start(upstream, seed(), rates);
    options.endpoint = Some(proxy.url());
    let mut place = Place::s3(options);
    place.proxy = Some(proxy);
    place
}

pub fn keys() -> Credentials {
    Credentials::Keys { id: "AK".into(), secret: "SK".into(), token: None }
}

/// Quick to try again.
pub fn quick() -> Patience {
    Patience {
        connect: Duration::from_secs(2),
        attempt: Duration::from_secs(20),
        total: Duration::from_secs(60),
        retries: 12,
        pause: Duration::from_millis(5),
    }
}

/// A prefix of its own at a server on this machine.
pub fn options(endpoint: &str) -> S3Options {
    S3Options {
        endpoint: Some(endpoint.into()),
        allow_http: true,
        patience: quick(),
        ..S3Options::new("bucket", format!("test/{}", AttemptId::random().unwrap()), keys())
    }
}

/// By `BRIO_S3_ENDPOINT`, `BRIO_S3_BUCKET` and AWS's variables.
fn real_options(name: &str) -> Option<(SocketAddr, S3Options)> {
    let Ok(endpoint) = std::env::var("BRIO_S3_ENDPOINT") else {
        skip(name, "BRIO_S3_ENDPOINT names no server (tests/harness/s3/run starts two)");
        return None;
    };
    let address = endpoint.strip_prefix("http://").expect("http://HOST:PORT");
    let address = address.to_socket_addrs().unwrap().next().unwrap();
    let bucket = std::env::var("BRIO_S3_BUCKET").unwrap_or_else(|_| "brio-test".into());
    let prefix = format!("test/{}", AttemptId::random().unwrap());
    let lookup = |name: &str| std::env::var(name).ok();
    let mut options = S3Options::from_env(bucket, prefix, lookup, None).unwrap();
    options.endpoint = Some(endpoint);
    options.allow_http = true;
    options.patience = quick();
    Some((address, options))
}
