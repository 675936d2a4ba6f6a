//! `record`: calls every function of `project-record` on a project without notes, checks what they
//! answer and prints a line for each. With arguments it does one thing instead: `write PATH TEXT`,
//! `fail PATH TEXT` (writes, then reports a failure), `read PATH`, `state`, `large` (notes of 16 MiB
//! until it may write no more).
//!
//! Landed afterwards: `record.txt`, the record in mode `coding`, what the agent `planner` knows,
//! and the note `plans/next`.

use std::fmt::Debug;

use brio_agent::record::{self, Mode, RecordError, Update};
use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput, notes};

struct Record;

impl Agent for Record {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let args = task.args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match args.as_slice() {
            [] => all(),
            ["write", path, text] => {
                let version = notes::write(path, text)?;
                Ok(TaskOutput::new(format!("version {version}")))
            }
            ["fail", path, text] => {
                notes::write(path, text)?;
                Err(AgentError::failed("as it was told"))
            }
            ["state"] => {
                let state = record::get()?;
                Ok(TaskOutput::new(format!("{:?} {:?} {}", state.mode, state.task, state.version)))
            }
            ["read", path] => {
                let content = notes::read(path)?.map(|note| note.content);
                Ok(TaskOutput::new(content.unwrap_or_else(|| "none".into())))
            }
            ["large"] => {
                let text = "x".repeat(16 << 20);
                let written = |n: &u32| notes::write(&format!("large/{n}"), &text);
                let (count, error) =
                    match (0..100).map(|n| written(&n)).enumerate().find(|(_, r)| r.is_err()) {
                        Some((count, error)) => (count, error.err()),
                        None => (100, None),
                    };
                match error {
                    Some(RecordError::Limit(_)) => Ok(TaskOutput::new(format!("{count} notes"))),
                    other => Err(AgentError::CheckFailed(format!("{count} notes, then {other:?}"))),
                }
            }
            other => Err(AgentError::invalid(format!("{other:?}"))),
        }
    }
}

fn all() -> Result<TaskOutput, AgentError> {
    let mut checks = Checks::default();
    checks.record()?;
    checks.contexts()?;
    checks.notes()?;
    checks.versions()?;
    checks.names();
    checks.bounds();
    std::fs::write("record.txt", "remembered\n").at("record.txt")?;
    match checks.failed {
        0 => Ok(TaskOutput::new(format!("{} checks held", checks.held))),
        failed => Err(AgentError::CheckFailed(format!("{failed} checks did not hold"))),
    }
}

#[derive(Default)]
struct Checks {
    held: u32,
    failed: u32,
}

impl Checks {
    fn that(&mut self, name: &str, holds: bool, seen: impl Debug) {
        let seen: String = format!("{seen:?}").chars().take(400).collect();
        println!("{} {name}: {seen}", if holds { "OK" } else { "FAIL" });
        *(if holds { &mut self.held } else { &mut self.failed }) += 1;
    }

    fn record(&mut self) -> Result<(), AgentError> {
        let new = record::get()?;
        let empty = new.mode == Mode::Analysis
            && new.mode_history.is_empty()
            && (&new.task, &new.feature, new.version) == (&None, &None, 0)
            && new.created_at_ms > 0
            && new.created_at_ms == new.updated_at_ms;
        self.that("get-record", empty, &new);
        let update = Update::new().mode(Mode::Coding).task("parser").feature("notes");
        let set = update.apply()?;
        let as_set = set.mode == Mode::Coding
            && set.task.as_deref() == Some("parser")
            && set.feature.as_deref() == Some("notes")
            && set.version == 1
            && matches!(set.mode_history.as_slice(), [one] if one.mode == Mode::Coding && one.changed_at_ms > 0);
        self.that("set-record", as_set, &set);
        let same = Update::new().mode(Mode::Coding).task("").apply()?;
        let cleared = same.task.is_none() && same.feature == set.feature;
        let kept = same.mode_history == set.mode_history && same.version == 2;
        self.that("set-record clears", cleared && kept, &same);
        for (mode, count) in
            [(Mode::Planning, 2), (Mode::Disabled, 3), (Mode::Analysis, 4), (Mode::Coding, 5)]
        {
            let now = Update::new().mode(mode).apply()?;
            let last = now.mode_history.last().map(|change| change.mode);
            self.that("every mode", now.mode_history.len() == count && last == Some(mode), &now);
        }
        let read = record::get()?;
        self.that("get-record again", read.version == 6 && read.mode == Mode::Coding, &read);
        let long = Update::new().task("x".repeat((64 << 10) + 1)).apply();
        self.that("a long task", matches!(long, Err(RecordError::TooLarge(_))), &long);
        Ok(())
    }

