//! `brio serve --mcp`: many clients at once, and who is let in.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use common::{TestEnvironment, guest, until};
use serde_json::{Value, json};

/// A server, and where it is.
struct Server {
    child: Child,
    at: SocketAddr,
}

impl Server {
    fn start(env: &TestEnvironment, args: &[&str]) -> Self {
        let mut command = env.command(&[&["serve", "--mcp"], args].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("MCP: http://")?.strip_suffix("/mcp")?.parse().ok()
        });
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, at: address.expect("it says where") }
    }

    fn stop(mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client by the letter of the protocol.
struct Client {
    at: SocketAddr,
    headers: String,
    next: u64,
}

impl Client {
    fn new(at: SocketAddr, more: &str) -> Self {
        Self { at, headers: format!("Host: {at}\r\n{more}"), next: 0 }
    }

    /// Sends a request and reads all of the answer: the status, the head, the body.
    fn post(&self, path: &str, body: &str) -> (u16, String, String) {
        let mut peer = self.open(path, body);
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    fn open(&self, path: &str, body: &str) -> TcpStream {
        let mut peer = TcpStream::connect(self.at).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\n{}Accept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.headers,
            body.len()
        );
        peer.write_all(request.as_bytes()).unwrap();
        peer
    }

    fn message(&mut self, method: &str, params: Value) -> String {
        self.next += 1;
        json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params }).to_string()
    }

    fn hello(&mut self) -> (u16, String, String) {
        let client = json!({ "name": "http-client", "version": "1" });
        let params =
            json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        let message = self.message("initialize", params);
        self.post("/mcp", &message)
    }

    fn connect(at: SocketAddr, more: &str) -> Self {
        let mut client = Self::new(at, more);
        let (status, head, body) = client.hello();
        assert_eq!(status, 200, "{head}{body}");
        let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
        client.headers += &format!("Mcp-Session-Id: {session}\r\n");
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.post("/mcp", &message.to_string()).0, 202);
        client
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = self.message("tools/call", params);
        let (status, _, body) = self.post("/mcp", &message);
        assert_eq!(status, 200, "{body}");
        let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut answers = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let answer = answers.find(|answer| answer["id"] == self.next).expect("an answer");
        let result = answer["result"].clone();
        assert_eq!(result["isError"], false, "{answer}");
        result["structuredContent"].clone()
    }
}

#[test]
fn a_whole_task_by_http_and_two_clients_beside_each_other() {
    let env = TestEnvironment::new();
    let server = Server::start(&env, &["127.0.0.1:0"]);
    let (mut a, mut b) = (Client::connect(server.at, ""), Client::connect(server.at, ""));
    let s = a.call("session_begin", json!({ "goal": "by HTTP" }))["session"].clone();
    let write = json!({ "session": s, "path": "notes.txt", "content": "ONE\n" });
    a.call("write_file", write);
    assert_eq!(
        b.call("session_list", json!({}))["sessions"][0]["id"],
        s,
        "sessions are the home's"
    );
    let other = b.call("session_begin", json!({}))["session"].clone();
    let read = json!({ "session": other, "path": "notes.txt" });
    assert_eq!(b.call("read_file", read)["content"], "one\ntwo\nthree\n");
    let changes = a.call("diff", json!({ "session": s }))["changes"].clone();
    assert_eq!(changes["modified"], json!(["notes.txt"]));
    assert_eq!(a.call("commit", json!({ "session": s }))["landing"], 1);
    assert_eq!(env.read("notes.txt"), "ONE\n");
    b.call("undo", json!({ "landing": 1 }));
    assert_eq!(env.read("notes.txt"), "one\ntwo\nthree\n");
    b.call("rollback", json!({ "session": other }));
    assert_eq!(server.stop(), 0);
}

