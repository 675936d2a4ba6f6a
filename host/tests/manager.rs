//! The session manager inside another program.

use std::time::Duration;

use brio_host::{Brio, KillEnding, Metadata, SessionEvent, SessionManager, ViewOptions};

type Outcome = Result<(), Box<dyn std::error::Error>>;

// F-080, F-082
#[test]
fn the_manager_creates_kills_purges_and_tells() -> Outcome {
    let dir = tempfile::tempdir()?;
    let base = dir.path().join("base");
    std::fs::create_dir(&base)?;
    let brio = Brio::open(dir.path().join("home"))?;
    let manager = SessionManager::new(brio.clone());
    let mut events = manager.subscribe();
    let (one, two) = (manager.create_session(&base)?, manager.create_session(&base)?);
    let ids = |manager: &SessionManager| -> Vec<String> {
        manager.list_sessions().expect("a list").into_iter().map(|row| row.id).collect()
    };
    assert_eq!(ids(&manager), [one.to_string(), two.to_string()]);

    // A run of another thread, which ends when it is asked.
    let session = brio.find(one.as_str(), None)?;
    let writer = session.writer("test", ViewOptions::default())?;
    let (ask, asked) = std::sync::mpsc::channel();
    writer.on_stop(move || ask.send(()).expect("somebody listens"));
    let run = std::thread::spawn(move || {
        asked.recv_timeout(Duration::from_secs(30)).expect("it is asked");
        drop(writer);
    });
    let killed = manager.kill_session(one.as_str())?;
    run.join().expect("it ends");
    assert_eq!(killed.run.expect("there was one").run.purpose, "test");
    assert!(matches!(killed.ending, KillEnding::RolledBack(bytes) if bytes > 0));
    assert_eq!(manager.kill_session(one.as_str()).expect_err("gone").code(), "SESSION_ENDED");

    let purged = manager.purge_sessions()?;
    assert!(purged.len() == 1 && purged[0].freed.is_ok(), "{purged:?}");
    assert!(ids(&manager).is_empty());
    let next = |events: &mut brio_host::SessionEvents| events.next_within(Duration::from_secs(1));
    let told: Vec<_> = std::iter::from_fn(|| next(&mut events)).collect();
    let ended = |id| SessionEvent::State(id, "rolled-back".into());
    assert_eq!(
        told,
        [
            SessionEvent::Begun(one.clone()),
            SessionEvent::Begun(two.clone()),
            ended(one),
            ended(two)
        ]
    );
    Ok(())
}

// F-032: who listens hears no more when Brio is gone.
#[test]
fn events_end_with_brio() -> Outcome {
    let dir = tempfile::tempdir()?;
    let base = dir.path().join("base");
    std::fs::create_dir(&base)?;
    let brio = Brio::open(dir.path().join("home"))?;
    let events = brio.session_events();
    let id = brio.begin(&base, Metadata::default())?.id().clone();
    drop(brio);
    let told: Vec<_> = events.collect();
    assert_eq!(told, [SessionEvent::Begun(id)]);
    Ok(())
}
