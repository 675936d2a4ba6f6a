//! A server, and a client of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use brio_server::grpc::proto::session_service_client::SessionServiceClient;
use brio_server::grpc::proto::{
    DiffSessionRequest, LandSessionRequest, LandSessionResponse, StartSessionRequest,
    StartSessionResponse,
};
use prost::Message as _;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::common::{TestEnvironment, guest};

pub(crate) const PROJECT: &str = "acme/site";

pub(crate) type Client = SessionServiceClient<Channel>;

/// `brio serve --grpc`, and what it runs on.
pub(crate) struct Site {
    pub(crate) env: TestEnvironment,
    pub(crate) runtime: Runtime,
    pub(crate) at: String,
    pub(crate) metrics: String,
    child: Child,
}

impl Site {
    /// On the base, by TCP.
    pub(crate) fn new() -> Self {
        Self::with(TestEnvironment::new(), &["--grpc", "127.0.0.1:0"])
    }

    /// The base belongs to a project in the home's own store.
    pub(crate) fn of_project() -> Self {
        let env = TestEnvironment::new();
        env.ok(&["project", "init", "--store", "--name", PROJECT]);
        env.ok(&["project", "import", "--message", "as it is"]);
        Self::with(env, &["--grpc", "127.0.0.1:0"])
    }

    pub(crate) fn with(env: TestEnvironment, args: &[&str]) -> Self {
        let (child, at, metrics) = start(&env, args);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Self { env, runtime, at, metrics, child }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.runtime.block_on(self.connect())
    }

    async fn connect(&self) -> Channel {
        let at = match self.at.strip_prefix("unix:") {
            Some(path) => format!("unix://{path}"),
            None => format!("http://{}", self.at),
        };
        Endpoint::from_shared(at).unwrap().connect().await.unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        // What is long on purpose has to come through.
        SessionServiceClient::new(self.channel()).max_decoding_message_size(64 << 20)
    }

    /// As [`client`](Self::client), for who is in the runtime.
    pub(crate) async fn client_in(&self) -> Client {
        SessionServiceClient::new(self.connect().await)
    }

    pub(crate) fn start(&self, project: &str, goal: &str) -> StartSessionResponse {
        let asked = StartSessionRequest {
            project_id: project.to_owned(),
            goal: goal.to_owned(),
            description: None,
        };
        self.runtime.block_on(self.client().start_session(asked)).unwrap().into_inner()
    }

    pub(crate) fn land(&self, id: &str, message: &str) -> Result<LandSessionResponse, Status> {
        let asked =
            LandSessionRequest { session_id: id.to_owned(), commit_message: message.to_owned() };
        self.runtime.block_on(self.client().land_session(asked)).map(|done| done.into_inner())
    }

    /// The changed paths of a session, each with its diff.
    pub(crate) fn diff(&self, id: &str) -> Vec<(String, String)> {
        let asked = DiffSessionRequest { session_id: id.to_owned(), path: String::new() };
        self.runtime.block_on(async {
            let mut stream = self.client_in().await.diff_session(asked).await.unwrap().into_inner();
            let (mut all, mut open) = (Vec::<(String, String)>::new(), false);
            while let Some(message) = stream.message().await.unwrap() {
                assert!(message.diff.len() <= 256 << 10);
                assert_eq!(message.change.is_some(), !open, "once for each change, first");
                if let Some(change) = message.change {
                    all.push((change.path, String::new()));
                }
                all.last_mut().unwrap().1 += std::str::from_utf8(&message.diff).unwrap();
                open = !message.last;
            }
            assert!(!open);
            all
        })
    }

    /// Writes files in a session, and takes some away.
    pub(crate) fn edit(&self, id: &str, written: &[(&str, &str)], gone: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("session");
        self.env.ok(&["session", "export", id, at.to_str().unwrap()]);
        for (path, text) in written {
            let path = at.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for path in gone {
            fs::remove_file(at.join(path)).unwrap();
        }
        self.env.ok(&["session", "import", id, at.to_str().unwrap()]);
    }

    pub(crate) fn scrape(&self) -> String {
        use std::io::{Read, Write};
        let mut peer = std::net::TcpStream::connect(&self.metrics).unwrap();
        peer.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        answer
    }

    /// How the run of the only session is.
    pub(crate) fn only_run(&self) -> Option<String> {
        let (_, list) = self.env.json(&["session", "list", "--json"]);
        list["sessions"][0]["run"].as_str().map(str::to_owned)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends the server as a person does; its status.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(env: &TestEnvironment, args: &[&str]) -> (Child, String, String) {
    let all = [&["serve", "--metrics", "127.0.0.1:0"], args].concat();
    let mut command = env.command(&all);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (mut at, mut metrics) = (None, None);
    while at.is_none() {
        let line = lines.next().expect("it says where").unwrap();
        at = line.strip_prefix("gRPC: ").map(str::to_owned);
        let figures =
            line.strip_prefix("metrics: http://").and_then(|l| l.strip_suffix("/metrics"));
        metrics = metrics.or(figures.map(str::to_owned));
    }
    // What else it says is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (child, at.unwrap(), metrics.unwrap())
}

/// A guest of the tests, below the base: its path there.
pub(crate) fn agent(base: &Path, name: &str) -> PathBuf {
    let to = base.join(format!("{name}.wasm"));
    fs::copy(guest(name), &to).unwrap();
    to
}

/// That it was refused so, in each of the places where that is said.
pub(crate) fn refused<T: std::fmt::Debug>(
    done: Result<T, Status>,
    status: Code,
    reason: &str,
) -> Status {
    let refused = done.unwrap_err();
    assert_eq!(refused.code(), status, "{refused:?}");
    assert!(refused.message().starts_with(&format!("{reason}: ")), "{refused:?}");
    let info = refused.get_details_error_info().expect("a reason");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "brio"));
    refused
}

/// The detail of a refusal that lists conflicts.
pub(crate) fn conflicts(refused: &Status) -> brio_server::grpc::proto::ConflictDetail {
    let all = tonic_types::pb::Status::decode(refused.details()).unwrap();
    let named = |name: &str| all.details.iter().find(|d| d.type_url.ends_with(name));
    let detail = named("/brio.v1.ConflictDetail").expect("conflicts");
    brio_server::grpc::proto::ConflictDetail::decode(&*detail.value).unwrap()
}
