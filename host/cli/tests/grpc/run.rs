//! Agents, run by clients.

use std::time::Duration;

use brio_server::grpc::proto::run_agent_request::Place;
use brio_server::grpc::proto::run_agent_response::Event;
use brio_server::grpc::proto::{
    OutputStream, RunAgentRequest, RunEnded, RunOutcome, RunResult, RunStarted,
};
use tonic::{Code, Request, Status};

use super::common::{TestEnvironment, until};
use super::site::{Site, agent, refused};

fn asked(agent: &str, args: &[&str], place: Place) -> RunAgentRequest {
    RunAgentRequest {
        agent: agent.to_owned(),
        task: "do it".to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        place: Some(place),
        ..RunAgentRequest::default()
    }
}

/// All that a run tells: its beginning first, its end last, each once.
async fn told(
    site: &Site,
    asked: RunAgentRequest,
) -> Result<(RunStarted, String, RunEnded), Status> {
    let mut client = site.client_in().await;
    let mut stream = client.run_agent(asked).await?.into_inner();
    let (mut started, mut out, mut ended) = (None, Vec::new(), None);
    while let Some(message) = stream.message().await? {
        assert!(ended.is_none(), "nothing comes after the end");
        match message.event.unwrap() {
            Event::Started(it) => assert!(started.replace(it).is_none() && out.is_empty()),
            Event::Output(it) => {
                assert!(started.is_some() && it.data.len() <= 64 << 10);
                match it.stream() {
                    OutputStream::Stdout => out.extend(it.data),
                    OutputStream::Stderr => {}
                    OutputStream::Unspecified => panic!("neither of the two"),
                }
            }
            Event::Ended(it) => ended = Some(it),
        }
    }
    Ok((started.unwrap(), String::from_utf8(out).unwrap(), ended.unwrap()))
}

fn run(site: &Site, asked: RunAgentRequest) -> Result<(RunStarted, String, RunEnded), Status> {
    site.runtime.block_on(told(site, asked))
}

#[test]
fn a_run_tells_its_beginning_what_it_prints_and_its_end() {
    let site = Site::new();
    agent(&site.env.base(), "fs-script");
    let steps = ["write-path\tnew.txt\t0\t7\t9", "open\t0\tnew.txt\twc", "write\t0\t0\t7\t9"];
    let on = || Place::ProjectId(".".to_owned());
    let (started, out, ended) = run(&site, asked("fs-script.wasm", &steps, on())).unwrap();
    assert!(out.ends_with("len 9\n"), "{out}");
    assert_eq!(ended.session_id, started.session_id);
    assert_eq!((ended.outcome(), ended.result()), (RunOutcome::Succeeded, RunResult::Landed));
    assert_eq!((ended.landed_commit.as_str(), ended.new_tree_hash.as_str()), ("1", ""));
    assert_eq!((ended.changes[0].path.as_str(), ended.changes.len()), ("new.txt", 1));
    assert!(ended.error.is_none() && site.env.base().join("new.txt").exists());

    // One that is told to stay, and an open one, do.
    let keep =
        RunAgentRequest { keep: true, ..asked("fs-script.wasm", &["unlink\tnew.txt"], on()) };
    let kept = run(&site, keep).unwrap().2;
    assert_eq!((kept.outcome(), kept.result()), (RunOutcome::Succeeded, RunResult::Kept));
    let within = Place::SessionId(kept.session_id.clone());
    let again = run(&site, asked("fs-script.wasm", &["stat\tnew.txt\tno"], within)).unwrap();
    assert_eq!((again.1.as_str(), again.2.result()), ("no-entry\n", RunResult::Kept));
    assert_eq!(site.env.open_sessions(), [kept.session_id]);
    assert!(site.env.base().join("new.txt").exists());
}

