//! A network that fails: HTTP in front of a server, which loses answers after the work was done,
//! delivers requests late, answers in the server's place and cuts bodies. By a seed.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Rng;
use super::http::{Request, Response};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A pause before or after.
    Slow,
    /// The server does the work, and the answer never arrives.
    Lost,
    /// The client hears nothing more, and the server gets the request a while later.
    Late,
    /// The server never hears of it, and this is the answer.
    Instead(u16),
    /// The server does the work, and this is the answer.
    After(u16),
    /// Half of the answer.
    Cut,
}

impl Fault {
    fn is_condition(self) -> bool {
        matches!(self, Self::Instead(409 | 412) | Self::After(409 | 412))
    }
}

pub const FAULTS: [Fault; 12] = [
    Fault::Slow,
    Fault::Lost,
    Fault::Late,
    Fault::Cut,
    Fault::Instead(409),
    Fault::Instead(412),
    Fault::Instead(500),
    Fault::Instead(503),
    Fault::After(409),
    Fault::After(412),
    Fault::After(500),
    Fault::After(503),
];

/// How often what happens, in thousandths.
#[derive(Clone)]
pub struct Rates {
    rates: Vec<(Fault, u64)>,
    /// Whether writes of refs are left alone.
    spares_refs: bool,
}

impl Rates {
    /// What no answer of a call may depend on.
    pub fn gentle() -> Self {
        let rates = vec![(Fault::Slow, 50), (Fault::Instead(500), 50), (Fault::Instead(503), 50)];
        Self { rates, spares_refs: true }
    }

    /// Everything.
    pub fn rough() -> Self {
        Self { rates: FAULTS.iter().map(|f| (*f, 25)).collect(), spares_refs: false }
    }

    /// One, always.
    pub fn only(fault: Fault) -> Self {
        Self { rates: vec![(fault, 1000)], spares_refs: false }
    }

    pub fn none() -> Self {
        Self { rates: Vec::new(), spares_refs: true }
    }
}

pub struct Proxy {
    address: SocketAddr,
    upstream: SocketAddr,
    rng: Mutex<Rng>,
    rates: Mutex<Rates>,
    counts: [AtomicUsize; FAULTS.len()],
    pub requests: AtomicU64,
}

impl Proxy {
    pub fn start(upstream: SocketAddr, seed: u64, rates: Rates) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            upstream,
            rng: Mutex::new(Rng(seed)),
            rates: Mutex::new(rates),
            counts: Default::default(),
            requests: AtomicU64::new(0),
        });
        let serving = proxy.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let proxy = serving.clone();
                std::thread::spawn(move || proxy.serve(stream));
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, rates: Rates) {
        *self.rates.lock().unwrap() = rates;
    }

    /// How often which fault was made.
    pub fn counts(&self) -> Vec<(Fault, usize)> {
        let counts = self.counts.iter().map(|n| n.load(Ordering::SeqCst));
        FAULTS.into_iter().zip(counts).collect()
    }

    fn draw(&self, request: &Request) -> (Option<Fault>, Duration) {
        let mut rng = self.rng.lock().unwrap();
        let mut at = rng.below(1000);
        let pause = Duration::from_millis(1 + rng.below(30));
        let rates = self.rates.lock().unwrap();
        if rates.spares_refs && request.method == "PUT" && is_ref(request) {
            return (None, pause);
        }
        for (fault, rate) in &rates.rates {
            if at < *rate {
                let i = FAULTS.iter().position(|f| f == fault).unwrap();
                self.counts[i].fetch_add(1, Ordering::SeqCst);
                return (Some(*fault), pause);
            }
            at -= rate;
        }
        (None, pause)
    }

    /// One request a connection.
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let Some(request) = Request::read(&mut reader) else { return };
        self.requests.fetch_add(1, Ordering::SeqCst);
        let (fault, pause) = self.draw(&request);
        // Of a condition's failure no server speaks where there is none.
        let conditional = ["if-match", "if-none-match"].iter().any(|h| request.header(h).is_some());
        let fault = fault.filter(|fault| conditional || !fault.is_condition());
        let answer = match fault {
            None => self.ask(&request),
            Some(Fault::Slow) => {
                std::thread::sleep(pause / 2);
                let answer = self.ask(&request);
                std::thread::sleep(pause / 2);
                answer
            }
            Some(Fault::Lost) => {
                self.ask(&request);
                return;
            }
            Some(Fault::Late) => {
                let _ = stream.shutdown(Shutdown::Both);
                std::thread::sleep(pause);
                self.ask(&request);
                return;
            }
            Some(Fault::Cut) => {
                let mut answer = self.ask(&request);
                answer.truncate(answer.len() / 2);
                answer
            }
            Some(Fault::Instead(status)) => own(status, &request),
            Some(Fault::After(status)) => {
                self.ask(&request);
                own(status, &request)
            }
        };
        let _ = stream.write_all(&answer);
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// The server's answer, as it is; nothing, if there is none.
    fn ask(&self, request: &Request) -> Vec<u8> {
        let mut answer = Vec::new();
        let Ok(mut server) = TcpStream::connect(self.upstream) else { return answer };
        server.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        if request.forward(&mut server).is_ok() {
            let _ = server.read_to_end(&mut answer);
        }
        answer
    }
}

fn is_ref(request: &Request) -> bool {
    let ends = ["/head", "/gc", "/metadata.json"];
    ends.iter().any(|end| request.target.ends_with(end)) || request.target.contains("/notes/")
}

fn own(status: u16, request: &Request) -> Vec<u8> {
    let code = match status {
        409 => "ConditionalRequestConflict",
        412 => "PreconditionFailed",
        500 => "InternalError",
        _ => "SlowDown",
    };
    let mut bytes = Vec::new();
    let response = Response::error(status, code).with("connection", "close");
    response.write(&mut bytes, request.method == "HEAD").unwrap();
    bytes
}