    fn contexts(&mut self) -> Result<(), AgentError> {
        let none = record::load_context("planner")?;
        self.that("load-agent-context none", none.is_none(), &none);
        record::save_context("planner", "{\"next\":[1,2]}")?;
        let saved = record::save_context("planner", "{\"next\":[\"lexer\",3]}");
        self.that("save-agent-context", saved.is_ok(), &saved);
        let known = record::load_context("planner")?;
        let laid_out = "{\n  \"next\": [\n    \"lexer\",\n    3\n  ]\n}";
        self.that("load-agent-context", known.as_deref() == Some(laid_out), &known);
        let other = record::load_context("qa")?;
        self.that("another agent's", other.is_none(), &other);
        let stored = notes::read("sessions/agent-planner")?.map(|note| note.content);
        self.that("a context is a note", stored == known, &stored);
        for bad in ["", "{", "{} {}", "nul", &"[".repeat(200)] {
            let saved = record::save_context("planner", bad);
            self.that("no JSON", matches!(saved, Err(RecordError::InvalidJson(_))), &saved);
        }
        for bad in
            ["", "Planner", "-a", "a/b", "../session", "a b", &"a".repeat(65), &"a".repeat(100_000)]
        {
            let saved = record::save_context(bad, "{}");
            self.that("no agent", matches!(saved, Err(RecordError::InvalidAgent(_))), &saved);
            let known = record::load_context(bad);
            self.that(
                "no agent to load",
                matches!(known, Err(RecordError::InvalidAgent(_))),
                &known,
            );
        }
        notes::write("sessions/agent-critic", "no JSON")?;
        let corrupt = record::load_context("critic");
        self.that("a corrupt context", matches!(corrupt, Err(RecordError::Corrupt(_))), &corrupt);
        notes::remove("sessions/agent-critic")?;
        Ok(())
    }

    fn notes(&mut self) -> Result<(), AgentError> {
        let none = notes::read("plans/next")?;
        self.that("read-note none", none.is_none(), &none);
        let first = notes::write("plans/next", "first")?;
        let second = notes::write("plans/next", "second, ü\n")?;
        self.that("write-note", first > 0 && second > first, (first, second));
        let read = notes::read("plans/next")?;
        let as_written = read.as_ref().is_some_and(|note| {
            note.content == "second, ü\n" && note.version == second && note.written_at_ms > 0
        });
        self.that("read-note", as_written, &read);
        notes::write("plans/deep/er", "")?;
        notes::write("else", "x")?;
        let paths = |pattern: &str| -> Result<Vec<String>, AgentError> {
            Ok(notes::list(pattern)?.into_iter().map(|note| note.path).collect())
        };
        let one = paths("plans/*")?;
        self.that("list-notes", one == ["plans/next"], &one);
        let below = paths("plans/**")?;
        self.that("list-notes below", below == ["plans/deep/er", "plans/next"], &below);
        let all = paths("**")?;
        let known =
            ["else", "plans/deep/er", "plans/next", "sessions/agent-planner", "sessions/session"];
        self.that("list-notes all", all == known, &all);
        let info = notes::list("plans/n*")?;
        let told =
            matches!(info.as_slice(), [one] if one.version == second && one.written_at_ms > 0);
        self.that("list-notes tells versions", told, &info);
        let removed = notes::remove("plans/deep/er")?;
        self.that("remove-note", removed.is_some(), removed);
        let again = notes::remove("plans/deep/er")?;
        self.that("remove-note none", again.is_none(), again);
        notes::remove("else")?;
        let gone = (notes::read("else")?.is_none(), paths("plans/**")?);
        self.that("a removed note is none", gone.0 && gone.1 == ["plans/next"], &gone);
        let history = notes::history("plans/deep/er")?;
        let told = matches!(history.as_slice(), [newest, oldest] if newest.content.is_none()
            && Some(newest.version) == removed && oldest.content.as_deref() == Some(""));
        self.that("note-history", told, &history);
        let history = notes::history("plans/next")?;
        let contents: Vec<_> = history.iter().map(|version| version.content.as_deref()).collect();
        self.that(
            "note-history of all writes",
            contents == [Some("second, ü\n"), Some("first")],
            &contents,
        );
        let never = notes::history("never")?;
        self.that("note-history of none", never.is_empty(), &never);
        Ok(())
    }

