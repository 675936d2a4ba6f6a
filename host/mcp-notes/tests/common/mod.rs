//! A server of MCP made of a listener and lines of JSON, without the SDK that is tested: what it
//! says is what a test wants it to say.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod over;
pub mod tools;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use brio_mcp_notes::{McpNotes, McpOptions, Server};
use serde_json::{Value, json};

/// What a server says to a message.
pub enum Reply {
    /// The result of a request.
    Result(Value),
    /// An error of the protocol.
    Error(i64, String),
    /// A status, a content type and a body.
    Http(u16, &'static str, Vec<u8>),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// Nothing for that long, and then the end of the connection.
    Silence(Duration),
    /// A byte at a time, for ever.
    Drip,
}

/// Decides what is said to a request: its method and its parameters.
pub type Says = dyn Fn(&str, &Value) -> Reply + Send + Sync;

/// How a server speaks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// It answers with an event, and not with JSON.
    pub events: bool,
    /// It knows no sessions.
    pub sessionless: bool,
    /// It refuses a session that it does not know by 400.
    pub by_400: bool,
    /// The token that it wants to see.
    pub token: Option<&'static str>,
}

struct Shared {
    says: Arc<Says>,
    manner: Manner,
    sessions: Mutex<HashSet<String>>,
    begun: AtomicUsize,
    calls: AtomicUsize,
    left: AtomicUsize,
    ended: AtomicBool,
}

/// A server that ends when it is dropped.
pub struct TestServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub fn new(manner: Manner, says: Arc<Says>) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), manner, says)
    }

    pub fn at(address: SocketAddr, manner: Manner, says: Arc<Says>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            says,
            manner,
            sessions: Mutex::default(),
            begun: AtomicUsize::default(),
            calls: AtomicUsize::default(),
            left: AtomicUsize::default(),
            ended: AtomicBool::default(),
        });
        let its = shared.clone();
        let accept = move || {
            for stream in listener.incoming() {
                if its.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = its.clone();
                // Who hangs up is no failure of the server.
                std::thread::spawn(move || drop(shared.serve(stream.unwrap())));
            }
        };
        Self { address, shared, thread: Some(std::thread::spawn(accept)) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// How many sessions were begun.
    pub fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// How many tools were called.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// How many clients took their leave.
    pub fn left(&self) -> usize {
        self.shared.left.load(Ordering::SeqCst)
    }

    /// Forgets all sessions, as a server that was restarted.
    pub fn forget(&self) {
        self.shared.sessions.lock().unwrap().clear();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let method = line.split(' ').next().unwrap_or_default().to_owned();
        let (mut length, mut session, mut token) = (0, None, None);
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "mcp-session-id" => session = Some(value.to_owned()),
                "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if self.manner.token.is_some_and(|wanted| token.as_deref() != Some(wanted)) {
            return write(stream, 401, "text/plain", &[], b"who are you?");
        }
        let known = session.as_ref().is_some_and(|id| self.sessions.lock().unwrap().contains(id));
        if method == "DELETE" {
            self.left.fetch_add(1, Ordering::SeqCst);
            return write(stream, 200, "text/plain", &[], b"");
        }
        let message: Value = serde_json::from_slice(&body).unwrap();
        let asked = message["method"].as_str().unwrap_or_default();
        let begins = asked == "initialize";
        if !begins && !known && !self.manner.sessionless {
            let status = if session.is_some() && !self.manner.by_400 { 404 } else { 400 };
            return write(stream, status, "text/plain", &[], b"no such session");
        }
        if message.get("id").is_none() {
            return write(stream, 202, "text/plain", &[], b"");
        }
        if asked == "tools/call" {
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
        let mut headers = Vec::new();
        let reply = match asked {
            "initialize" => {
                let number = self.begun.fetch_add(1, Ordering::SeqCst);
                if !self.manner.sessionless {
                    let id = format!("session-{number}");
                    headers.push(format!("Mcp-Session-Id: {id}"));
                    self.sessions.lock().unwrap().insert(id);
                }
                match (self.says)(asked, &message["params"]) {
                    Reply::Result(Value::Null) => Reply::Result(json!({
                        "protocolVersion": "2025-06-18",
                        "capabilities": {"tools": {}},
                        "serverInfo": {"name": "test", "version": "1"},
                    })),
                    other => other,
                }
            }
            "server/discover" => Reply::Error(-32601, "Method not found".to_owned()),
            _ => (self.says)(asked, &message["params"]),
        };
        self.reply(stream, &message["id"], &headers, reply)
    }

    fn reply(
        &self,
        mut stream: TcpStream,
        id: &Value,
        headers: &[String],
        reply: Reply,
    ) -> std::io::Result<()> {
        let answer = match reply {
            Reply::Result(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Reply::Error(code, message) => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
            }
            Reply::Http(status, kind, body) => return write(stream, status, kind, headers, &body),
            Reply::Raw(bytes) => return stream.write_all(&bytes),
            Reply::Silence(time) => {
                std::thread::sleep(time);
                return Ok(());
            }
            Reply::Drip => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")?;
                loop {
                    stream.write_all(b" ")?;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        };
        if self.manner.events {
            let event = format!(": ping\n\nevent: message\ndata: {answer}\n\n");
            return write(stream, 200, "text/event-stream", headers, event.as_bytes());
        }
        write(stream, 200, "application/json", headers, answer.to_string().as_bytes())
    }
}

fn write(
    mut stream: TcpStream,
    status: u16,
    kind: &str,
    headers: &[String],
    body: &[u8],
) -> std::io::Result<()> {
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"
    )?;
    stream.write_all(body)
}

pub fn server(url: &str) -> Server {
    Server { url: url.to_owned(), project: None, token_file: None, insecure: false }
}

/// Notes on a server, which has two seconds for each call.
pub fn notes_at(server: Server) -> McpNotes {
    let options = McpOptions::new(server, SystemTime::now);
    McpNotes::new(McpOptions { timeout: Duration::from_secs(2), ..options }).unwrap()
}

pub fn notes(url: &str) -> McpNotes {
    notes_at(server(url))
}
