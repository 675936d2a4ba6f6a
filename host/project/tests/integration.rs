//! The record and the contexts in their notes: eight tests.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::atomic::Ordering;

use brio_project::*;
use common::*;
use serde_json::{Value, json};

mod save_session {
    use super::*;

    //
    #[test]
    fn writes_to_sessions_session_path() {
        let (mem, project) = in_memory();
        let record = project.save_session(&Record::new(Timestamp::now(clock))).unwrap();
        assert_eq!(mem.calls(), ["read sessions/session", "write sessions/session"]);
        let note = mem.read(&path("sessions/session")).unwrap().unwrap();
        assert_eq!(note.content, record.to_json());
        assert!(note.content.starts_with("{\n  \"currentMode\": \"analysis\",\n"));
    }

    //
    #[test]
    fn does_not_write_to_current_session_pointer() {
        let (mem, project) = in_memory();
        project.init_session().unwrap();
        project.set_session(&task("x")).unwrap();
        project.save_agent_context(&agent("qa"), &json!({})).unwrap();
        project.cleanup_session().unwrap();
        let wrote = |call: &String| !call.starts_with("read") && !call.starts_with("list");
        let written: Vec<_> = mem.calls().into_iter().filter(wrote).collect();
        assert!(written.len() >= 4, "{written:?}");
        assert!(!written.iter().any(|call| call.contains("current-session")), "{written:?}");
    }
}

mod load_session {
    use super::*;

    //
    #[test]
    fn reads_from_sessions_session_path() {
        let (mem, project) = in_memory();
        project.set_session(&task("x")).unwrap();
        mem.calls();
        assert_eq!(project.load_session().unwrap().unwrap().active_task.as_deref(), Some("x"));
        assert_eq!(mem.calls(), ["read sessions/session"]);
    }

    //
    #[test]
    fn handles_missing_session_gracefully() {
        let (mem, project) = in_memory();
        assert_eq!(project.load_session().unwrap(), None);
        put(&*mem, SESSION_PATH, &tombstone(Timestamp::now(clock)));
        assert_eq!(project.load_session().unwrap(), None, "a tombstone is no record");
        // Corrupted is not missing.
        put(&*mem, SESSION_PATH, "{");
        let error = project.load_session().unwrap_err();
        assert_eq!(error.code(), "RECORD_CORRUPT");
        assert_eq!(project.set_session(&task("x")).unwrap_err().code(), "RECORD_CORRUPT");
        let saved = project.save_session(&Record::new(Timestamp::now(clock))).unwrap();
        assert_eq!(project.load_session().unwrap(), Some(saved), "saving mends it");
    }
}

mod agent_context {
    use super::*;

    //
    #[test]
    fn saves_agent_context_without_session_id_in_path() {
        let (mem, project) = in_memory();
        project.load_session().unwrap();
        for (name, note) in [
            ("orchestrator", "sessions/agent-orchestrator"),
            ("planner", "sessions/agent-planner"),
            ("implementer", "sessions/agent-implementer"),
            ("code-reviewer-2", "sessions/agent-code-reviewer-2"),
        ] {
            project.save_agent_context(&agent(name), &json!({"step": 1})).unwrap();
            let content = mem.read(&path(note)).unwrap().unwrap().content;
            assert_eq!(content, "{\n  \"step\": 1\n}");
        }
        assert_eq!(AGENT_CONTEXT_PREFIX, "sessions/agent-");
        for bad in ["", "../x", "QA", "-a", "a-", "a b", "a/b", &"a".repeat(65)] {
            assert!(bad.parse::<AgentName>().is_err(), "{bad}");
        }
    }

    //
    #[test]
    fn loads_agent_context_from_new_path_format() {
        let (mem, project) = in_memory();
        put(&*mem, "sessions/agent-qa", "{\"passed\": 30}");
        let context: Value = project.load_agent_context(&agent("qa")).unwrap().unwrap();
        assert_eq!(context, json!({"passed": 30}));
        let (none, log) = common::log::of(|| project.load_agent_context::<Value>(&agent("critic")));
        assert_eq!(none.unwrap(), None);
        assert_eq!(log, ["DEBUG Agent context not found agent=critic"]);
        put(&*mem, "sessions/agent-qa", "passed");
        let error = project.load_agent_context::<Value>(&agent("qa")).unwrap_err();
        assert_eq!(error.code(), "CONTEXT_INVALID");
        assert!(error.to_string().starts_with("CONTEXT_INVALID: the context of agent qa"));
    }

    //
    #[test]
    fn overwrites_previous_agent_context_on_save() {
        let (mem, project) = in_memory();
        for n in 1..=3 {
            project.save_agent_context(&agent("qa"), &json!({ "n": n })).unwrap();
        }
        let context: Value = project.load_agent_context(&agent("qa")).unwrap().unwrap();
        assert_eq!(context, json!({"n": 3}));
        let pattern = Pattern::new("sessions/agent-*").unwrap();
        assert_eq!(mem.list(&pattern).unwrap().len(), 1);
    }
}

mod error_handling {
    use super::*;

    // T11
    #[test]
    fn reports_brain_unavailable_error_when_the_backend_is_down() {
        let (mem, project) = in_memory();
        mem.down.store(true, Ordering::SeqCst);
        let qa = agent("qa");
        let errors = [
            project.load_session().map(drop).unwrap_err(),
            project.get_session().map(drop).unwrap_err(),
            project.set_session(&task("x")).map(drop).unwrap_err(),
            project.init_session().unwrap_err(),
            project.cleanup_session().unwrap_err(),
            project.save_session(&Record::new(Timestamp::now(clock))).map(drop).unwrap_err(),
            project.save_agent_context(&qa, &json!({})).unwrap_err(),
            project.load_agent_context::<Value>(&qa).map(drop).unwrap_err(),
            project.migrate(&MigrateOptions::default()).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(error.is_unavailable());
            assert_eq!(error.code(), "NOTES_UNAVAILABLE");
            let text = error.to_string();
            assert!(text.starts_with("NOTES_UNAVAILABLE: BrainUnavailableError: "), "{text}");
        }
        mem.down.store(false, Ordering::SeqCst);
        assert!(contents(&*mem).is_empty(), "and nothing was made meanwhile");
    }
}