    fn versions(&mut self) -> Result<(), AgentError> {
        let first = notes::write_if("counted", "1", 0)?;
        let late = notes::write_if("counted", "2", 0);
        self.that("write-note changed", late == Err(RecordError::Changed(first)), &late);
        let second = notes::write_if("counted", "2", first)?;
        let late = notes::remove_if("counted", first);
        self.that("remove-note changed", late == Err(RecordError::Changed(second)), &late);
        let removed = notes::remove_if("counted", second)?;
        self.that("remove-note expected", removed.is_some_and(|v| v > second), removed);
        let gone = notes::write_if("counted", "3", second);
        self.that("write-note changed to none", gone == Err(RecordError::Changed(0)), &gone);
        Ok(())
    }

    /// Names that lead out, or nowhere.
    fn names(&mut self) {
        let long = "a".repeat(256);
        let longer = "a".repeat(100_000);
        for bad in [
            "",
            "/etc/passwd",
            "..",
            "../up",
            "a/../../b",
            "./a",
            "a//b",
            "a/",
            ".brio/notes",
            "a/.BRIO",
            "a\0b",
            "a\nb",
            "..\\up",
            " a",
            "a ",
            &long,
            &longer,
        ] {
            let invalid = |e: &RecordError| matches!(e, RecordError::InvalidPath(_));
            let seen = [
                notes::read(bad).err(),
                notes::write(bad, "x").err(),
                notes::remove(bad).err(),
                notes::history(bad).err(),
            ];
            self.that("invalid-path", seen.iter().all(|e| e.as_ref().is_some_and(invalid)), &seen);
        }
        for bad in ["", "[", "{a", &long, &longer] {
            let listed = notes::list(bad);
            self.that("no pattern", matches!(listed, Err(RecordError::InvalidPath(_))), &listed);
        }
    }

    fn bounds(&mut self) {
        let whole = "x".repeat(16 << 20);
        let written = notes::write("large", &whole);
        let read = notes::read("large").ok().flatten().map(|note| note.content == whole);
        self.that("16 MiB go in", written.is_ok() && read == Some(true), &written);
        let larger = notes::write("large", &"x".repeat((16 << 20) + 1));
        self.that("no more than 16 MiB", matches!(larger, Err(RecordError::TooLarge(_))), &larger);
        let json = format!("\"{}\"", "x".repeat(1 << 20));
        let larger = record::save_context("planner", &json);
        self.that("no more than 1 MiB", matches!(larger, Err(RecordError::TooLarge(_))), &larger);
        let removed = notes::remove("large");
        self.that("and it goes again", matches!(removed, Ok(Some(_))), &removed);
    }
}

brio_agent::export_agent!(Record);
