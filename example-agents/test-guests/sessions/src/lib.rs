//! `sessions`: calls every function of `session-fs`, `session`, `checkpoints` and `session-tools`, checks what they
//! answer and prints a line for each. The base needs nothing in it. Ends with an error that counts
//! what did not hold.
//!
//! Landed afterwards: `landed.txt`, `tools/greeting.txt`. Never: `thrown-away.txt`.

use std::fmt::Debug;
use std::io::{Read, Write};

use brio_agent::checkpoint::{self, BEFORE_RESTORE, CheckpointError};
use brio_agent::session::{ChangeKind, State};
use brio_agent::{Agent, AgentError, AtPath, Session, TaskContext, TaskOutput, session, tools};

struct Sessions;

impl Agent for Sessions {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let mut checks = Checks::default();
        checks.tools();
        checks.branches()?;
        checks.checkpoints()?;
        checks.own(&task)?;
        checks.own_checkpoints(&task)?;
        match checks.failed {
            0 => Ok(TaskOutput::new(format!("{} checks held", checks.held))),
            failed => Err(AgentError::CheckFailed(format!("{failed} checks did not hold"))),
        }
    }
}

#[derive(Default)]
struct Checks {
    held: u32,
    failed: u32,
}

impl Checks {
    fn that(&mut self, name: &str, holds: bool, seen: impl Debug) {
        let word = if holds { "OK" } else { "FAIL" };
        println!("{word} {name}: {seen:?}");
        *(if holds { &mut self.held } else { &mut self.failed }) += 1;
    }

    fn tools(&mut self) {
        use tools::{EntryKind, ToolError};
        let file = "tools/greeting.txt";
        let wrote = tools::write_file(file, "one\ntwo\nthree\n");
        self.that("write-file", wrote.is_ok(), wrote);
        let read = tools::read_file(file);
        self.that("read-file", read.as_deref() == Ok(b"one\ntwo\nthree\n"), read);
        let std = std::fs::read_to_string(file).ok();
        self.that("std::fs sees it", std.as_deref() == Some("one\ntwo\nthree\n"), std);
        let lines = tools::read_file_range(file, 2, 3);
        self.that("read-file-range", lines.as_deref() == Ok("two\nthree\n"), lines);
        let past = tools::read_file_range(file, 9, u32::MAX);
        self.that("read-file-range past the end", past.as_deref() == Ok(""), past);
        let range = tools::read_file_range(file, 0, 1);
        self.that(
            "read-file-range from 0",
            matches!(range, Err(ToolError::InvalidRange(_))),
            range,
        );
        let edited = tools::edit(file, "two", "2");
        self.that("edit", edited.is_ok(), edited);
        let all = tools::edit_all(file, "e", "E");
        self.that("edit replace-all", all == Ok(3), all);
        let ambiguous = tools::edit(file, "E", "e");
        let is_ambiguous = matches!(ambiguous, Err(ToolError::Ambiguous { matches: 3, .. }));
        self.that("edit ambiguous", is_ambiguous, ambiguous);
        let none = tools::edit(file, "no such text", "");
        self.that("edit no-match", matches!(none, Err(ToolError::NoMatch(_))), none);
        let listed = tools::list_directory("tools");
        let as_expected = listed.as_ref().is_ok_and(|entries| {
            matches!(entries.as_slice(), [one] if one.name == "greeting.txt"
                && one.kind == EntryKind::File && one.size == 12)
        });
        self.that("list-directory", as_expected, listed);
        let missing = tools::read_file("no/such/file");
        self.that("read-file not-found", matches!(missing, Err(ToolError::NotFound(_))), missing);
        let directory = tools::read_file("tools");
        self.that(
            "read-file is-directory",
            matches!(directory, Err(ToolError::IsDirectory(_))),
            directory,
        );
        let outside = tools::read_file("../../etc/passwd");
        self.that("read-file outside", outside.is_err(), outside);
        let full = tools::remove("tools");
        self.that("remove not-empty", matches!(full, Err(ToolError::NotEmpty(_))), full);
        let scratch =
            tools::write_file("tools/scratch", "").and_then(|()| tools::remove("tools/scratch"));
        self.that(
            "remove",
            scratch.is_ok() && !std::fs::exists("tools/scratch").unwrap_or(true),
            scratch,
        );
    }

