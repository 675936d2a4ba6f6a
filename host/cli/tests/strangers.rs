//! `brio serve`: programs of this machine's other users are turned away, whatever is served.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use common::{NOBODY, TestEnvironment, is_root, skip};

/// A call of NFS that does nothing, by version 3 and a credential of root's.
const NFS: &str = r"\x80\0\0\x28\0\0\0\x01\0\0\0\0\0\0\0\x02\0\x01\x86\xa3\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const GRPC: &str = r"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HTTP: &str = r"GET /else HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A server of everything, and where it is.
struct Server {
    child: Child,
    nfs: SocketAddr,
    grpc: SocketAddr,
    mcp: SocketAddr,
    metrics: SocketAddr,
}

impl Server {
    fn start(env: &TestEnvironment, args: &[&str]) -> Self {
        const ANY: &str = "127.0.0.1:0";
        let all = ["serve", "--mcp", ANY, "--metrics", ANY, "--grpc", ANY, "--nfs", ANY];
        let mut command = env.command(&[&all, args].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut found = [None; 4];
        let marks = [",port=", "gRPC: ", "MCP: http://", "metrics: http://"];
        while found.contains(&None) {
            let line = lines.next().expect("it says where").unwrap();
            for (found, mark) in found.iter_mut().zip(marks) {
                let Some((_, rest)) = line.split_once(mark) else { continue };
                let port = rest.split(['/', ',', ' ']).next().unwrap().rsplit(':').next().unwrap();
                *found = Some(SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())));
            }
        }
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let [nfs, grpc, mcp, metrics] = found.map(Option::unwrap);
        Self { child, nfs, grpc, mcp, metrics }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a client is answered at all. Who is turned away may be so before it has said a word,
/// and writing then must not end it: it is the reading that tells.
fn answers(at: SocketAddr, says: &str, user: Option<u32>) -> bool {
    let talk = format!(
        "trap '' PIPE; exec 3<>/dev/tcp/{}/{} && {{ printf '{says}' >&3; head -c 1 <&3 | wc -c; }}",
        at.ip(),
        at.port()
    );
    let mut command = Command::new("bash");
    command.arg("-c").arg(talk).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let ran = command.output().unwrap();
    match String::from_utf8_lossy(&ran.stdout).trim() {
        "1" => true,
        "0" => false,
        _ => panic!("{}", String::from_utf8_lossy(&ran.stderr)),
    }
}

#[test]
fn other_users_of_this_machine_are_turned_away() {
    let env = TestEnvironment::new();
    let server = Server::start(&env, &[]);
    let served = [(server.nfs, NFS), (server.grpc, GRPC), (server.mcp, HTTP)];
    for (at, says) in served {
        assert!(answers(at, says, None), "{says}");
    }
    if !is_root() {
        return skip("other_users_of_this_machine_are_turned_away: only root can become another");
    }
    for (at, says) in served {
        assert!(!answers(at, says, Some(NOBODY)), "{says}");
        assert!(answers(at, says, None), "{says}");
    }
    // What is counted is for whoever collects it.
    assert!(answers(server.metrics, HTTP, Some(NOBODY)));
}

#[test]
fn who_has_the_token_may_be_anybody() {
    let env = TestEnvironment::new();
    env.write("token", "0123456789abcdef0123456789abcdef");
    let token = env.base().join("token");
    let server = Server::start(&env, &["--mcp-token-file", token.to_str().unwrap()]);
    if !is_root() {
        return skip("who_has_the_token_may_be_anybody: only root can become another");
    }
    // To be told that it must show one.
    assert!(answers(server.mcp, HTTP, Some(NOBODY)));
    assert!(!answers(server.grpc, GRPC, Some(NOBODY)));
}
