#![allow(clippy::unwrap_used, reason = "tests")]

use brio_session::ChangeKind as K;
use sha2::{Digest, Sha256};

use super::*;

fn text(content: &str) -> Option<Version> {
    file(content.as_bytes(), 0o644)
}

fn file(content: &[u8], mode: u32) -> Option<Version> {
    let text = (!content.contains(&0)).then(|| content.to_vec());
    let sha256 = Some(Sha256::digest(content).into());
    Some(Version { mode, content: Content::File { size: content.len() as u64, sha256, text } })
}

/// A file of which only the hash is known.
fn hash_of(content: &[u8]) -> Option<Version> {
    let Some(Version { mode, content: Content::File { size, sha256, .. } }) = file(content, 0o644)
    else {
        unreachable!()
    };
    Some(Version { mode, content: Content::File { size, sha256, text: None } })
}

fn lost() -> Option<Version> {
    Some(Version { mode: 0o644, content: Content::File { size: 1, sha256: None, text: None } })
}

fn link(to: &str) -> Option<Version> {
    Some(Version { mode: 0o777, content: Content::Symlink(to.into()) })
}

fn dir(mode: u32) -> Option<Version> {
    Some(Version { mode, content: Content::Dir })
}

fn labels() -> Labels {
    Labels { ours: "ours (me)".into(), base: "base".into(), theirs: "theirs (landing 3)".into() }
}

type Row = (
    &'static str,
    K,
    Option<Version>,
    Option<Version>,
    Option<Version>,
    Result<Resolution, Unmerged>,
);

fn rows() -> Vec<Row> {
    use Resolution::{Mixed, Ours, Text, Theirs};
    let merged = |t: &str, mode| Text { bytes: t.into(), mode, marked: false };
    let (base, top, end) = ("a\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n");
    vec![
        ("the same text", K::Modified, text("a"), text("b"), text("b"), Ok(Theirs)),
        ("the same new file", K::Added, None, text("b"), text("b"), Ok(Theirs)),
        ("both removed it", K::Removed, text("a"), None, None, Ok(Theirs)),
        ("the same link", K::Added, None, link("x"), link("x"), Ok(Theirs)),
        (
            "texts apart",
            K::Modified,
            text(base),
            text(top),
            text(end),
            Ok(merged("A\nb\nc\nd\nE\n", 0o644)),
        ),
        (
            "texts apart, and a mode of each",
            K::Modified,
            text(base),
            file(top.as_bytes(), 0o755),
            text(end),
            Ok(merged("A\nb\nc\nd\nE\n", 0o755)),
        ),
        (
            "the same lines",
            K::Modified,
            text("a\n"),
            text("b\n"),
            text("c\n"),
            Err(Unmerged::Overlap),
        ),
        (
            "our mode, their text",
            K::MetaOnly,
            text("a"),
            file(b"a", 0o600),
            text("c"),
            Ok(Mixed { ours: false, mode: 0o600 }),
        ),
        (
            "our text, their mode",
            K::Modified,
            text("a"),
            text("b"),
            file(b"a", 0o600),
            Ok(Mixed { ours: true, mode: 0o600 }),
        ),
        (
            "our bytes, their mode, only a hash of the ancestor",
            K::Modified,
            hash_of(b"a\0"),
            file(b"b\0", 0o644),
            file(b"a\0", 0o600),
            Ok(Mixed { ours: true, mode: 0o600 }),
        ),
        (
            "the same text, another mode of theirs",
            K::Modified,
            text("a"),
            text("b"),
            file(b"b", 0o600),
            Ok(Mixed { ours: false, mode: 0o600 }),
        ),
        (
            "two modes",
            K::MetaOnly,
            text("a"),
            file(b"a", 0o600),
            file(b"a", 0o640),
            Err(Unmerged::Mode),
        ),
        (
            "bytes",
            K::Modified,
            file(b"a\0", 0o644),
            file(b"b\0", 0o644),
            file(b"c\0", 0o644),
            Err(Unmerged::Binary),
        ),
        ("no ancestor", K::Modified, lost(), text("a\n"), text("b\n"), Err(Unmerged::NoAncestor)),
        (
            "a hash is no ancestor",
            K::Modified,
            hash_of(b"o"),
            text("a\n"),
            text("b\n"),
            Err(Unmerged::NoAncestor),
        ),
        ("both made it", K::Added, None, text("a"), text("b"), Err(Unmerged::BothAdded)),
        ("both made it, one empty", K::Added, None, text(""), text("b"), Err(Unmerged::BothAdded)),
        (
            "both made it, modes differ",
            K::Added,
            None,
            text("a"),
            file(b"a", 0o600),
            Err(Unmerged::BothAdded),
        ),
        ("we removed it", K::Removed, text("a"), None, text("b"), Err(Unmerged::RemovedByUs)),
        ("they removed it", K::Modified, text("a"), text("b"), None, Err(Unmerged::RemovedByThem)),
        ("its directory is gone", K::Added, None, text("b"), None, Err(Unmerged::Directory)),
        ("two kinds", K::TypeChanged, text("a"), link("x"), text("b"), Err(Unmerged::Kind)),
        ("a directory and a file", K::Added, None, dir(0o755), text("b"), Err(Unmerged::Kind)),
        (
            "both made a link of a file",
            K::TypeChanged,
            text("a"),
            link("x"),
            link("y"),
            Err(Unmerged::BothAdded),
        ),
        ("two links", K::Modified, link("o"), link("x"), link("y"), Err(Unmerged::Link)),
        ("our link, theirs only touched", K::Modified, link("o"), link("x"), link("o"), Ok(Ours)),
        (
            "modes of a directory",
            K::MetaOnly,
            dir(0o755),
            dir(0o700),
            dir(0o755),
            Ok(Mixed { ours: false, mode: 0o700 }),
        ),
        (
            "two modes of a directory",
            K::MetaOnly,
            dir(0o755),
            dir(0o700),
            dir(0o750),
            Err(Unmerged::Mode),
        ),
        (
            "an emptied file and an edit",
            K::Modified,
            text("a\n"),
            text(""),
            text("b\n"),
            Err(Unmerged::Overlap),
        ),
        (
            "no last newline on one side",
            K::Modified,
            text("a\nb\nc\nd"),
            text("A\nb\nc\nd"),
            text("a\nb\nc\nd\n"),
            Ok(merged("A\nb\nc\nd\n", 0o644)),
        ),
    ]
}

