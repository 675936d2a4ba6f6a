//! A session on the tree of another one that did not land: whatever becomes of that one, a
//! collector leaves what this one stands on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use brio_landing::{BeginOptions, Domain, LowerOptions, OpenOptions, WantedLower};
use brio_share::{LandOptions, Place, Places, Runner, Story};
use brio_store::backend::{Backend, Memory};
use brio_store::{Base, DiskCache, GcOptions, Project, Store, StoreOptions};
use common::{URL, edit, id, seen};

const DAY: u64 = 86_400;

/// A store whose days pass when they are told to.
struct World {
    backend: Arc<dyn Backend>,
    days: Arc<AtomicI64>,
}

struct Machine {
    _dir: tempfile::TempDir,
    place: Place,
    domain: Domain,
}

impl World {
    fn new() -> Self {
        let days = Arc::new(AtomicI64::new(0));
        let (clock, start) = (days.clone(), time::OffsetDateTime::now_utc());
        let memory = Memory::with_clock(move || {
            start + Duration::from_secs(clock.load(Ordering::SeqCst) as u64 * DAY)
        });
        let backend: Arc<dyn Backend> = Arc::new(memory);
        let store = Store::new(backend.clone(), StoreOptions::default());
        Runner::new().unwrap().run(async move { store.create(&id()).await.map(drop) }).unwrap();
        Self { backend, days }
    }

    fn machine(&self) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("base")).unwrap();
        let (backend, cache) = (self.backend.clone(), dir.path().join("cache"));
        let places = Places::new(move |_| {
            let disk = Some(DiskCache::open(&cache, 1 << 30)?);
            Ok(Store::new(backend.clone(), StoreOptions { disk, ..StoreOptions::default() }))
        });
        let places = Arc::new(places);
        let place = places.get(URL, &id()).unwrap();
        let trees = Some(places as Arc<dyn brio_landing::Trees>);
        let options = OpenOptions { boot_id: "boot-1".into(), trees, ..OpenOptions::default() };
        let domain = Domain::open(&dir.path().join("base"), options).unwrap().0;
        Machine { _dir: dir, place, domain }
    }

    /// A collector comes when all that is there is old.
    fn collect(&self) -> u64 {
        self.days.fetch_add(20, Ordering::SeqCst);
        let collector = self.machine();
        let options = GcOptions::default();
        let done = collector
            .place
            .run(|p: Project| async move { p.collect(&options, &mut |_| {}).await })
            .unwrap();
        done.removed.total().count
    }
}

#[test]
fn what_a_pushed_session_stands_on_stays() {
    let w = World::new();
    let (a, b) = (w.machine(), w.machine());
    let first = a.place.begin(&a.domain, BeginOptions::default()).unwrap();
    edit(&first, &[("landed", Some(b"1"))]);
    a.place.land(&first, &LandOptions::default()).unwrap();

    // A tree that no landing made, with contents that are nowhere else.
    let one = a.place.begin(&a.domain, BeginOptions::default()).unwrap();
    let many: Vec<String> = (0..60).map(|n| format!("one/{n}")).collect();
    for path in &many {
        edit(&one, &[(path, Some(path.as_bytes()))]);
    }
    let pushed = a.place.push(&one, &Story::default()).unwrap().session;
    let on = Base { tree: pushed.tree, position: pushed.base.position };
    let tree = b.place.tree_info(on, pushed.base_at);
    let lower = LowerOptions { wanted: WantedLower::Tree(tree), ..LowerOptions::default() };
    let two = b.domain.begin(BeginOptions { lower, ..BeginOptions::default() }).unwrap();
    edit(&two, &[("two", Some(b"2"))]);
    b.place.push(&two, &Story::default()).unwrap();
    let want = seen(&two);
    assert_eq!(want.len(), many.len() + 3);

    // The one that it was made from becomes another; then it goes altogether.
    for path in &many {
        edit(&one, &[(path, None)]);
    }
    edit(&one, &[("other", Some(b"o"))]);
    a.place.push(&one, &Story::default()).unwrap();
    w.collect();
    a.place.land(&one, &LandOptions::default()).unwrap();
    w.collect();
    let c = w.machine();
    let opened = c.place.open_session(&c.domain, two.id().as_str()).unwrap();
    assert_eq!(seen(&opened), want);

    // Once that has landed, its trees are the history's.
    c.place.land(&opened, &LandOptions::default()).unwrap();
    w.collect();
    let look = w.machine();
    let look = look.place.begin(&look.domain, BeginOptions::default()).unwrap();
    assert_eq!(seen(&look).get("two").unwrap().3, b"2");
}
