//! What every backend does, over all of them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod places;

use std::collections::BTreeSet;

use brio_store::backend::prove;
use brio_store::{Listed, Put, Swap, Version};
use bytes::Bytes;
use places::Place;

/// Each case over each place, as a test of its own.
macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        conformance!(@over memory: $($case),*);
        conformance!(@over directory: $($case),*);
        conformance!(@over test_server: $($case),*);
        conformance!(@over test_server_proxied: $($case),*);
        conformance!(@over real_server: $($case),*);
        conformance!(@over real_server_proxied: $($case),*);
    };
    (@over $place:ident: $($case:ident),*) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let name = concat!(stringify!($place), "::", stringify!($case));
                if let Some(place) = crate::places::$place(name) {
                    crate::cases::$case(&place).await;
                }
            })*
        }
    };
}

conformance! {
    an_object_is_created_once,
    parts_of_an_object,
    an_object_is_overwritten_and_removed,
    large_empty_and_odd_objects,
    of_many_creators_one_creates,
    a_listing_is_in_order_and_in_pages,
    a_ref_moves_from_its_version_alone,
    a_ref_that_was_removed_is_not_there,
    refs_and_objects_are_apart,
    of_many_swaps_one_wins,
    names_that_are_none_are_refused,
    it_is_proved_and_nothing_is_left,
}

fn value(n: u32) -> Bytes {
    format!("{{\"attempt\":\"{n:032}\",\"n\":{n}}}").into()
}

fn done(swap: Swap) -> Version {
    match swap {
        Swap::Done(version) => version,
        Swap::Lost => panic!("lost"),
    }
}

