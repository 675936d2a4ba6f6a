//! Health, reflection, sockets, limits and figures.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::{v1, v1alpha};

use super::common::TestEnvironment;
use super::site::{PROJECT, Site, refused};

const SERVICE: &str = "brio.v1.SessionService";

#[test]
fn health_is_told() {
    let site = Site::new();
    let check = |service: &str| {
        let asked = HealthCheckRequest { service: service.to_owned() };
        site.runtime.block_on(HealthClient::new(site.channel()).check(asked))
    };
    for service in ["", SERVICE] {
        assert_eq!(check(service).unwrap().into_inner().status(), ServingStatus::Serving);
    }
    assert_eq!(check("none").unwrap_err().code(), Code::NotFound);
}

macro_rules! reflects {
    ($site:expr, $version:ident) => {{
        use $version::server_reflection_client::ServerReflectionClient;
        use $version::server_reflection_request::MessageRequest as Ask;
        use $version::server_reflection_response::MessageResponse as Told;
        let mut client = ServerReflectionClient::new($site.channel());
        let mut ask = |what| {
            let asked = $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(what),
            };
            $site.runtime.block_on(async {
                let asked = tokio_stream_of(asked);
                let mut told = client.server_reflection_info(asked).await.unwrap().into_inner();
                told.message().await.unwrap().unwrap().message_response.unwrap()
            })
        };
        let Told::ListServicesResponse(list) = ask(Ask::ListServices(String::new())) else {
            panic!("no list")
        };
        let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
        assert!(names.contains(&SERVICE) && names.contains(&"grpc.health.v1.Health"), "{names:?}");
        let Told::FileDescriptorResponse(file) = ask(Ask::FileContainingSymbol(SERVICE.to_owned()))
        else {
            panic!("no file")
        };
        let has = |what: &str| {
            let what = what.as_bytes();
            file.file_descriptor_proto.iter().any(|f| f.windows(what.len()).any(|w| w == what))
        };
        assert!(has("StartSession") && has("nfs_export_path"));
    }};
}

fn tokio_stream_of<T: Send + 'static>(one: T) -> impl tonic::IntoStreamingRequest<Message = T> {
    tonic::codegen::tokio_stream::iter([one])
}

#[test]
fn reflection_tells_the_service_in_both_versions() {
    let site = Site::new();
    reflects!(site, v1);
    reflects!(site, v1alpha);
}

#[test]
fn a_socket_is_its_owners_alone_and_a_killed_servers_is_taken_over() {
    let env = TestEnvironment::new();
    let dir = env.path().join("run");
    let socket = dir.join("brio.sock");
    let at = format!("unix:{}", socket.display());
    let site = Site::with(env, &["--grpc", &at]);
    assert_eq!(site.at, at);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&socket)), (0o700, 0o600));
    let id = site.start(".", "by a socket").session_id;
    // Another home's server cannot have it while this one lives.
    let other = TestEnvironment::new();
    other.error(&["serve", "--grpc", &at], 2, "GRPC_TAKEN");
    site.signal(Signal::KILL);
    super::common::until("it is gone", || {
        std::os::unix::net::UnixStream::connect(&socket).is_err()
    });
    assert!(socket.exists(), "nobody took it away");
    let mut next = Site::with(other, &["--grpc", &at]);
    assert_eq!(next.start(".", "by the same").nfs_export_path, "");
    assert_eq!(next.stop(), 0);
    assert!(!socket.exists(), "it goes with its server");
    assert_eq!(site.env.open_sessions(), [id]);
}

#[test]
fn what_is_too_much_is_refused() {
    let site = Site::new();
    let asked = brio_server::grpc::proto::StartSessionRequest {
        project_id: ".".to_owned(),
        goal: "x".to_owned(),
        description: Some("x".repeat(2 << 20)),
    };
    let done = site.runtime.block_on(site.client().start_session(asked.clone()));
    assert_eq!(done.unwrap_err().code(), Code::OutOfRange);
    let shorter = brio_server::grpc::proto::StartSessionRequest {
        description: Some("x".repeat(70_000)),
        ..asked
    };
    let done = site.runtime.block_on(site.client().start_session(shorter));
    refused(done, Code::InvalidArgument, "USAGE");
    // What speaks no HTTP/2 is hung up on, and holds no place for long.
    let mut peer = std::net::TcpStream::connect(&site.at).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = peer.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1"), "{answer:?}");
    let mut silent = std::net::TcpStream::connect(&site.at).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let begun = std::time::Instant::now();
    // It may say first what HTTP/2 begins with.
    let _ = silent.read_to_end(&mut Vec::new());
    assert!(begun.elapsed() < Duration::from_secs(25), "it was waited for");
    site.start(".", "still there");
}

#[test]
fn requests_are_counted_by_method_and_status() {
    let site = Site::of_project();
    let id = site.start(PROJECT, "counted").session_id;
    assert_eq!(site.diff(&id), []);
    site.land(&id, "").unwrap();
    site.land(&id, "").unwrap_err();
    site.land("sess-none", "").unwrap_err();
    let text = site.scrape();
    for line in [
        "brio_grpc_requests_total{method=\"StartSession\",code=\"OK\"} 1\n",
        "brio_grpc_requests_total{method=\"DiffSession\",code=\"OK\"} 1\n",
        "brio_grpc_requests_total{method=\"LandSession\",code=\"OK\"} 1\n",
        "brio_grpc_requests_total{method=\"LandSession\",code=\"FAILED_PRECONDITION\"} 1\n",
        "brio_grpc_requests_total{method=\"LandSession\",code=\"NOT_FOUND\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn a_unit_has_it_with_whole_paths() {
    let env = TestEnvironment::new();
    let unit = env.ok(&["serve", "--unit", "--grpc", "unix:run/s", "--grpc-base", "src"]);
    let base = env.base().canonicalize().unwrap();
    let wanted =
        format!("\"--grpc\" \"unix:{0}/run/s\" \"--grpc-base\" \"{0}/src\"", base.display());
    assert!(unit.contains(&wanted), "{wanted}: {unit}");
}
