//! What landed, and what of it changed a path.

use std::collections::BTreeMap;

use brio_landing::Log;
use brio_session::{RelPath, ViewOptions};
use brio_share::LandOptions;
use brio_store::Why;

use crate::common::{machine, project};
use crate::tapped::Tapped;
use crate::{import, land, path, positions};

/// Each landing says who, why and how much, on every machine: of sessions and of imports; a
/// rename is what came and what went, another kind is a change.
#[test]
fn what_landed_is_told() {
    let line = project();
    let (a, b) = (machine(&line), machine(&line));
    assert_eq!(a.place.log(None, None).unwrap(), Log::default());
    let why = Why { who: Some("someone".into()), message: Some("import".into()), ..Why::default() };
    import(&a.place, &[("d/one", Some(b"1")), ("d/two", Some(b"2")), ("x", Some(b"x"))], why);

    let s = b.begin("reshape");
    let w = s.writer("test", ViewOptions::default()).unwrap();
    let (v, root) = (w.view(), w.view().root());
    v.rename_at(&root, b"d", &root, b"moved").unwrap();
    v.unlink_at(&root, b"x").unwrap();
    v.symlink_at(b"moved", &root, b"x").unwrap();
    w.finish().unwrap();
    let how = LandOptions { message: Some("as told".into()), ..LandOptions::default() };
    b.place.land(&s, &how).unwrap();
    land(&b, "more", &[("moved/one", Some(b"3")), ("moved/three", Some(b""))]);

    for m in [&a, &b] {
        let log = m.place.log(None, None).unwrap();
        assert_eq!((positions(&log), log.kept_since), (vec![3, 2, 1], Some(1)));
        let [more, reshape, import] = &log.landings[..] else { panic!("{log:?}") };
        let counts = |l: &brio_landing::LogEntry| (l.added, l.modified, l.removed);
        assert_eq!(
            (counts(more), counts(reshape), counts(import)),
            ((1, 1, 0), (3, 1, 3), (4, 0, 0))
        );
        assert_eq!((&import.session, import.who.as_deref()), (&None, Some("someone")));
        assert_eq!((&import.goal, import.message.as_deref()), (&None, Some("import")));
        assert_eq!(reshape.session.as_ref(), Some(s.id()));
        assert_eq!(
            (reshape.goal.as_deref(), reshape.agent.as_deref()),
            (Some("reshape"), Some("tester"))
        );
        assert_eq!((reshape.message.as_deref(), &more.message), (Some("as told"), &None));
        assert!(
            log.landings.iter().all(|l| l.undoable && l.undo_of.is_none() && l.undone_by.is_none())
        );
        assert!(more.time >= reshape.time && reshape.time >= import.time);

        let of = |p: &str| positions(&m.place.log(None, Some(&path(p))).unwrap());
        assert_eq!((of("d"), of("moved"), of("moved/one")), (vec![2, 1], vec![3, 2], vec![3, 2]));
        assert_eq!(
            (of("x"), of("d/two"), of("never"), of("mov")),
            (vec![2, 1], vec![2, 1], vec![], vec![])
        );
        assert_eq!(positions(&m.place.log(Some(2), None).unwrap()), [3, 2]);
        assert_eq!(positions(&m.place.log(Some(1), Some(&path("moved"))).unwrap()), [3]);
        assert!(m.place.log(Some(0), None).unwrap().landings.is_empty());
        assert_eq!(positions(&m.place.log(None, Some(&RelPath::root())).unwrap()), [3, 2, 1]);
    }
}

/// Of 2,000 landings those that changed a path are found without a look at each: the landings that
/// changed it are all named, also where they were undone, for some requests for each of them.
#[test]
fn a_paths_history_costs_what_changed_there() {
    const LANDINGS: u64 = 2_000;
    let counted = Tapped::project();
    let place = counted.machine();
    let mut wanted: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut log = |what: &'static str, n: u64| wanted.entry(what).or_default().insert(0, n);
    for n in 1..=LANDINGS {
        let content = n.to_string();
        let file = match n {
            7 | 500 | 501 | 1_200 | 1_998 => "rare/file",
            1_500 => "rare/other",
            _ => &format!("often/{}", n % 5),
        };
        match n {
            7 | 500 | 501 | 1_200 | 1_998 => log("rare/file", n),
            1_500 => log("rare/other", n),
            _ if n % 5 == 3 => log("often/3", n),
            _ => {}
        }
        if n == 700 {
            // Undone right after: before and after it is the same.
            import(&place, &[("undone/file", Some(b"x"))], Why::default());
            log("undone", n);
            continue;
        }
        if n == 701 {
            let why = Why { undo_of: Some(700), ..Why::default() };
            import(&place, &[("undone/file", None), ("undone", None)], why);
            log("undone", n);
            continue;
        }
        import(&place, &[(file, Some(content.as_bytes()))], Why::default());
    }
    let asked = |p: &str, limit: Option<usize>| {
        let cold = counted.machine();
        counted.requests();
        let log = cold.log(limit, Some(&path(p))).unwrap();
        let cost = counted.requests();
        println!("{p}, {limit:?}: {} landings, {cost} requests", log.landings.len());
        (log, cost)
    };
    let (none, cost) = asked("never", None);
    assert!(none.landings.is_empty());
    // The newest 128 records, and some look-ups.
    assert!(cost <= 128 + 40, "{cost} requests for a path that was never there");
    for (what, each) in [("rare/file", 55), ("rare/other", 55), ("undone", 55), ("often/3", 7)] {
        let (log, cost) = asked(what, None);
        assert_eq!(positions(&log), wanted[what], "{what}");
        let most = 128 + 40 + each * wanted[what].len() as u64;
        assert!(cost <= most, "{what}: {cost} requests, at most {most}");
    }
    let (rare, _) = asked("rare", None);
    assert_eq!(positions(&rare), [1_998, 1_500, 1_200, 501, 500, 7]);
    let (last, cost) = asked("often", Some(3));
    assert_eq!(last.landings.len(), 3);
    assert!(cost <= 160, "{cost} requests for the last three");
    let undone = asked("undone", None).0;
    assert_eq!((undone.landings[0].undo_of, undone.landings[1].undone_by), (Some(700), Some(701)));
}