#[test]
fn only_who_names_this_machine_is_let_in() {
    let env = TestEnvironment::new();
    let server = Server::start(&env, &["127.0.0.1:0"]);
    let port = server.at.port();
    let ask = |headers: &str| {
        let mut client = Client { at: server.at, headers: headers.to_owned(), next: 0 };
        client.hello().0
    };
    assert_eq!(ask(&format!("Host: localhost:{port}\r\n")), 200);
    let own = format!("Host: 127.0.0.1:{port}\r\n");
    assert_eq!(ask(&format!("{own}Origin: http://localhost:3000\r\n")), 200);
    for headers in [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1.evil.example:{port}\r\n"),
        format!("{own}Origin: http://evil.example\r\n"),
        format!("{own}Origin: null\r\n"),
    ] {
        assert_eq!(ask(&headers), 403, "{headers}");
    }
    let plain = Client::new(server.at, "");
    assert_eq!(plain.post("/", "{}").0, 404);
    assert!((400..500).contains(&plain.post("/mcp", "{").0), "it is no JSON");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "session_begin", "arguments": {} } });
    let refused = plain.post("/mcp", &call.to_string());
    assert!((400..500).contains(&refused.0), "it did not say hello: {refused:?}");
    assert_eq!(env.open_sessions(), Vec::<String>::new());
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(33 << 20));
    // It need not read all of it before it answers, so that the write may break.
    let told = std::panic::catch_unwind(|| plain.post("/mcp", &large).0);
    assert!(told.is_err() || told.is_ok_and(|status| status == 413));
    Client::connect(server.at, "").call("session_list", json!({}));
}

#[test]
fn a_token_is_asked_for_where_others_reach_and_where_one_was_given() {
    let env = TestEnvironment::new();
    let token = "a-token-of-sufficient-length";
    fs::write(env.path().join("token"), format!("{token}\n")).unwrap();
    let file = env.path().join("token").display().to_string();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let error = env.error(&["serve", "--mcp", address], 2, "MCP_TOKEN");
        assert!(error.contains("--mcp-token-file"), "{error}");
    }
    fs::write(env.path().join("short"), "short").unwrap();
    let short = env.path().join("short").display().to_string();
    let short = ["serve", "--mcp", "127.0.0.1:0", "--mcp-token-file", &short];
    assert!(!env.error(&short, 2, "MCP_TOKEN").contains("short\n"));
    env.error(&["serve", "--mcp", "127.0.0.1:0", "--mcp-token-file", "no"], 2, "MCP_TOKEN");
    env.error(&["serve", "--mcp", "127.0.0.1:0", "--mcp-base", "no"], 2, "MCP_BASE");

    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let server = Server::start(&env, &[address, "--mcp-token-file", &file]);
        let at = SocketAddr::from(([127, 0, 0, 1], server.at.port()));
        for shown in [
            "".to_owned(),
            "Authorization: Bearer \r\n".to_owned(),
            "Authorization: Bearer a-token-of-sufficient-lengtH\r\n".to_owned(),
            format!("Authorization: Bearer {token}x\r\n"),
            format!("Authorization: Basic {token}\r\n"),
            format!("Authorization: {token}\r\n"),
            format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        ] {
            let (status, head, body) = Client::new(at, &shown).hello();
            assert_eq!(status, 401, "{shown}");
            assert!(head.contains("www-authenticate: bearer"), "{head}");
            assert!(!body.contains(token), "{body}");
        }
        let shown = format!("Authorization: Bearer {token}\r\n");
        Client::connect(at, &shown).call("session_list", json!({}));
    }
}

#[test]
fn the_end_of_the_server_ends_what_it_runs() {
    let env = TestEnvironment::new();
    let spin = guest("spin");
    let server = Server::start(&env, &["127.0.0.1:0", "--mcp-agent", &spin]);
    let mut client = Client::connect(server.at, "");
    let s = client.call("session_begin", json!({}))["session"].as_str().unwrap().to_owned();
    let params = json!({ "name": "agent_spin", "arguments": { "session": s } });
    let message = client.message("tools/call", params);
    let _open = client.open("/mcp", &message);
    let run = |env: &TestEnvironment| {
        let (_, list) = env.json(&["session", "list", "--json"]);
        list["sessions"][0]["run"].as_str().unwrap().to_owned()
    };
    until("the agent runs", || run(&env) == "live");
    assert_eq!(server.stop(), 0);
    assert_eq!(run(&env), "free", "its lease is given back");
    assert_eq!(env.open_sessions(), [s]);
}
