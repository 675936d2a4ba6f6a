//! What was said and decided in a session stays in the journal, and its landing leads there.
//! B-073, B-110, M-002.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write;

use brio_landing::{
    BeginOptions, Decision, Domain, JournalEntry, JournalKind, JournalLine, LogFilter, Session,
};
use common::{begin, commit, edit, open, writer};

fn decision(title: &str) -> Decision {
    Decision { title: title.into(), why: "it is so".into(), alternatives: vec!["b".into()] }
}

fn all(d: &Domain) -> Vec<JournalLine> {
    d.journal_reader().unwrap().more().unwrap()
}

fn whats(d: &Domain, s: &Session) -> Vec<(JournalKind, String)> {
    let of = all(d).into_iter().filter(|l| l.entry.session.as_ref() == Some(s.id()));
    of.map(|l| (l.entry.kind(), l.entry.what)).collect()
}

#[test]
fn words_and_decisions_stay_when_the_session_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let s = begin(&d, "tidy up");
    s.say("ann", "why not rename it?").unwrap();
    // Somebody may be working in it.
    let w = writer(&s);
    s.say("tester", "done:\n  renamed").unwrap();
    s.decide("tester", &decision("rename")).unwrap();
    w.finish().unwrap();
    d.rollback(s.id(), false).unwrap();
    use JournalKind as K;
    let expected = [
        (K::Goal, "begun"),
        (K::Conversation, "said"),
        (K::Conversation, "said"),
        (K::Decision, "decided"),
        (K::Operation, "rolled-back"),
    ];
    assert_eq!(whats(&d, &s), expected.map(|(k, w)| (k, w.to_owned())));
    let lines = all(&d);
    let begun = &lines[0].entry;
    assert_eq!((begun.goal.as_deref(), begun.agent.as_deref()), (Some("tidy up"), Some("tester")));
    let said = lines[2].entry.detail.clone().unwrap();
    assert_eq!(said, serde_json::json!({ "author": "tester", "text": "done:\n  renamed" }));
    let decided = lines[3].entry.detail.clone().unwrap();
    let whole = serde_json::json!({
        "author": "tester", "title": "rename", "why": "it is so", "alternatives": ["b"],
    });
    assert_eq!(decided, whole);
    assert_eq!(s.say("ann", "too late").unwrap_err().code(), "SESSION_ENDED");
    assert_eq!(all(&d).len(), 5);
}

#[test]
fn a_landing_leads_to_its_decisions_and_those_of_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let (s, other) = (begin(&d, "feature"), begin(&d, "other"));
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() }).unwrap();
    let gone =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() }).unwrap();
    s.decide("a", &decision("first")).unwrap();
    child.decide("b", &decision("in the child")).unwrap();
    gone.decide("c", &decision("thrown away")).unwrap();
    other.decide("d", &decision("elsewhere")).unwrap();
    edit(&child, &[("f", b"child")]);
    edit(&other, &[("g", b"other")]);
    d.rollback(gone.id(), false).unwrap();
    commit(&d, child.id()).unwrap();
    s.decide("a", &decision("last")).unwrap();
    commit(&d, s.id()).unwrap();
    commit(&d, other.id()).unwrap();
    let log = d.log(&LogFilter::default()).unwrap();
    let titles = |i: usize| -> Vec<_> {
        log.landings[i].decisions.iter().map(|d| (d.session.clone(), d.title.as_str())).collect()
    };
    assert_eq!(titles(0), [(other.id().clone(), "elsewhere")]);
    let (s, child) = (s.id().clone(), child.id().clone());
    assert_eq!(titles(1), [(s.clone(), "first"), (child, "in the child"), (s, "last")]);
    // The journal says the same at the landing's line, whoever reads it.
    let lines = all(&open(dir.path()));
    let landed: Vec<_> = lines.iter().filter(|l| l.entry.what == "landed").collect();
    assert_eq!(landed[0].decisions, log.landings[1].decisions);
}