#[test]
fn what_does_not_succeed_is_rolled_back_and_says_why() {
    let site = Site::new();
    for name in ["fail", "panic", "spin"] {
        agent(&site.env.base(), name);
    }
    let before = site.env.snapshot();
    for (name, outcome, code) in [
        ("fail", RunOutcome::Failed, None),
        ("panic", RunOutcome::Trapped, Some("TRAPPED")),
        ("spin", RunOutcome::Limited, Some("LIMIT_TIME")),
    ] {
        let place = Place::ProjectId(".".to_owned());
        let request =
            RunAgentRequest { timeout_seconds: 1, ..asked(&format!("{name}.wasm"), &[], place) };
        let (_, _, ended) = run(&site, request).unwrap();
        assert_eq!((ended.outcome(), ended.result()), (outcome, RunResult::RolledBack), "{name}");
        let error = ended.error.unwrap();
        assert!(
            !error.message.is_empty() && code.is_none_or(|code| error.code == code),
            "{error:?}"
        );
    }
    assert_eq!(site.env.snapshot(), before);
    assert_eq!(site.env.open_sessions(), Vec::<String>::new());
    let place = || Place::ProjectId(".".to_owned());
    refused(run(&site, asked("none", &[], place())), Code::NotFound, "AGENT_UNKNOWN");
    refused(run(&site, asked("/bin/true", &[], place())), Code::NotFound, "AGENT_UNKNOWN");
    refused(run(&site, asked("../home", &[], place())), Code::NotFound, "AGENT_UNKNOWN");
    let nowhere = RunAgentRequest { place: None, ..asked("hello", &[], place()) };
    refused(run(&site, nowhere), Code::InvalidArgument, "USAGE");
}

#[test]
fn a_client_that_goes_or_is_out_of_time_ends_what_runs_for_it() {
    let site = Site::new();
    agent(&site.env.base(), "spin");
    let place = || Place::ProjectId(".".to_owned());
    // It goes.
    let stream = site.runtime.block_on(async {
        let mut client = site.client_in().await;
        client.run_agent(asked("spin.wasm", &[], place())).await.unwrap().into_inner()
    });
    until("the agent runs", || site.only_run().as_deref() == Some("live"));
    drop(stream);
    until("it is rolled back", || site.env.open_sessions().is_empty());
    // Its deadline comes.
    let late = site.runtime.block_on(async {
        let mut request = Request::new(asked("spin.wasm", &[], place()));
        request.set_timeout(Duration::from_secs(2));
        let within = async {
            let mut stream = site.client_in().await.run_agent(request).await?.into_inner();
            while stream.message().await?.is_some() {}
            Ok::<_, Status>(())
        };
        tokio::time::timeout(Duration::from_secs(2), within).await
    });
    assert!(late.is_err() || late.is_ok_and(|done| done.is_err()));
    until("it is rolled back", || site.env.open_sessions().is_empty());
    // One that was there stays open, and can be worked in.
    let id = site.start(".", "stays").session_id;
    let stream = site.runtime.block_on(async {
        let mut client = site.client_in().await;
        let place = Place::SessionId(id.clone());
        client.run_agent(asked("spin.wasm", &[], place)).await.unwrap().into_inner()
    });
    until("the agent runs", || site.only_run().as_deref() == Some("live"));
    refused(site.land(&id, ""), Code::Unavailable, "SESSION_BUSY");
    drop(stream);
    until("its lease is given back", || site.only_run().as_deref() == Some("free"));
    site.land(&id, "").unwrap();
}

#[test]
fn the_end_of_the_server_ends_what_it_runs() {
    let mut site = Site::with(TestEnvironment::new(), &["--grpc", "127.0.0.1:0"]);
    agent(&site.env.base(), "spin");
    let id = site.start(".", "stays").session_id;
    let stream = site.runtime.block_on(async {
        let mut client = site.client_in().await;
        let place = Place::SessionId(id.clone());
        client.run_agent(asked("spin.wasm", &[], place)).await.unwrap().into_inner()
    });
    until("the agent runs", || site.only_run().as_deref() == Some("live"));
    assert_eq!(site.stop(), 0);
    assert_eq!(site.only_run().as_deref(), Some("free"), "its lease is given back");
    assert_eq!(site.env.open_sessions(), [id]);
    drop(stream);
}
