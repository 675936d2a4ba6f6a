//! `brio serve --metrics`: what is counted, who may ask, and what a bad question does.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use common::{TestEnvironment, guest};

/// A server that is asked for its metrics.
struct Server {
    child: Child,
    at: SocketAddr,
}

impl Server {
    fn start(env: &TestEnvironment, args: &[&str]) -> Self {
        let mut command = env.command(&[&["serve"], args].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            line.unwrap().strip_prefix("metrics: http://")?.strip_suffix("/metrics")?.parse().ok()
        });
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, at: address.expect("it says where") }
    }

    fn ask(&self, request: &str) -> (u16, String, String) {
        let mut peer = TcpStream::connect(self.at).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        peer.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    fn scrape(&self) -> Scrape {
        let (status, head, body) = self.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status, 200, "{body}");
        let kind = "\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert!(head.contains(kind), "{head}");
        Scrape::read(&body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Samples by their name and labels, read by the letter of the format.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    fn read(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").expect("an end");
        let mut families: Vec<(String, String)> = Vec::new();
        let mut samples = BTreeMap::new();
        for line in text.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                let (word, rest) = about.split_once(' ').unwrap();
                let (name, what) = rest.split_once(' ').unwrap();
                let name_is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                assert!(name_is_plain && !what.is_empty(), "{line}");
                match word {
                    "HELP" => assert!(!families.iter().any(|(n, _)| n == name), "once: {line}"),
                    "TYPE" => families.push((name.to_owned(), what.to_owned())),
                    "UNIT" => assert!(name.ends_with(&format!("_{what}")), "{line}"),
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            let plain = name.split('{').next().unwrap();
            let (family, kind) = families.last().unwrap();
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_count", "_sum"],
                other => panic!("{other}"),
            };
            let belongs = suffixes.iter().any(|s| plain == format!("{family}{s}"));
            assert!(belongs, "{line} in {family}, a {kind}");
            let alias = "brain_session_conflicts_total";
            let ours = plain.starts_with("brio_") || plain == alias;
            assert!(ours || plain.starts_with("process_"), "{line}");
            assert_eq!(samples.insert(name.to_owned(), value), None, "once: {line}");
        }
        for (name, _) in families.iter().filter(|(_, kind)| kind == "histogram") {
            let of = |le: &str| samples[&format!("{name}_bucket{{le=\"{le}\"}}")];
            let steps = ["0.001", "0.05", "1.0", "60.0", "1800.0", "+Inf"].map(of);
            assert!(steps.is_sorted(), "{name}: {steps:?}");
            assert_eq!(steps[5].to_bits(), samples[&format!("{name}_count")].to_bits());
        }
        Self(samples)
    }

    fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("{name} is not in {:#?}", self.0))
    }

    fn is(&self, name: &str, value: f64) {
        assert!((self.get(name) - value).abs() < 1e-9, "{name} is {}", self.get(name));
    }
}

fn run(env: &TestEnvironment, step: &str, outcome: &str) {
    let file = env.path().join("t.toml");
    fs::write(&file, format!("name = 't'\nbase = 'base'\n[[steps]]\n{step}")).unwrap();
    let id = env.ok(&["task", "submit", file.to_str().unwrap()]);
    let (_, told) = env.json(&["task", "wait", id.trim_end(), "--json", "--timeout", "60s"]);
    assert_eq!(told["outcome"], outcome, "{told}");
}

