//! How much comes through: a small run with the tests, a long one by `BRIO_GRPC_SESSIONS=2000`.

use std::time::Instant;

use brio_server::grpc::proto::{LandSessionRequest, StartSessionRequest};

use super::site::{PROJECT, Site};

/// Calls that go on at one time.
const CLIENTS: usize = 4;

#[test]
fn figures_of_sessions_started_and_landed() {
    let count: usize = match std::env::var("BRIO_GRPC_SESSIONS") {
        Ok(count) => count.parse().unwrap(),
        Err(_) => 20,
    };
    for (site, project) in [(Site::new(), "."), (Site::of_project(), PROJECT)] {
        for clients in [1, CLIENTS] {
            let begun = Instant::now();
            let ids: Vec<String> = each(&site, clients, vec![project.to_owned(); count], start);
            let started = begun.elapsed();
            for (n, id) in ids.iter().enumerate() {
                write(&site, id, n);
            }
            let begun = Instant::now();
            let landed = each(&site, clients, ids, land);
            let took = begun.elapsed();
            assert_eq!(landed.len(), count);
            assert!(landed.iter().all(|commit| !commit.is_empty()), "each landed something");
            #[allow(clippy::cast_precision_loss, reason = "a figure")]
            let a_second = |took: std::time::Duration| count as f64 / took.as_secs_f64();
            println!(
                "on {project}, {clients} at a time: {:.0} starts a second, {:.0} lands a second",
                a_second(started),
                a_second(took)
            );
        }
    }
}

/// Asks each of some clients for its share, all at once.
fn each<F: Future<Output = String> + Send + 'static>(
    site: &Site,
    clients: usize,
    asked: Vec<String>,
    ask: fn(super::site::Client, String) -> F,
) -> Vec<String> {
    site.runtime.block_on(async {
        let shares = asked.chunks(asked.len().div_ceil(clients)).map(<[_]>::to_vec);
        let mut tasks = Vec::new();
        for share in shares {
            let client = site.client_in().await;
            tasks.push(tokio::spawn(async move {
                let mut told = Vec::new();
                for one in share {
                    told.push(ask(client.clone(), one).await);
                }
                told
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    })
}

async fn start(mut client: super::site::Client, project: String) -> String {
    let asked =
        StartSessionRequest { project_id: project, goal: "figures".into(), description: None };
    client.start_session(asked).await.unwrap().into_inner().session_id
}

async fn land(mut client: super::site::Client, session_id: String) -> String {
    let asked = LandSessionRequest { session_id, commit_message: String::new() };
    client.land_session(asked).await.unwrap().into_inner().landed_commit
}

/// A file of its own.
fn write(site: &Site, id: &str, n: usize) {
    use brio_host::{Brio, Handle, OpenOptions, ViewOptions};
    let brio = Brio::open(site.env.home()).unwrap();
    let writer = brio.find(id, None).unwrap().writer("figures", ViewOptions::default()).unwrap();
    let how = OpenOptions { write: true, create: true, ..OpenOptions::default() };
    let view = writer.view();
    let name = format!("{id}-{n}");
    let Handle::File(file) = view.open_at(&view.root(), name.as_bytes(), &how).unwrap() else {
        panic!("a file")
    };
    file.write_at(b"one line\n", 0).unwrap();
    drop(file);
    writer.finish().unwrap();
}