async fn all(place: &Place, prefix: &str) -> Vec<Listed> {
    let mut found: Vec<Listed> = Vec::new();
    loop {
        let after = found.last().map(|l| l.key.clone());
        let page = place.backend.list(prefix, after.as_deref()).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

async fn all_refs(place: &Place, prefix: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let page = place.backend.list_refs(prefix, found.last().map(String::as_str)).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

mod cases {
    use super::*;

    pub(super) async fn an_object_is_created_once(place: &Place) {
        let b = &place.backend;
        let key = "projects/o/n/blobs/00/0001";
        assert_eq!(b.get(key).await.unwrap(), None);
        assert_eq!(b.stat(key).await.unwrap(), None);
        let before = b.now().await.unwrap();
        assert_eq!(b.create(key, Bytes::from_static(b"one")).await.unwrap(), Put::Created);
        assert_eq!(b.create(key, Bytes::from_static(b"two")).await.unwrap(), Put::Exists);
        assert_eq!(b.get(key).await.unwrap().as_deref(), Some(&b"one"[..]));
        let stat = b.stat(key).await.unwrap().unwrap();
        assert_eq!((stat.key.as_str(), stat.size), (key, 3));
        let after = b.now().await.unwrap();
        let slack = time::Duration::seconds(2);
        assert!(before - slack <= stat.modified && stat.modified <= after + slack, "{stat:?}");
    }

    pub(super) async fn parts_of_an_object(place: &Place) {
        let b = &place.backend;
        let key = "projects/o/n/packs/00/0001";
        assert_eq!(b.get_range(key, 0, 1).await.unwrap(), None);
        b.create(key, Bytes::from_static(b"0123456789")).await.unwrap();
        for (offset, length, part) in [
            (0, 10, &b"0123456789"[..]),
            (0, 100, b"0123456789"),
            (3, 4, b"3456"),
            (9, 1, b"9"),
            (9, u64::MAX, b"9"),
            (10, 1, b""),
            (1000, 5, b""),
            (4, 0, b""),
        ] {
            let got = b.get_range(key, offset, length).await.unwrap();
            assert_eq!(got.as_deref(), Some(part), "{offset} {length}");
        }
    }

    pub(super) async fn an_object_is_overwritten_and_removed(place: &Place) {
        let b = &place.backend;
        let key = "projects/o/n/sessions/s/tree.json";
        b.delete(key).await.unwrap();
        for text in ["one", "a longer one", ""] {
            b.overwrite(key, Bytes::from_static(text.as_bytes())).await.unwrap();
            assert_eq!(b.get(key).await.unwrap().as_deref(), Some(text.as_bytes()));
        }
        b.delete(key).await.unwrap();
        assert_eq!(b.get(key).await.unwrap(), None);
        b.delete(key).await.unwrap();
        assert_eq!(b.create(key, Bytes::from_static(b"new")).await.unwrap(), Put::Created);
    }

    pub(super) async fn large_empty_and_odd_objects(place: &Place) {
        let b = &place.backend;
        let large: Bytes =
            (0..16_u32 << 20).map(|i| ((i * 31) >> 7) as u8).collect::<Vec<_>>().into();
        for (key, bytes) in [
            ("projects/o/n/blobs/00/large", large),
            ("projects/o/n/blobs/00/empty", Bytes::new()),
            (
                "projects/o/n/blobs/00/ a+b&c=d%20é?#'\"<>*~!@$,;:",
                Bytes::from_static(b"\0\xff\r\n"),
            ),
        ] {
            assert_eq!(b.create(key, bytes.clone()).await.unwrap(), Put::Created, "{key}");
            assert!(b.get(key).await.unwrap().unwrap() == bytes, "{key}");
            let listed: Vec<_> = all(place, key).await;
            assert_eq!(listed.len(), 1, "{key}");
            assert_eq!((listed[0].key.as_str(), listed[0].size), (key, bytes.len() as u64));
        }
    }

    pub(super) async fn of_many_creators_one_creates(place: &Place) {
        for round in 0..5 {
            let key = format!("projects/o/n/blobs/01/{round}");
            let tasks: Vec<_> = (0..8u8)
                .map(|i| {
                    let (b, key) = (place.backend.clone(), key.clone());
                    tokio::spawn(
                        async move { (i, b.create(&key, vec![i; 100].into()).await.unwrap()) },
                    )
                })
                .collect();
            let mut winners = Vec::new();
            for task in tasks {
                if let (i, Put::Created) = task.await.unwrap() {
                    winners.push(i);
                }
            }
            assert_eq!(winners.len(), 1, "{winners:?}");
            assert_eq!(place.backend.get(&key).await.unwrap().unwrap()[0], winners[0]);
        }
    }

    pub(super) async fn a_listing_is_in_order_and_in_pages(place: &Place) {
        let b = &place.backend;
        let mut keys: BTreeSet<String> =
            ["a-b/c", "a.b", "a/b-c", "a/b/c", "a0", "b/c", "ab/c", "a/é"]
                .iter()
                .map(|k| format!("projects/o/n/x/{k}"))
                .collect();
        keys.extend((0..1100).map(|i| format!("projects/o/n/landings/{i:020}-id")));
        let mut creating = tokio::task::JoinSet::new();
        for key in keys.clone() {
            let b = b.clone();
            creating.spawn(async move { b.create(&key, Bytes::from(key.clone())).await.unwrap() });
            if creating.len() == 16 {
                creating.join_next().await.unwrap().unwrap();
            }
        }
        while let Some(done) = creating.join_next().await {
            done.unwrap();
        }
        let names = |found: Vec<Listed>| found.into_iter().map(|l| l.key).collect::<Vec<_>>();
        for prefix in [
            "",
            "projects/",
            "projects/o/n/x/a",
            "projects/o/n/x/a/",
            "projects/o/n/x/a/b",
            "projects/o/n/x/c",
            "none/",
            "projects/o/n/landings/0000000000000000012",
            "projects/o/n/x/b/c",
            "projects/o/n/x/b/c/",
        ] {
            let expected: Vec<_> = keys.iter().filter(|k| k.starts_with(prefix)).cloned().collect();
            assert_eq!(names(all(place, prefix).await), expected, "{prefix}");
        }
        for after in [
            "",
            "a",
            "projects/o/n/x/a",
            "projects/o/n/x/a/",
            "projects/o/n/x/a/b",
            "projects/o/n/x/a/bz",
            "projects/o/n/x/a-b/c",
            "z",
        ] {
            let prefix = "projects/o/n/x/";
            let found = names(b.list(prefix, Some(after)).await.unwrap());
            let expected: Vec<_> = keys
                .iter()
                .filter(|k| k.starts_with(prefix) && k.as_str() > after)
                .cloned()
                .collect();
            assert_eq!(found, expected, "{after}");
        }
    }

    pub(super) async fn a_ref_moves_from_its_version_alone(place: &Place) {
        let b = &place.backend;
        let name = "projects/o/n/head";
        assert_eq!(b.read_ref(name).await.unwrap(), None);
        let none = Version("0".into());
        assert_eq!(b.swap_ref(name, Some(&none), value(0)).await.unwrap(), Swap::Lost);
        assert_eq!(b.read_ref(name).await.unwrap(), None);
        let first = done(b.swap_ref(name, None, value(1)).await.unwrap());
        assert_eq!(b.swap_ref(name, None, value(2)).await.unwrap(), Swap::Lost);
        assert_eq!(b.read_ref(name).await.unwrap(), Some((value(1), first.clone())));
        let second = done(b.swap_ref(name, Some(&first), value(2)).await.unwrap());
        assert_ne!(first, second);
        assert_eq!(b.swap_ref(name, Some(&first), value(3)).await.unwrap(), Swap::Lost);
        let odd = Version("not a version".into());
        assert_eq!(b.swap_ref(name, Some(&odd), value(3)).await.unwrap(), Swap::Lost);
        assert_eq!(b.read_ref(name).await.unwrap(), Some((value(2), second.clone())));
        let third = done(b.swap_ref(name, Some(&second), value(3)).await.unwrap());
        assert_eq!(b.read_ref(name).await.unwrap(), Some((value(3), third)));
    }

    pub(super) async fn a_ref_that_was_removed_is_not_there(place: &Place) {
        let b = &place.backend;
        let name = "projects/o/n/notes/plan";
        let first = done(b.swap_ref(name, None, value(1)).await.unwrap());
        let other = done(b.swap_ref("projects/o/n/notes/other", None, value(1)).await.unwrap());
        let second = done(b.swap_ref(name, Some(&first), value(2)).await.unwrap());
        assert_eq!(b.delete_ref(name, &first).await.unwrap(), Swap::Lost);
        assert_eq!(b.read_ref(name).await.unwrap(), Some((value(2), second.clone())));
        done(b.delete_ref(name, &second).await.unwrap());
        assert_eq!(b.read_ref(name).await.unwrap(), None);
        assert_eq!(b.delete_ref(name, &second).await.unwrap(), Swap::Lost);
        assert_eq!(b.swap_ref(name, Some(&second), value(3)).await.unwrap(), Swap::Lost);
        assert_eq!(all_refs(place, "projects/").await, ["projects/o/n/notes/other"]);
        // It begins anew, and what was written before it was removed does not fit any more.
        let anew = done(b.swap_ref(name, None, value(4)).await.unwrap());
        assert_eq!(b.swap_ref(name, None, value(5)).await.unwrap(), Swap::Lost);
        for old in [&first, &second] {
            assert_eq!(b.swap_ref(name, Some(old), value(5)).await.unwrap(), Swap::Lost);
        }
        assert_eq!(b.read_ref(name).await.unwrap(), Some((value(4), anew)));
        done(b.delete_ref("projects/o/n/notes/other", &other).await.unwrap());
    }

    pub(super) async fn refs_and_objects_are_apart(place: &Place) {
        let b = &place.backend;
        let refs = [
            "projects/o/n/head",
            "projects/o/n/notes/a",
            "projects/o/n/notes/a/b",
            "projects/o/n/sessions/s1/metadata.json",
            "projects/o/n/sessions/s2/metadata.json",
        ];
        for name in refs {
            done(b.swap_ref(name, None, value(1)).await.unwrap());
        }
        b.create("projects/o/n/sessions/s1/tree.json", value(2)).await.unwrap();
        let found = all(place, "projects/o/n/").await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].key, "projects/o/n/sessions/s1/tree.json");
        assert_eq!(all_refs(place, "projects/o/").await, refs);
        assert_eq!(all_refs(place, "projects/o/n/sessions/s2").await, refs[4..]);
        assert!(all_refs(place, "projects/o/n/sessions/s3").await.is_empty());
        let some = b.list_refs("projects/o/n/", Some(refs[1])).await.unwrap();
        assert_eq!(some.first().map(String::as_str), Some(refs[2]));
    }

    pub(super) async fn of_many_swaps_one_wins(place: &Place) {
        let name = "projects/o/n/gc";
        let mut version = None;
        for round in 0..5 {
            let tasks: Vec<_> = (0..8)
                .map(|i| {
                    let (b, version) = (place.backend.clone(), version.clone());
                    let value = value(round * 8 + i);
                    tokio::spawn(async move {
                        (value.clone(), b.swap_ref(name, version.as_ref(), value).await.unwrap())
                    })
                })
                .collect();
            let mut won = Vec::new();
            for task in tasks {
                if let (value, Swap::Done(version)) = task.await.unwrap() {
                    won.push((value, version));
                }
            }
            assert_eq!(won.len(), 1, "{won:?}");
            assert_eq!(place.backend.read_ref(name).await.unwrap().as_ref(), won.first());
            version = Some(won.remove(0).1);
        }
    }

    pub(super) async fn names_that_are_none_are_refused(place: &Place) {
        if !place.strict {
            return;
        }
        let b = &place.backend;
        let long = format!("projects/{}", "a".repeat(1100));
        for key in
            ["", "..", "../out", "a/../../out", "/etc/out", "a//b", "a/", "./a", "a\0b", &long]
        {
            assert_eq!(b.create(key, value(1)).await.unwrap_err().code(), "STORE_INPUT", "{key:?}");
            assert!(b.overwrite(key, value(1)).await.is_err(), "{key:?}");
            assert!(b.delete(key).await.is_err(), "{key:?}");
            assert!(b.swap_ref(key, None, value(1)).await.is_err(), "{key:?}");
            assert!(!matches!(b.get(key).await, Ok(Some(_))), "{key:?}");
            assert!(!matches!(b.stat(key).await, Ok(Some(_))), "{key:?}");
        }
        for prefix in ["../", "a/../../", "/"] {
            assert!(b.list(prefix, None).await.unwrap_or_default().is_empty(), "{prefix:?}");
        }
        assert!(b.create("projects/o/n/head", value(1)).await.is_err());
        assert!(b.swap_ref("projects/o/n/project.json", None, value(1)).await.is_err());
    }

    pub(super) async fn it_is_proved_and_nothing_is_left(place: &Place) {
        prove(&*place.backend).await.unwrap();
        prove(&*place.backend).await.unwrap();
        assert!(all(place, "").await.is_empty());
        assert!(all_refs(place, "").await.is_empty());
    }
}
