//! A client of `brio mcp` by the letter of the protocol: lines of JSON-RPC.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::TestEnvironment;

/// A client, and the server that it started.
pub(crate) struct Client {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    next: u64,
    /// Notifications that came meanwhile, by their methods.
    pub(crate) notes: Vec<Value>,
}

impl Client {
    /// Starts `brio mcp` in the base and says hello.
    pub(crate) fn start(env: &TestEnvironment, args: &[&str]) -> Self {
        let mut client = Self::connect(env, args);
        let hello = client.initialize();
        assert_eq!(hello["result"]["serverInfo"]["name"], "brio", "{hello}");
        client
    }

    /// Starts it, and says nothing.
    pub(crate) fn connect(env: &TestEnvironment, args: &[&str]) -> Self {
        let mut command = env.command(&[&["mcp"], args].concat());
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().expect("brio starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, stdin, stdout, next: 0, notes: Vec::new() }
    }

    pub(crate) fn initialize(&mut self) -> Value {
        let client = json!({ "name": "test-client", "version": "1" });
        let hello = self.ask(
            "initialize",
            json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client }),
        );
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        hello
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.send_raw(format!("{message}\n").as_bytes());
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("it reads");
    }

    /// Sends a request and does not wait for the answer; its id.
    pub(crate) fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(&message);
        id
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.message().expect("an answer");
            if message["id"] == id {
                return message;
            }
            self.notes.push(message);
        }
    }

    /// The next line: the protocol, and nothing else, is on standard output.
    pub(crate) fn message(&mut self) -> Option<Value> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line).expect("UTF-8") == 0 {
            return None;
        }
        let message: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        Some(message)
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        self.answer(id)
    }

    /// Calls a tool and returns its result, whatever it is.
    pub(crate) fn try_call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert!(answer.get("error").is_none(), "{tool}: {answer}");
        answer["result"].clone()
    }

    /// Calls a tool that succeeds: its structured content, which is its text too, but for those
    /// that show a text as it stands.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.try_call(tool, arguments);
        assert_eq!(result["isError"], false, "{tool}: {result}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        let structured = result["structuredContent"].clone();
        match (tool, &structured) {
            ("read_file", file) if file["encoding"] == "utf-8" && file["content"] != "" => {
                assert_eq!(file["content"], text);
            }
            ("diff", shown) if shown["diff"] != "" => {
                assert!(text.starts_with(shown["diff"].as_str().expect("a text")), "{text}");
            }
            ("diff", shown) => {
                let nothing = text == "nothing is changed\n";
                assert_eq!(nothing, shown["notes"] == serde_json::json!([]), "{text}");
            }
            _ => assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), structured),
        }
        structured
    }

    /// Calls a tool that does not succeed: its document, whose error has this code and says what
    /// to do.
    pub(crate) fn refused(&mut self, tool: &str, arguments: Value, code: &str) -> Value {
        let result = self.try_call(tool, arguments.clone());
        assert_eq!(result["isError"], true, "{tool} {arguments}: {result}");
        assert!(result.get("structuredContent").is_none(), "{result}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        assert!(text.starts_with(&format!("{code}: ")), "{tool} {arguments}: {text}");
        let document = result["content"][1]["text"].as_str().expect("a document");
        let document: Value = serde_json::from_str(document).expect("JSON");
        assert_eq!(document["error"]["code"], code);
        document
    }

    /// Begins a session on the first base.
    pub(crate) fn session(&mut self) -> String {
        let begun = self.call("session_begin", json!({ "goal": "a test" }));
        begun["session"].as_str().expect("an id").to_owned()
    }

    /// Waits for a notification.
    pub(crate) fn told(&mut self, method: &str, uri: Option<&str>) {
        let is = |note: &Value| {
            note["method"] == method && uri.is_none_or(|uri| note["params"]["uri"] == uri)
        };
        while !self.notes.iter().any(is) {
            let message = self.message().expect("a notification");
            self.notes.push(message);
        }
        self.notes.retain(|note| !is(note));
    }

    /// Closes its standard input; what it still says, and its status.
    pub(crate) fn leave(mut self) -> (String, i32) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("UTF-8");
        (rest, self.child.wait().expect("it ends").code().unwrap_or(-1))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
