//! What becomes of sessions, told as it happens.

use std::time::Duration;

use brio_server::grpc::proto::watch_events_response::Event;
use brio_server::grpc::proto::{SessionState, WatchEventsRequest, WatchEventsResponse};
use tonic::{Code, Streaming};

use super::common::TestEnvironment;
use super::site::{Site, refused};

fn watch(site: &Site, asked: WatchEventsRequest) -> Streaming<WatchEventsResponse> {
    site.runtime.block_on(async {
        let mut stream = site.client_in().await.watch_events(asked).await.unwrap().into_inner();
        let first = stream.message().await.unwrap().unwrap();
        assert!(first.time_ms > 1_700_000_000_000);
        assert!(matches!(first.event, Some(Event::Watching(_))), "{first:?}");
        stream
    })
}

fn next(site: &Site, stream: &mut Streaming<WatchEventsResponse>) -> Event {
    let message = site.runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), stream.message()).await.expect("an event")
    });
    message.unwrap().unwrap().event.unwrap()
}

fn began(event: &Event) -> &str {
    let Event::SessionBegan(began) = event else { panic!("{event:?}") };
    &began.session.as_ref().unwrap().session_id
}

fn became(event: &Event) -> (&str, SessionState) {
    let Event::SessionChanged(changed) = event else { panic!("{event:?}") };
    (&changed.session_id, changed.state())
}

#[test]
fn what_this_server_and_what_others_do_is_told_once() {
    let site = Site::new();
    let before = site.start(".", "there before").session_id;
    let mut all = watch(&site, WatchEventsRequest::default());
    let only = WatchEventsRequest { session_id: before.clone(), tasks: false };
    let mut only = watch(&site, only);
    let id = site.start(".", "by this server").session_id;
    assert_eq!(began(&next(&site, &mut all)), id);
    site.land(&id, "").unwrap();
    assert_eq!(became(&next(&site, &mut all)), (id.as_str(), SessionState::Landed));
    let other = site.env.begin();
    assert_eq!(began(&next(&site, &mut all)), other);
    site.env.ok(&["session", "rollback", &other]);
    assert_eq!(became(&next(&site, &mut all)), (other.as_str(), SessionState::RolledBack));
    site.land(&before, "").unwrap();
    for stream in [&mut all, &mut only] {
        assert_eq!(became(&next(&site, stream)), (before.as_str(), SessionState::Landed));
    }
    let none = WatchEventsRequest { session_id: "sess-none".into(), tasks: false };
    let none = site.runtime.block_on(async { site.client_in().await.watch_events(none).await });
    refused(none, Code::NotFound, "SESSION_UNKNOWN");
}

#[test]
fn tasks_are_told_of_on_directories_that_the_server_was_given() {
    let env = TestEnvironment::new();
    std::fs::create_dir(env.path().join("elsewhere")).unwrap();
    let mut site = Site::with(env, &["--grpc", "127.0.0.1:0"]);
    let asked = WatchEventsRequest { session_id: String::new(), tasks: true };
    let mut stream = watch(&site, asked);
    let submit = |base: &str| {
        let file = site.env.path().join("t.toml");
        let task = format!(
            "name = 't'\nbase = '{base}'\n[[steps]]\nagent = 'hello'\ntask = 'say hello'\n"
        );
        std::fs::write(&file, task).unwrap();
        let id = site.env.ok(&["task", "submit", file.to_str().unwrap()]).trim_end().to_owned();
        site.env.brio(&["task", "wait", &id, "--timeout", "60s"]);
        id
    };
    submit("elsewhere");
    let told = submit("base");
    let mut words = Vec::new();
    while words.last().is_none_or(|word| word != "ended") {
        if let Event::Task(task) = next(&site, &mut stream) {
            assert_eq!(task.task_id, told, "{task:?}");
            words.push(task.what);
        }
    }
    assert_eq!(words[0], "began", "{words:?}");
    // The end of the server is told.
    assert_eq!(site.stop(), 0);
    let last = site.runtime.block_on(async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                ended => return ended.map(drop),
            }
        }
    });
    assert!(last.is_err_and(|status| status.code() == Code::Unavailable));
}
