//! What ARCHITECTURE.md says that crates do not know.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate of the lock file needs when it is built into a program, by name.
struct Graph {
    names: BTreeMap<String, String>,
    needs: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn read() -> Self {
        // Other platforms' crates need not have been fetched.
        let about = output("rustc", &["-vV"]);
        let platform = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
        let args = ["metadata", "--format-version", "1", "--offline", "--locked"];
        let metadata = output("cargo", &[&args[..], &["--filter-platform", platform]].concat());
        let all: Value = serde_json::from_str(&metadata).expect("JSON");
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let list = |v: &Value| v.as_array().expect("a list").clone();
        let names =
            list(&all["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
        let normal = |dep: &Value| list(&dep["dep_kinds"]).iter().any(|k| k["kind"].is_null());
        let needs = list(&all["resolve"]["nodes"]).into_iter().map(|node| {
            let deps = list(&node["deps"]);
            let deps = deps.iter().filter(|dep| normal(dep)).map(|dep| text(&dep["pkg"]));
            (text(&node["id"]), deps.collect())
        });
        Self { names, needs: needs.collect() }
    }

    /// The crates that one is built with, and those that it names itself.
    fn of(&self, name: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let id = self.names.iter().find(|(_, n)| *n == name).expect("a crate").0;
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            for need in &self.needs[id] {
                if seen.insert(need) {
                    open.push(need);
                }
            }
        }
        let name = |id: &String| self.names[id].as_str();
        (seen.into_iter().map(name).collect(), self.needs[id].iter().map(name).collect())
    }
}

fn output(program: &str, args: &[&str]) -> String {
    let ran = Command::new(program).args(args).current_dir(brio_tests::root()).output();
    let ran = ran.unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("a text")
}

#[test]
fn crates_do_not_know_what_they_must_not() {
    let graph = Graph::read();
    let without = |of: &str, not: &[&str]| {
        let (all, _) = graph.of(of);
        let found: Vec<_> = not.iter().filter(|name| all.contains(*name)).collect();
        assert!(found.is_empty(), "{of} is built with {found:?}");
    };
    let wasm = ["wasmtime", "wasmtime-wasi", "brio-runtime"];
    without("brio-session", &[&wasm[..], &["tokio", "rusqlite", "brio-landing"]].concat());
    without("brio-landing", &[&wasm[..], &["tokio", "rusqlite"]].concat());
    without("brio-project", &[&wasm[..], &["tokio", "rusqlite", "brio-landing"]].concat());
    without("brio-supervisor", &[&wasm[..], &["tokio", "clap", "brio-host"]].concat());
    without("brio-store", &[&wasm[..], &["brio-session", "brio-landing", "brio-project"]].concat());
    without("brio-share", &[&wasm[..], &["rmcp", "brio-host"]].concat());
    let ours = ["brio-session", "brio-landing", "brio-registry", "brio-supervisor"];
    without("brio-net", &[&wasm[..], &["wasmtime-wasi-http", "rusqlite", "clap"], &ours].concat());
    without("brio-landing", &["brio-net", "brio-mcp-notes", "hyper", "rustls"]);
    without("brio-mcp-notes", &[&wasm[..], &["brio-landing", "rusqlite", "clap"]].concat());
    without("brio-supervisor", &["brio-net", "hyper", "rustls"]);
    without("brio-nfs", &[&wasm[..], &["brio-landing", "clap"]].concat());
    without("brio-confine", &[&wasm[..], &["brio-session", "brio-landing"]].concat());
    without("brio-runtime", &["brio-landing", "brio-registry", "brio-supervisor"]);
    without("brio-server", &["clap", "brio-cli", "tracing-subscriber"]);
    // Embedding takes neither the command line's crates nor a server's.
    let outer = ["clap", "clap_complete", "clap_mangen", "indicatif", "tracing-subscriber"];
    // hyper and the SDK of MCP are there as clients, for what agents ask of the network, and for
    // notes that lie elsewhere.
    let servers = ["tonic", "axum", "prometheus-client", "brio-cli", "brio-server"];
    without("brio-host", &[&outer[..], &servers[..]].concat());
}

#[test]
fn one_crate_names_wasmtime_one_grpc_and_two_the_sdk_of_mcp() {
    let graph = Graph::read();
    let naming = |wanted: &str| -> Vec<_> {
        let ours = graph.names.values().filter(|name| name.starts_with("brio-"));
        ours.filter(|name| graph.of(name).1.iter().any(|n| n.starts_with(wanted))).collect()
    };
    assert_eq!(naming("wasmtime"), ["brio-runtime"]);
    // The client, and the server.
    assert_eq!(naming("rmcp"), ["brio-mcp-notes", "brio-server"]);
    assert_eq!(naming("tonic"), ["brio-server"]);
}
