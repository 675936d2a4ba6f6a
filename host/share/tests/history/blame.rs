//! Where lines come from.

use brio_landing::{BlameError, Origin, Policy};
use brio_session::{RelPath, ViewOptions};
use brio_share::{LandOptions, ShareError};
use brio_store::Why;

use crate::common::{Machine, machine, project};
use crate::{import, land, path, undo};

fn told(m: &Machine, file: &str) -> Vec<(String, u64)> {
    let of = |o: &Origin| match o {
        Origin::Landing { landing, .. } => *landing,
        other => panic!("{other:?}"),
    };
    let line =
        |l: &brio_landing::BlameLine| (String::from_utf8(l.text.clone()).unwrap(), of(&l.origin));
    m.place.blame(&path(file)).unwrap().lines.iter().map(line).collect()
}

/// Blame says of each line what a replay of all landings says, whatever they did to the file.
#[test]
fn blame_is_what_a_replay_says() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    for seed in [1, 2, 3u64] {
        let file = format!("dir/file-{seed}");
        let mut random = seed * 0x9e37_79b9;
        let mut below = |n: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 8) as usize % n
        };
        let mut lines: Vec<(String, u64)> = Vec::new();
        let mut next = a.place.head().unwrap().0.position() + 1;
        for round in 0..60 {
            if below(4) == 0 {
                import(&b.place, &[("beside", Some(round.to_string().as_bytes()))], Why::default());
                next += 1;
            }
            for n in 0..=below(3) {
                let at = below(lines.len() + 1);
                match below(3) {
                    0 if at < lines.len() => drop(lines.remove(at)),
                    1 if at < lines.len() => {
                        lines[at] = (format!("{seed} {round} {n} again\n"), next)
                    }
                    _ => lines.insert(at, (format!("{seed} {round} {n}\n"), next)),
                }
            }
            // Something changes each time.
            lines.push((format!("{seed} end of {round}\n"), next));
            let text: String = lines.iter().map(|(l, _)| l.as_str()).collect();
            assert_eq!(
                import(&a.place, &[(&file, Some(text.as_bytes()))], Why::default()).position,
                next
            );
            next += 1;
        }
        assert_eq!(told(&a, &file), lines, "seed {seed}");
        assert_eq!(told(&b, &file), lines, "seed {seed}, elsewhere");
    }
}

/// A file is followed where it was moved, and through what was undone; what has no lines is
/// refused by its code.
#[test]
fn blame_follows_moves_and_undos() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    land(&a, "first", &[("old", Some(b"one\ntwo\nthree\n")), ("bin", Some(b"a\0b"))]);
    land(&b, "second", &[("old", Some(b"one\n2\nthree\n"))]);
    let s = a.begin("move");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let root = w.view().root();
    w.view().rename_at(&root, b"old", &root, b"new").unwrap();
    w.view().set_mode_at(&root, b"new", false, 0o755).unwrap();
    w.finish().unwrap();
    a.place.land(&s, &LandOptions::default()).unwrap();
    land(&b, "fourth", &[("new", Some(b"one\n2\nthree\nfour\n"))]);
    let lines = |of: &[(&str, u64)]| -> Vec<(String, u64)> {
        of.iter().map(|(l, n)| (format!("{l}\n"), *n)).collect()
    };
    assert_eq!(told(&b, "new"), lines(&[("one", 1), ("2", 2), ("three", 1), ("four", 4)]));

    land(&a, "fifth", &[("new", Some(b"all\nelse\n"))]);
    undo(&b, 5, Policy::Reject).unwrap();
    assert_eq!(told(&a, "new"), lines(&[("one", 1), ("2", 2), ("three", 1), ("four", 4)]));
    undo(&b, 6, Policy::Reject).unwrap();
    assert_eq!(told(&a, "new"), lines(&[("all", 5), ("else", 5)]));

    // A goal and a session stand behind each.
    let blame = a.place.blame(&path("new")).unwrap();
    let Origin::Landing { session, goal, .. } = &blame.lines[0].origin else { panic!() };
    assert!(session.is_some() && goal.as_deref() == Some("fifth"), "{blame:?}");
    let code = |p: &str| match a.place.blame(&path(p)).unwrap_err() {
        ShareError::Blame(e) => e,
        e => panic!("{e}"),
    };
    assert!(matches!(code("old"), BlameError::Missing { .. }));
    assert!(matches!(code("bin"), BlameError::Binary { .. }));
    assert!(matches!(
        a.place.blame(&RelPath::root()),
        Err(ShareError::Blame(BlameError::NotAFile { .. }))
    ));
}