#[test]
fn a_reader_follows_whole_lines_and_drops_none_of_a_newer_version() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let s = begin(&d, "");
    let mut reader = d.journal_reader().unwrap();
    assert_eq!(reader.more().unwrap().len(), 1);
    assert!(reader.more().unwrap().is_empty());
    let path = dir.path().join(".brio/journal");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let newer = format!(
        "{{\"time\":{{\"secs\":1,\"nanos\":0}},\"kind\":\"dream\",\"what\":\"dreamt\",\
         \"session\":\"{}\",\"sheep\":3}}\n",
        s.id()
    );
    let (one, two) = newer.split_at(30);
    file.write_all(one.as_bytes()).unwrap();
    assert!(reader.more().unwrap().is_empty(), "half a line is none yet");
    file.write_all(two.as_bytes()).unwrap();
    let lines = reader.more().unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].entry.kind(), JournalKind::Other("dream".into()));
    assert_eq!(lines[0].entry.kind().as_str(), "dream");
    // What is torn, or nobody's, is left out, and what comes after it is not.
    file.write_all(b"{torn\n\xff\xfe\n").unwrap();
    s.say("a", "b").unwrap();
    let lines = reader.more().unwrap();
    assert_eq!(lines.iter().map(|l| &*l.entry.what).collect::<Vec<_>>(), ["said"]);
    // Lines of before there were kinds have one all the same.
    file.write_all(b"{\"time\":{\"secs\":1,\"nanos\":0},\"what\":\"conflict\"}\n").unwrap();
    let lines = reader.more().unwrap();
    assert_eq!((&lines[0].entry.kind, lines[0].entry.kind()), (&None, JournalKind::Audit));
}

/// A session's words are its own and those of what landed in it, also a caller's, and also in
/// lines of before there were kinds.
#[test]
fn the_words_of_a_session_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let (s, other) = (begin(&d, "said"), begin(&d, "decided"));
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..BeginOptions::default() }).unwrap();
    s.say("ann", "a \"conversation\"").unwrap();
    child.decide("b", &decision("in the child")).unwrap();
    other.say("ann", "elsewhere").unwrap();
    edit(&child, &[("f", b"child")]);
    commit(&d, child.id()).unwrap();
    let entry = |kind: Option<JournalKind>, what: &str| JournalEntry {
        kind,
        session: Some(s.id().clone()),
        ..JournalEntry::new(brio_session::Time::default(), what)
    };
    d.journal(&entry(Some(JournalKind::Decision), "picked")).unwrap();
    d.journal(&entry(Some(JournalKind::Operation), "counted")).unwrap();
    let old = serde_json::to_string(&entry(None, "said")).unwrap();
    let path = dir.path().join(".brio/journal");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(format!("{{torn\n{old}\n").as_bytes()).unwrap();
    let whats = |s: &Session| -> Vec<_> {
        s.words().unwrap().into_iter().map(|e| (e.kind(), e.what)).collect()
    };
    use JournalKind as K;
    let expected = [
        (K::Conversation, "said"),
        (K::Decision, "decided"),
        (K::Decision, "picked"),
        (K::Conversation, "said"),
    ];
    assert_eq!(whats(&s), expected.map(|(k, w)| (k, w.to_owned())));
    assert_eq!(whats(&other), [(K::Conversation, "said".to_owned())]);
}

#[test]
fn empty_and_endless_words_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let s = begin(&d, "");
    let long = "x".repeat((64 << 10) + 1);
    for (author, text) in [("", "x"), ("a", " \n"), ("a", &long), (&long, "x")] {
        let e = s.say(author, text).unwrap_err();
        assert_eq!(e.code(), "JOURNAL_TEXT");
        assert!(e.to_string().starts_with("JOURNAL_TEXT: the "), "{e}");
    }
    let many = Decision { alternatives: vec![String::new(); 65], ..decision("t") };
    for bad in [decision(""), many, Decision { why: long, ..decision("t") }] {
        assert_eq!(s.decide("a", &bad).unwrap_err().code(), "JOURNAL_TEXT");
    }
    s.decide("a", &Decision { title: "t".into(), ..Decision::default() }).unwrap();
    assert_eq!(all(&d).len(), 2);
}
