//! The service: twelve tests, named as the record's design names them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brio_project::*;
use common::*;

mod get_session {
    use super::*;

    //
    #[test]
    fn loads_session_from_note_at_sessions_session() {
        let (mem, project) = in_memory();
        let record = Record::new(Timestamp::now(clock)).updated(&task("x"), Timestamp::now(clock));
        put(&*mem, "sessions/session", &record.to_json());
        assert_eq!(project.get_session().unwrap(), record);
        assert_eq!(SESSION_PATH, "sessions/session");
    }

    //
    #[test]
    fn returns_null_when_session_note_does_not_exist() {
        let (mem, project) = in_memory();
        assert_eq!(project.load_session().unwrap(), None);
        assert_eq!(mem.calls(), ["read sessions/session"], "loading makes nothing");
    }

    //
    #[test]
    fn creates_default_session_if_none_exists() {
        let (mem, project) = in_memory();
        let record = project.get_session().unwrap();
        assert_eq!((record.current_mode, record.version), (Mode::Analysis, 0));
        assert!(record.is_untouched());
        assert_eq!(project.load_session().unwrap(), Some(record.clone()), "and stores it");
        // Somebody else may make it at the same time.
        let (mem2, other) = in_memory();
        let theirs = record.updated(&task("theirs"), Timestamp::now(clock));
        let json = theirs.to_json();
        mem2.before_next_write(move |mem| put(mem, SESSION_PATH, &json));
        assert_eq!(other.get_session().unwrap(), theirs);
        drop(mem);
    }
}

mod set_session {
    use super::*;

    // T11
    #[test]
    fn updates_session_state_and_increments_version() {
        let (_, project) = in_memory();
        for version in 1..=5 {
            let record = project.set_session(&task(&format!("task {version}"))).unwrap();
            assert_eq!(record.version, version);
            assert_eq!(record.active_task, Some(format!("task {version}")));
            assert_eq!(project.get_session().unwrap(), record);
        }
    }

    //
    #[test]
    fn preserves_mode_history_across_updates() {
        let (_, project) = in_memory();
        let steps = [Mode::Planning, Mode::Planning, Mode::Coding, Mode::Analysis];
        for step in steps {
            project.set_session(&mode(step)).unwrap();
            project.set_session(&task("between")).unwrap();
        }
        let record = project.get_session().unwrap();
        let modes: Vec<_> = record.mode_history.iter().map(|change| change.mode).collect();
        assert_eq!(modes, [Mode::Planning, Mode::Coding, Mode::Analysis]);
        assert_eq!(record.version, 8);
    }

    // T11: the stored version is re-read inside the
    // write, so the detection can fire; it never fails.
    #[test]
    fn handles_concurrent_writes_with_last_write_wins() {
        let mem = Arc::new(Mem::default());
        let conflicts = Arc::new(AtomicU64::new(0));
        let project = Project::new(mem.clone(), clock).observed_by(conflicts.clone());
        project.set_session(&task("first")).unwrap();
        assert_eq!(conflicts.load(Ordering::Relaxed), 0);
        // A writes version 2 between B's read and B's write.
        let update = Update { mode: Some(Mode::Coding), task: Some("A".into()), feature: None };
        mem.before_next_write(move |mem| {
            let stored =
                Record::from_json(&mem.read(&path(SESSION_PATH)).unwrap().unwrap().content);
            let theirs = stored.unwrap().updated(&update, Timestamp::now(clock));
            put(mem, SESSION_PATH, &theirs.to_json());
        });
        let (record, log) = common::log::of(|| project.set_session(&task("B")).unwrap());
        assert_eq!((record.version, record.active_task.as_deref()), (3, Some("B")));
        assert_eq!(record.current_mode, Mode::Coding, "what only A set stays");
        assert_eq!(project.get_session().unwrap(), record, "version 3 is what is seen");
        let warning = "WARN Version conflict detected - proceeding with LWW \
                       currentVersion=2 attemptedVersion=1";
        assert_eq!(log, [warning]);
        assert_eq!(conflicts.load(Ordering::Relaxed), 1);
        assert_eq!(Resolution::Lww.as_str(), "lww");
        assert_eq!(CONFLICTS_METRIC, "brio_session_conflicts_total");
        assert_eq!(CONFLICTS_METRIC_ALIAS, "brain_session_conflicts_total");
        assert_eq!(CONFLICTS_HELP, "Total number of version conflicts detected");

        // A whole record that was read at version 1 wins as a whole, and is counted.
        let old = Record::new(Timestamp::now(clock)).updated(&task("old"), Timestamp::now(clock));
        let (saved, log) = common::log::of(|| project.save_session(&old).unwrap());
        assert_eq!((saved.version, saved.current_mode), (4, Mode::Analysis));
        assert_eq!(log, [warning.replace("=2", "=3")]);
        assert_eq!(conflicts.load(Ordering::Relaxed), 2);
        // What was overridden is in the history.
        assert_eq!(mem.history(&path(SESSION_PATH)).unwrap().len(), 4);
    }
}

