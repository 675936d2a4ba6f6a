//! Every promise has a proof that runs.

use std::collections::BTreeSet;

use brio_tests::{promises, root};

const TABLE: &str = include_str!("../PROMISES.md");

/// The lines that must be proven by now; later work extends the list.
fn due() -> BTreeSet<String> {
    let ranges = [
        ("B-", vec![1..=4, 10..=16, 20..=24, 30..=34, 40..=43, 50..=53, 60..=63, 70..=73, 80..=83]),
        ("B-", vec![90..=90, 100..=105, 110..=117, 120..=123]),
        ("F-", vec![1..=4, 10..=11, 20..=20, 30..=32, 40..=43, 50..=53, 60..=62, 70..=70, 80..=83]),
        ("M-", vec![1..=2, 10..=11, 20..=25, 30..=38, 40..=44, 50..=50, 60..=63, 70..=72]),
        ("M-", vec![80..=84, 90..=95]),
        ("T", vec![1..=23]),
    ];
    let mut due = BTreeSet::new();
    for (kind, ranges) in ranges {
        for n in ranges.into_iter().flatten() {
            due.insert(if kind == "T" { format!("T{n}") } else { format!("{kind}{n:03}") });
        }
    }
    // There is no line with this number.
    for gap in ["B-005", "B-006", "B-007", "B-008", "B-009", "B-017", "B-018", "B-019"] {
        due.remove(gap);
    }
    due
}

#[test]
fn every_promise_that_is_due_has_a_row() {
    let rows: BTreeSet<_> = promises::parse(TABLE).into_iter().map(|p| p.id).collect();
    let missing: Vec<_> = due().difference(&rows).cloned().collect();
    assert!(missing.is_empty(), "tests/PROMISES.md has no row for {missing:?}");
}

#[test]
fn every_named_test_is_there_and_not_ignored() {
    let mut defects = Vec::new();
    for p in promises::parse(TABLE) {
        if p.proofs.is_empty() {
            defects.push(format!("{}: names no test", p.id));
        }
        for (file, function) in &p.proofs {
            defects.extend(
                promises::defect(&root(), file, function).map(|d| format!("{}: {d}", p.id)),
            );
        }
    }
    assert!(defects.is_empty(), "{}", defects.join("\n"));
}

#[test]
fn the_check_itself_finds_what_is_missing_or_ignored() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(
        dir.path().join("t.rs"),
        "#[test]\nfn good() {}\n#[test]\n#[ignore]\nfn idle() {}\nfn plain() {}\n\
         fn own() {}\nfn main() { run(&[(\"own\", own)]) }\n\
         over! {\n    case,\n    other,\n}\nfn case(new: New) {}\n",
    )
    .expect("write");
    for good in ["good", "own", "case"] {
        assert_eq!(promises::defect(dir.path(), "t.rs", good), None);
    }
    for bad in ["idle", "plain", "absent"] {
        assert!(promises::defect(dir.path(), "t.rs", bad).is_some(), "{bad}");
    }
    let rows =
        promises::parse("| id | what | proof |\n|---|---|---|\n| B-001 | x | `t.rs::good` |\n");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].proofs, [("t.rs".to_owned(), "good".to_owned())]);
}
