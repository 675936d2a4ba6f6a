//! The index: found again by prefix, rebuilt, and refused when it is of another version.

use brio_registry::{DomainRow, Registry, RegistryError, SessionRow};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn row(id: &str, state: &str) -> SessionRow {
    SessionRow {
        id: id.into(),
        claim: "claim-1".into(),
        base: "/base".into(),
        state: state.into(),
        goal: Some("goal".into()),
        agent: Some("hello".into()),
        task_id: Some("task-1".into()),
        parent: None,
        created_at: 7,
    }
}

// B-024: the registry keeps what it was told, over a reopen.
#[test]
fn rows_survive_a_reopen() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("metadata.db");
    Registry::open(&path)?.upsert(&row("sess-a1", "open"))?;
    let again = Registry::open(&path)?;
    assert_eq!(again.sessions()?, [row("sess-a1", "open")]);
    again.set_state("sess-a1", "landed")?;
    assert_eq!(again.sessions()?[0].state, "landed");
    Ok(())
}

// B-015: an id is found by any prefix that only it has.
#[test]
fn a_unique_prefix_is_enough() -> Outcome {
    let dir = tempfile::tempdir()?;
    let registry = Registry::open(&dir.path().join("metadata.db"))?;
    for id in ["sess-ab12", "sess-ab", "sess-ac"] {
        registry.upsert(&row(id, "open"))?;
    }
    let id = |prefix: &str| registry.find(prefix).map(|r| r.map(|r| r.id));
    assert_eq!(id("sess-ab1")?.as_deref(), Some("sess-ab12"));
    assert_eq!(id("sess-ab")?.as_deref(), Some("sess-ab"), "an exact id wins");
    assert_eq!(id("ac")?.as_deref(), Some("sess-ac"));
    assert_eq!(id("sess-%")?, None, "no pattern");
    assert!(matches!(id("a"), Err(RegistryError::Ambiguous { count: 3, .. })));
    Ok(())
}

// B-024: the index is rebuilt from what the domain holds.
#[test]
fn a_rebuild_takes_what_is_there() -> Outcome {
    let dir = tempfile::tempdir()?;
    let registry = Registry::open(&dir.path().join("metadata.db"))?;
    registry.upsert(&row("sess-old", "open"))?;
    registry.upsert(&row("sess-done", "landed"))?;
    let domain = DomainRow { claim: "claim-1".into(), path: "/base".into() };
    registry.rebuild(&domain, &[row("sess-new", "open")])?;
    let states: Vec<_> =
        registry.sessions()?.into_iter().map(|r| format!("{} {}", r.id, r.state)).collect();
    assert_eq!(states, ["sess-done landed", "sess-new open", "sess-old gone"]);
    assert_eq!(registry.domains()?, [domain]);
    Ok(())
}

#[test]
fn an_unknown_version_is_refused() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("metadata.db");
    drop(Registry::open(&path)?);
    rusqlite::Connection::open(&path)?.pragma_update(None, "user_version", 99)?;
    let error = Registry::open(&path).map(|_| ()).expect_err("version 99 is not ours");
    assert_eq!(error.code(), "FORMAT_UNKNOWN");
    assert!(error.to_string().starts_with("FORMAT_UNKNOWN: "));
    Ok(())
}

// T20: two processes (here: two connections) at once.
#[test]
fn two_writers_wait_for_each_other() -> Outcome {
    // Again and again: it is the first opening of a new home that they meet in.
    for _ in 0..20 {
        two_writers()?;
    }
    Ok(())
}

fn two_writers() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("metadata.db");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let registry = Registry::open(path).expect("opens");
                for i in 0..25 {
                    registry.upsert(&row(&format!("sess-{writer}-{i}"), "open")).expect("writes");
                }
            });
        }
    });
    assert_eq!(Registry::open(&path)?.sessions()?.len(), 100);
    Ok(())
}