#[test]
fn what_nobody_disputes_is_merged_and_the_rest_says_why() {
    // B-082
    for (what, change, base, ours, theirs, want) in rows() {
        let case = Case { change: Some(change), base, ours, theirs };
        assert_eq!(merge(&case, None), want, "{what}");
    }
}

#[test]
fn with_labels_only_overlapping_texts_turn_out_otherwise() {
    for (what, change, base, ours, theirs, want) in rows() {
        let same_mode = ours.as_ref().map(|v| v.mode) == theirs.as_ref().map(|v| v.mode);
        let texts = [&ours, &theirs].iter().all(|v| {
            matches!(v, Some(Version { content: Content::File { text: Some(_), .. }, .. }))
        });
        let case = Case { change: Some(change), base, ours, theirs };
        let got = merge(&case, Some(&labels()));
        match want {
            Err(Unmerged::Overlap) => {
                assert!(
                    matches!(got, Ok(Resolution::Text { marked: true, .. })),
                    "{what}: {got:?}"
                );
            }
            Err(Unmerged::BothAdded) if texts && same_mode => {
                assert!(matches!(got, Ok(Resolution::Text { .. })), "{what}: {got:?}");
            }
            want => assert_eq!(got, want, "{what}"),
        }
    }
}

#[test]
fn force_takes_ours_but_a_mode_changes_only_the_mode() {
    for (what, change, base, ours, theirs, _) in rows() {
        let both_kinds = ours.as_ref().map(Version::kind) == theirs.as_ref().map(Version::kind);
        let mode = ours.as_ref().map(|v| v.mode);
        let case = Case { change: Some(change), base, ours, theirs };
        let want = match change {
            K::MetaOnly if both_kinds => Resolution::Mixed { ours: false, mode: mode.unwrap() },
            _ => Resolution::Ours,
        };
        assert_eq!(force(&case), want, "{what}");
    }
}