mod lifecycle_management {
    use super::*;

    //
    #[test]
    fn init_session_no_longer_creates_uuid_based_directories() {
        let tmp = scratch();
        let project = in_dir(tmp.path());
        let () = project.init_session().unwrap();
        let () = project.init_session().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(tmp.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".format", "sessions%2fsession"]);
    }

    //
    #[test]
    fn cleanup_session_removes_session_note() {
        let (mem, project) = in_memory();
        project.set_session(&task("x")).unwrap();
        project.cleanup_session().unwrap();
        assert_eq!(mem.read(&path(SESSION_PATH)).unwrap(), None);
        assert_eq!(project.load_session().unwrap(), None);
        project.cleanup_session().unwrap();
        assert!(project.get_session().unwrap().is_untouched());
    }

    //
    #[test]
    fn cleanup_orphan_sessions_is_now_a_no_op() {
        let (mem, project) = in_memory();
        project.set_session(&task("x")).unwrap();
        mem.calls();
        project.cleanup_orphan_sessions();
        assert!(mem.calls().is_empty());
    }
}

mod backward_compatibility {
    use super::*;

    mod stand_in {
        pub(super) fn get_current_session_id() -> &'static str {
            "no other function of this name"
        }
    }

    trait StandIn {
        fn get_current_session_id(&self) -> bool {
            true
        }

        fn get_session_id(&self) -> Option<()> {
            None
        }

        fn set_current_session_id(&self) -> bool {
            true
        }
    }

    impl StandIn for Project {}

    // if the crate had such a name this would not compile.
    #[test]
    fn get_current_session_id_is_removed_from_exports() {
        #[allow(unused_imports, reason = "a name of its would be ambiguous")]
        use brio_project::*;
        use stand_in::*;
        assert_eq!(get_current_session_id(), "no other function of this name");
        let (_, project) = in_memory();
        assert!(project.get_current_session_id() && project.set_current_session_id());
    }

    // without the feature `legacy` there is none; with it, see `legacy.rs`.
    #[test]
    fn get_session_id_returns_null() {
        let (_, project) = in_memory();
        assert_eq!(project.get_session_id(), None);
        let json = project.get_session().unwrap().to_json();
        assert!(!json.contains("sessionId"));
        #[cfg(feature = "legacy")]
        #[allow(deprecated, reason = "it is what is tested")]
        {
            assert_eq!(brio_project::legacy::get_session_id(), None);
        }
    }

    // it returns nothing; the sentinel is the deprecated adapter's.
    #[test]
    fn init_session_returns_constant_sentinel_value() {
        let (_, project) = in_memory();
        let () = project.init_session().unwrap();
        let first = project.load_session().unwrap();
        let () = project.init_session().unwrap();
        assert!(first.is_some());
        assert_eq!(project.load_session().unwrap(), first, "the second time changes nothing");
        #[cfg(feature = "legacy")]
        #[allow(deprecated, reason = "it is what is tested")]
        {
            assert_eq!(brio_project::legacy::init_session(&project).unwrap(), "default-session");
        }
    }
}