//
#[test]
fn what_happens_is_counted() {
    let env = TestEnvironment::new();
    let server = Server::start(&env, &["--metrics", "127.0.0.1:0", "--jobs", "2"]);
    assert!(server.at.ip().is_loopback() && server.at.port() != 0);
    let before = server.scrape();
    for (name, value) in [
        ("brio_runs_total{outcome=\"succeeded\"}", 0.0),
        ("brio_landings_total{into=\"base\"}", 0.0),
        ("brio_limits_hit_total{limit=\"memory\"}", 0.0),
        ("brio_sessions{state=\"open\"}", 0.0),
        ("brio_jobs{state=\"queued\"}", 0.0),
        ("brio_conflicts_total", 0.0),
        ("brio_session_conflicts_total{resolution=\"lww\"}", 0.0),
        ("brain_session_conflicts_total{resolution=\"lww\"}", 0.0),
    ] {
        before.is(name, value);
    }
    assert!(before.get("process_resident_memory_bytes") > 1e6);
    assert!(before.get("process_start_time_seconds") > 1.7e9);
    before.is(&format!("brio_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);

    env.begin();
    run(&env, "agent = 'replace'\ntask = 's/two/TWO!/'\n", "Success");
    run(&env, "agent = 'replace'\ntask = 'nonsense'\n", "Failed");
    let hog = format!("agent = '{}'\nlimits = {{ memory = '8M' }}\n", guest("hog"));
    run(&env, &hog, "Failed");
    let writes = "command = ['/bin/sh', '-c', 'echo 12345 > new']\nunconfined = true\n";
    run(&env, writes, "Success");

    let after = server.scrape();
    for (name, value) in [
        ("brio_runs_total{outcome=\"succeeded\"}", 2.0),
        ("brio_runs_total{outcome=\"failed\"}", 1.0),
        ("brio_runs_total{outcome=\"limited\"}", 1.0),
        ("brio_run_duration_seconds_count", 4.0),
        ("brio_limits_hit_total{limit=\"memory\"}", 1.0),
        ("brio_landings_total{into=\"base\"}", 2.0),
        ("brio_landing_duration_seconds_count", 2.0),
        // one, TWO!, three; 12345
        ("brio_landed_bytes_total", 15.0 + 6.0),
        ("brio_jobs_ended_total{kind=\"landed\"}", 2.0),
        ("brio_jobs_ended_total{kind=\"failed\"}", 1.0),
        ("brio_jobs_ended_total{kind=\"stopped\"}", 1.0),
        ("brio_jobs{state=\"running\"}", 0.0),
        ("brio_sessions{state=\"open\"}", 1.0),
    ] {
        after.is(name, value);
    }
    assert!(after.get("brio_session_written_bytes_total") >= 21.0);
    assert!(after.get("brio_landing_duration_seconds_sum") > 0.0);
    assert!(after.get("process_cpu_seconds_total") >= before.get("process_cpu_seconds_total"));
    let shrinks = |name: &String| {
        (name.contains("_total") || name.contains("_bucket")) && before.0[name] > after.0[name]
    };
    assert!(!before.0.keys().any(shrinks), "a counter only grows");
    env.ok(&["serve", "--stop"]);
}

#[test]
fn only_the_metrics_can_be_read_and_nothing_else_is_done() {
    let env = TestEnvironment::new();
    let server = Server::start(&env, &["--metrics", "127.0.0.1:0"]);
    let (status, head, body) = server.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((status, body.as_str()), (200, ""), "{head}");
    for path in ["/", "/metrics/", "/metricsx", "/../metrics", "/metrics%00"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(server.ask(&request).0, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let (status, head, _) = server.ask(&request);
        assert!(
            status == 405 && head.contains("\r\nallow: get, head"),
            "{method}: {status} {head}"
        );
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1000));
    for bad in [long.as_str(), &many, "what\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n"] {
        let mut peer = TcpStream::connect(server.at).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // It may be hung up on before it has said all.
        let _ = peer.write_all(bad.as_bytes());
        let mut answer = Vec::new();
        let _ = peer.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    // Those who say nothing, or half of it, are waited for a while, and then others are heard.
    let silent: Vec<_> = (0..20)
        .map(|n| {
            let mut peer = TcpStream::connect(server.at).unwrap();
            peer.write_all(&b"GET /metrics HTTP/1.1\r\n"[..n]).unwrap();
            peer
        })
        .collect();
    server.scrape();
    drop(silent);
}

#[test]
fn other_machines_may_ask_only_where_that_is_said() {
    let env = TestEnvironment::new();
    for public in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9464", "[::ffff:192.0.2.1]:9464"] {
        let said = env.error(&["serve", "--metrics", public], 2, "METRICS_PUBLIC");
        assert!(said.contains("--metrics-public"), "{said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    env.error(&["serve", "--metrics", &address], 2, "METRICS");
    env.error(&["serve", "--metrics", "localhost"], 2, "USAGE");
    env.error(&["serve", "--metrics-public"], 2, "USAGE");
    assert_eq!(env.brio(&["serve", "--status"]).status, 1, "nobody serves");
    let mut server = Server::start(&env, &["--metrics", "0.0.0.0:0", "--metrics-public"]);
    server.at.set_ip([127, 0, 0, 1].into());
    server.scrape();
}
