#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn labels() -> Labels {
    Labels { ours: "ours (me)".into(), base: "base".into(), theirs: "theirs (landing 3)".into() }
}

fn clean(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let merged = merge_text(base.as_bytes(), ours.as_bytes(), theirs.as_bytes(), None).ok()?;
    assert!(!merged.marked);
    Some(String::from_utf8(merged.text).unwrap())
}

#[test]
fn endings_are_kept_exactly() {
    let cases = [
        ("a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n", "A\r\nb\r\nC\r\n"),
        ("a\nb\nc", "A\nb\nc", "a\nb\nc", "A\nb\nc"),
        ("a\nb\nc\nd", "A\nb\nc\nd", "a\nb\nc\nD", "A\nb\nc\nD"),
        ("a\nb\r\nc\n", "A\nb\r\nc\n", "a\nb\r\nC\n", "A\nb\r\nC\n"),
        ("", "", "x\n", "x\n"),
        ("a\n\n\nb\n", "A\n\n\nb\n", "a\n\n\nB\n", "A\n\n\nB\n"),
    ];
    for (base, ours, theirs, want) in cases {
        assert_eq!(clean(base, ours, theirs).as_deref(), Some(want), "{base:?}");
    }
}

#[test]
fn lines_that_touch_are_a_conflict() {
    assert_eq!(clean("a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n"), None);
    assert_eq!(clean("a\nb\n", "a\nx\nb\n", "a\ny\nb\n"), None);
    assert_eq!(clean("a\nb\nc\n", "a\nc\n", "a\nb\nx\nc\n"), None);
    assert_eq!(clean("a\nb", "a\nb\n", "a\nB"), None);
}

#[test]
fn markers_name_their_sides_stand_on_lines_of_their_own_and_are_found() {
    let merged = merge_text(b"a\nb", b"a\nX", b"a\nY", Some(&labels())).unwrap();
    assert_eq!(
        String::from_utf8(merged.text.clone()).unwrap(),
        "a\n<<<<<<< ours (me)\nX\n||||||| base\nb\n=======\nY\n>>>>>>> theirs (landing 3)\n"
    );
    assert!(merged.marked && is_marked(&merged.text));
    // With CRLF, and bytes that are no UTF-8.
    let merged =
        merge_text(b"a\r\n\xff\r\n", b"a\r\n\xfe\r\n", b"a\r\n\xfd\r\n", Some(&labels())).unwrap();
    assert_eq!(
        merged.text,
        b"a\r\n<<<<<<< ours (me)\r\n\xfe\r\n||||||| base\r\n\xff\r\n=======\r\n\xfd\r\n>>>>>>> theirs (landing 3)\r\n"
    );
}

#[test]
fn a_text_that_looks_like_markers_is_told_from_ours() {
    let heading = "Title\n=======\n<<<<<<< HEAD\ntext\n>>>>>>> topic\n";
    assert!(!is_marked(heading.as_bytes()));
    let (ours, theirs) = (heading.replace("text", "X"), heading.replace("text", "Y"));
    let merged =
        merge_text(heading.as_bytes(), ours.as_bytes(), theirs.as_bytes(), Some(&labels()))
            .unwrap();
    let text = String::from_utf8(merged.text).unwrap();
    assert!(is_marked(text.as_bytes()), "{text}");
    assert!(text.starts_with("Title\n=======\n<<<<<<< HEAD\n<<<<<<<<<<<<<<< ours (me)\nX\n"));
    // A label in one line, whatever a goal holds.
    let odd = Labels { ours: "ours\nx\r\n".into(), ..labels() };
    let merged = merge_text(b"a\n", b"b\n", b"c\n", Some(&odd)).unwrap();
    assert!(merged.text.starts_with(b"<<<<<<< ours x  \nb\n"), "{:?}", merged.text);
}

#[test]
fn nothing_panics_and_nothing_of_a_side_is_lost() {
    // Every text of up to four lines over three letters, against every other.
    let lines = ["a\n", "b\n", ""];
    let mut texts = vec![String::new()];
    for _ in 0..3 {
        let more: Vec<_> =
            texts.iter().flat_map(|t| lines.iter().map(move |l| format!("{t}{l}"))).collect();
        texts.extend(more);
        texts.sort();
        texts.dedup();
    }
    texts.push("a\nb".into());
    for base in &texts {
        for ours in &texts {
            for theirs in &texts {
                let Some(merged) = clean(base, ours, theirs) else { continue };
                if base == ours {
                    assert_eq!(merged, *theirs);
                }
                if base == theirs {
                    assert_eq!(merged, *ours);
                }
                if ours == theirs {
                    assert_eq!(merged, *ours);
                }
            }
        }
    }
}

#[test]
fn a_text_that_would_take_too_long_is_refused_and_a_long_one_is_not() {
    let lines = |n: usize| (0..n).map(|i| format!("{}\n", i % 7)).collect::<String>();
    let long = lines(60_000);
    let edited = long.clone() + "end\n";
    assert_eq!(clean(&long, &long, &edited), Some(edited.clone()));
    let (all, half) = (long.replace('3', "x"), long.replacen('3', "y", 4_000));
    let merged = merge_text(long.as_bytes(), all.as_bytes(), half.as_bytes(), Some(&labels()));
    assert_eq!(merged, Err(Unmerged::Large));
}