    fn branches(&mut self) -> Result<(), AgentError> {
        let landed = Session::begin("/workspace")?;
        let thrown = Session::begin("/workspace")?;
        self.that("begin-session", landed.id().starts_with("sess-"), landed.id());
        let expected = format!("/sessions/{}", landed.id());
        self.that("get-session-path", landed.path().to_string_lossy() == expected, landed.path());
        for (session, name) in [(&landed, "landed.txt"), (&thrown, "thrown-away.txt")] {
            let path = session.path().join(name);
            std::fs::write(&path, format!("{name}\n")).at(&path)?;
        }
        let inherited = std::fs::exists(landed.path().join("tools/greeting.txt"));
        self.that("a child sees its parent", matches!(inherited, Ok(true)), inherited);
        let isolated = std::fs::exists(thrown.path().join("landed.txt"));
        self.that("siblings are apart", matches!(isolated, Ok(false)), isolated);
        let early = std::fs::exists("/workspace/landed.txt");
        self.that("nothing lands early", matches!(early, Ok(false)), early);

        let changes = landed.changes()?;
        let as_expected = matches!(changes.as_slice(), [one]
            if one.path == "landed.txt" && one.kind == ChangeKind::Added && one.size == 11);
        self.that("change-set", as_expected, changes);
        let status = landed.status()?;
        let open = status.state == State::Open && status.parent.is_some();
        self.that("status of a child", open, status);
        let metadata = session::metadata(landed.id())?;
        self.that(
            "metadata",
            metadata.session_id == landed.id() && metadata.created_at_ms > 0,
            metadata,
        );

        let (landed_id, landed_path) = (landed.id().to_owned(), landed.path().to_owned());
        let committed = landed.commit().map_err(|failed| failed.error);
        self.that("commit-session", committed.is_ok(), committed);
        let visible = std::fs::read_to_string("/workspace/landed.txt").ok();
        self.that(
            "a commit lands in the parent",
            visible.as_deref() == Some("landed.txt\n"),
            visible,
        );
        let gone = std::fs::exists(&landed_path);
        self.that("a landed session is gone", !matches!(gone, Ok(true)), gone);
        let state = session::status(&landed_id).map(|status| status.state);
        self.that("status of a landed session", state == Ok(State::Landed), state);
        let thrown = thrown.rollback();
        self.that("rollback-session", thrown.is_ok(), thrown);
        let absent = std::fs::exists("/workspace/thrown-away.txt");
        self.that("a rollback leaves nothing", matches!(absent, Ok(false)), absent);

        self.conflict()?;
        self.nesting()?;
        let missing = Session::begin("/workspace/no/such/directory");
        let code = missing.as_ref().err().map(|error| error.code().to_owned());
        self.that(
            "begin on a missing path",
            code.as_deref() == Some("BASE_INVALID"),
            missing.err(),
        );
        Ok(())
    }

    /// Two children write the same path: the first lands, the second is told.
    fn conflict(&mut self) -> Result<(), AgentError> {
        let (first, second) = (Session::begin("/workspace")?, Session::begin("/workspace")?);
        for session in [&first, &second] {
            let path = session.path().join("landed.txt");
            std::fs::write(&path, session.id()).at(&path)?;
        }
        let wanted = first.id().to_owned();
        first.commit()?;
        match second.commit() {
            Err(failed) => {
                let named =
                    failed.error.is_conflict() && failed.error.to_string().contains("landed.txt");
                self.that("a conflict names the path", named, &failed.error);
                let state = failed.session.status()?.state;
                self.that(
                    "and keeps the session",
                    matches!(state, State::Open | State::Conflicted),
                    state,
                );
            } // and dropping it rolls it back
            Ok(()) => self.that("a conflict is found", false, ()),
        }
        let kept = std::fs::read_to_string("/workspace/landed.txt").ok();
        self.that("the first landing stands", kept.as_ref() == Some(&wanted), kept);
        Ok(())
    }

    /// A child of a child lands in the child.
    fn nesting(&mut self) -> Result<(), AgentError> {
        let child = Session::begin("/workspace")?;
        let grandchild = Session::begin(child.path())?;
        let path = grandchild.path().join("landed.txt");
        std::fs::write(&path, "nested\n").at(&path)?;
        let status = child.status()?;
        self.that("open children", status.open_children == [grandchild.id()], status);
        grandchild.commit()?;
        let path = child.path().join("landed.txt");
        let nested = std::fs::read_to_string(path).ok();
        self.that(
            "a grandchild lands in its parent",
            nested.as_deref() == Some("nested\n"),
            nested,
        );
        child.commit()?;
        let landed = std::fs::read_to_string("/workspace/landed.txt").ok();
        self.that("and that in the session", landed.as_deref() == Some("nested\n"), landed);
        Ok(())
    }

