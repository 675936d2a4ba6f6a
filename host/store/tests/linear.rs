//! Many writers on one ref: every increment is made once, whatever the network loses and
//! whoever else writes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod places;

use std::process::Command;
use std::sync::Arc;

use brio_store::backend::{Backend, Directory, Memory, S3};
use places::counter::{increment, race, read};
use places::proxy::{FAULTS, Rates};
use places::server::{Rules, Server};
use places::{Place, options, proxied, real_server, real_with};

fn increments() -> u64 {
    std::env::var("BRIO_INCREMENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(320)
}

/// Through the proxy, and each of its faults was made.
async fn rough(place: Place, increments: u64) {
    race(place.backend.clone(), 16, increments).await;
    let counts = place.proxy.unwrap().counts();
    eprintln!("{counts:?}");
    assert!(counts.iter().all(|(_, n)| *n > 0), "{counts:?}");
    assert_eq!(counts.len(), FAULTS.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_in_memory() {
    race(Arc::new(Memory::default()), 16, increments()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_through_a_network_that_fails() {
    for quoted in [true, false] {
        let server = Server::start(Rules { quoted, ..Rules::default() });
        let place = proxied(server.address(), options(&server.url()), Rates::rough());
        rough(place, increments() / 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_at_a_real_server() {
    if let Some(place) = real_server("linear::sixteen_writers_at_a_real_server") {
        race(place.backend.clone(), 16, increments()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_at_a_real_server_through_a_network_that_fails() {
    let name = "linear::sixteen_writers_at_a_real_server_through_a_network_that_fails";
    if let Some(place) = real_with(name, Rates::rough()) {
        rough(place, increments()).await;
    }
}

/// A server that swaps in two steps, as some do, is found out: the counter is what tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counter_finds_a_server_that_is_not_atomic() {
    let server = Server::start(Rules { honours_if_match: false, ..Rules::default() });
    let backend: Arc<dyn Backend> = Arc::new(S3::open(options(&server.url())).unwrap());
    let name = "projects/o/n/head";
    let writers = (0..4).map(|_| {
        let backend = backend.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                increment(&*backend, name).await;
            }
        })
    });
    futures_util::future::join_all(writers).await;
    assert!(read(&*backend, name).await.n < 200);
}

/// Four processes, four writers each.
#[test]
fn four_processes_in_a_directory() {
    const DIR: &str = "BRIO_TEST_COUNTER";
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let name = "projects/o/n/head";
    if let Some(dir) = std::env::var_os(DIR) {
        let backend: Arc<dyn Backend> = Arc::new(Directory::open(dir.as_ref()).unwrap());
        runtime.block_on(async {
            let share = increments() / 16;
            let writers = (0..4).map(|_| {
                let backend = backend.clone();
                tokio::spawn(async move {
                    for _ in 0..share {
                        println!("made {}", increment(&*backend, name).await.0);
                    }
                })
            });
            for writer in futures_util::future::join_all(writers).await {
                writer.unwrap();
            }
        });
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let me = std::env::current_exe().unwrap();
    let processes: Vec<_> = (0..4)
        .map(|_| {
            Command::new(&me)
                .args(["--exact", "four_processes_in_a_directory", "--nocapture"])
                .env(DIR, &store)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut made = Vec::new();
    for process in processes {
        let out = process.wait_with_output().unwrap();
        assert!(out.status.success());
        let text = String::from_utf8(out.stdout).unwrap();
        made.extend(text.lines().filter_map(|l| l.strip_prefix("made ")?.parse::<u64>().ok()));
    }
    made.sort_unstable();
    let total = increments() / 16 * 16;
    assert!(made.iter().copied().eq(1..=total), "{} of {total} increments", made.len());
    let backend = Directory::open(&store).unwrap();
    assert_eq!(runtime.block_on(read(&backend, name)).n, total);
}