    fn own(&mut self, task: &TaskContext) -> Result<(), AgentError> {
        let Some(id) = task.session_id() else {
            self.that("the session has an id", false, ());
            return Ok(());
        };
        let status = session::status(id)?;
        self.that("status", status.state == State::Open && status.open_children.is_empty(), status);
        let changes: Vec<String> = session::changes(id)?.into_iter().map(|c| c.path).collect();
        let all = ["landed.txt", "tools/greeting.txt"]
            .iter()
            .all(|path| changes.contains(&(*path).to_owned()));
        self.that("change-set of the own session", all, changes);
        let metadata = session::metadata(id)?;
        let task_id = metadata.task_id.as_deref() == Some(task.task_id());
        self.that("metadata of the own session", metadata.session_id == id && task_id, metadata);
        let unknown = session::status("sess-00000000-0000-4000-8000-000000000000");
        let is_unknown = matches!(unknown, Err(session::SessionError::Unknown(_)));
        self.that("status of an unknown session", is_unknown, unknown);
        Ok(())
    }
}

impl Checks {
    /// A child is put back and forth; what was open is stale, what is looked up is not.
    fn checkpoints(&mut self) -> Result<(), AgentError> {
        let child = Session::begin("/workspace")?;
        let path = child.path().join("step.txt");
        let put = |text: &str| std::fs::write(&path, text).at(&path);
        let get = || std::fs::read_to_string(&path).ok();
        put("one")?;
        let made = child.checkpoint("one");
        self.that(
            "checkpoint",
            made.as_ref().is_ok_and(|c| c.name == "one" && c.created_at_ms > 0),
            made,
        );
        let again = child.checkpoint("one");
        self.that("checkpoint exists", again == Err(CheckpointError::Exists("one".into())), again);
        let bad = child.checkpoint("");
        self.that(
            "checkpoint invalid-name",
            bad == Err(CheckpointError::InvalidName(String::new())),
            bad,
        );
        let mut open = std::fs::OpenOptions::new().read(true).append(true).open(&path).at(&path)?;
        open.write_all(b", two").at(&path)?;
        let later = child.path().join("later.txt");
        std::fs::write(&later, "later").at(&later)?;
        let here = std::fs::metadata(&later).is_ok();
        self.that(
            "a checkpoint leaves handles alone",
            get().as_deref() == Some("one, two") && here,
            get(),
        );
        let restored = child.restore("one");
        self.that("restore", restored.as_ref().is_ok_and(|c| c.name == "one"), restored);
        self.that("a restore is seen at once", get().as_deref() == Some("one"), get());
        let gone = std::fs::metadata(&later).is_err()
            && std::fs::read_dir(child.path())
                .at(child.path())?
                .flatten()
                .all(|e| e.file_name() != "later.txt");
        self.that("what came later is gone", gone, &later);
        let stale = (open.read(&mut [0]).is_err(), open.write_all(b"late").is_err());
        self.that("what was open is stale", stale == (true, true), stale);
        put("three")?;
        let missing = child.restore("two");
        self.that(
            "restore no-such-checkpoint",
            missing == Err(CheckpointError::NoSuchCheckpoint("two".into())),
            missing,
        );
        let names: Vec<_> = child.checkpoints()?.into_iter().map(|c| c.name).collect();
        self.that("checkpoints", names == ["one", BEFORE_RESTORE], names);
        child.restore(BEFORE_RESTORE)?;
        self.that("a restore is taken back", get().as_deref() == Some("one, two"), get());
        child.restore(BEFORE_RESTORE)?;
        let id = child.id().to_owned();
        child.commit()?;
        let landed = std::fs::read_to_string("/workspace/step.txt").ok();
        self.that("the restored state lands", landed.as_deref() == Some("three"), landed);
        let ended = checkpoint::make(&id, "late");
        self.that(
            "checkpoint of an ended session",
            ended == Err(CheckpointError::Ended(id)),
            ended,
        );
        let unknown = checkpoint::list("sess-00000000-0000-4000-8000-000000000000");
        self.that(
            "checkpoints of an unknown session",
            matches!(unknown, Err(CheckpointError::Unknown(_))),
            unknown,
        );
        std::fs::remove_file("/workspace/step.txt").at("/workspace/step.txt")?;
        Ok(())
    }

    /// The agent's own session, with a landed child in it.
    fn own_checkpoints(&mut self, task: &TaskContext) -> Result<(), AgentError> {
        let Some(id) = task.session_id() else { return Ok(()) };
        let made = checkpoint::make(id, "all-checked");
        self.that("checkpoint of the own session", made.is_ok(), made);
        std::fs::write("scratch.txt", "scratch").at("scratch.txt")?;
        std::fs::remove_file("landed.txt").at("landed.txt")?;
        let restored = checkpoint::restore(id, "all-checked");
        self.that("restore of the own session", restored.is_ok(), restored);
        let seen =
            (std::fs::exists("scratch.txt").ok(), std::fs::exists("/workspace/landed.txt").ok());
        self.that("the current directory goes on", seen == (Some(false), Some(true)), seen);
        std::fs::write("landed.txt", "nested\n").at("landed.txt")?;
        Ok(())
    }
}

brio_agent::export_agent!(Sessions);
