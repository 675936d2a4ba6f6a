//! Import, check out, compare.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use brio_store::worktree::{CheckoutOptions, ScanOptions, checkout, drift};
use brio_store::{Landing, Project};
use proptest::prelude::*;

use super::{chmod, imported, noise, open, picture, project, run, scanned};

/// What is made at a path, if it can be made there.
#[derive(Debug, Clone)]
enum Made {
    File(u32, usize, u64),
    Dir(u32),
    Link(Vec<u8>),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let plain =
        prop::sample::select(vec!["a", "b", "A", "src", "read me", "\u{fc}ber", "..x", "-"])
            .prop_map(|n| n.as_bytes().to_vec());
    let bytes = prop::collection::vec(
        any::<u8>().prop_filter("a name", |b| !matches!(b, 0 | b'/')),
        1..255,
    )
    .prop_filter("a name", |n| !matches!(n.as_slice(), b"." | b".."));
    prop_oneof![4 => plain, 1 => bytes]
}

fn made() -> impl Strategy<Value = Made> {
    let size = prop_oneof![6 => 0usize..5000, 1 => Just(0), 1 => (1usize << 20) - 1..(1 << 20) + 2, 1 => (2usize << 20)..(5 << 20)];
    let target = prop::collection::vec(1u8..=255, 1..300);
    prop_oneof![
        5 => (0u32..0o2000, size, any::<u64>()).prop_map(|(m, n, s)| Made::File(m | 0o400, n, s)),
        3 => (0u32..0o2000).prop_map(|m| Made::Dir(m | 0o700)),
        2 => target.prop_map(Made::Link),
    ]
}

fn make(root: &Path, all: &[(Vec<Vec<u8>>, Made)]) {
    for (path, made) in all {
        let mut at = root.to_owned();
        at.extend(path.iter().map(|n| OsString::from_vec(n.clone())));
        // What does not fit where something else is already, is left away.
        let _ = match made {
            Made::File(mode, size, seed) => {
                let fresh = !at.exists() && at.symlink_metadata().is_err();
                (fresh && std::fs::write(&at, noise(*size, *seed)).is_ok())
                    .then(|| chmod(&at, *mode));
                Ok(())
            }
            Made::Dir(mode) => std::fs::create_dir(&at).map(|()| chmod(&at, *mode)),
            Made::Link(target) => {
                std::os::unix::fs::symlink(OsString::from_vec(target.clone()), &at)
            }
        };
    }
}

fn check_out(p: &Project, dir: &Path) {
    let tree = run(p.head()).unwrap().tree();
    run(checkout(p, tree, &open(dir), &CheckoutOptions::default())).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_imported_is_checked_out(
        first in prop::collection::vec((prop::collection::vec(name(), 1..4), made()), 0..60),
        then in prop::collection::vec((prop::collection::vec(name(), 1..4), made()), 0..20),
    ) {
        let p = project();
        let from = tempfile::tempdir().unwrap();
        make(from.path(), &first);
        imported(&p, from.path(), &ScanOptions::default());
        // More of it, and less.
        make(from.path(), &then);
        for (path, _) in first.iter().step_by(7) {
            let at = from.path().join(OsString::from_vec(path.join(&b'/')));
            let _ = std::fs::remove_file(&at).or_else(|_| std::fs::remove_dir_all(&at));
        }
        let wanted = picture(from.path());
        imported(&p, from.path(), &ScanOptions::default());
        let is_it = imported(&p, from.path(), &ScanOptions::default());
        prop_assert_eq!(is_it, Landing::Unchanged);

        let to = tempfile::tempdir().unwrap();
        check_out(&p, to.path());
        prop_assert!(picture(to.path()) == wanted);
        let scan = scanned(&p, to.path(), &ScanOptions::default()).unwrap();
        prop_assert!(scan.edits.is_empty(), "{:?}", scan.edits);
        prop_assert_eq!(scan.entries.len(), wanted.len());
        let tree = run(p.head()).unwrap().tree();
        let found = run(drift(&p, &open(to.path()), tree, &ScanOptions::default())).unwrap();
        prop_assert!(found.paths.is_empty(), "{:?}", found.paths);
    }
}

#[test]
fn a_large_file_is_cut_stored_once_and_put_together() {
    let p = project();
    let from = tempfile::tempdir().unwrap();
    let mut bytes = noise(24 << 20, 5);
    std::fs::write(from.path().join("large"), &bytes).unwrap();
    std::fs::write(from.path().join("again"), &bytes).unwrap();
    let Landing::Landed(landed) = imported(&p, from.path(), &ScanOptions::default()) else {
        panic!()
    };
    let once = landed.stored.bytes;
    assert!((24 << 20..25 << 20).contains(&once), "{once}");
    // A byte in the middle: some chunks, whatever the size.
    bytes[12 << 20] ^= 1;
    std::fs::write(from.path().join("large"), &bytes).unwrap();
    let Landing::Landed(landed) = imported(&p, from.path(), &ScanOptions::default()) else {
        panic!()
    };
    assert!(landed.stored.bytes < 6 << 20, "{}", landed.stored.bytes);
    bytes.insert(0, 7);
    std::fs::write(from.path().join("large"), &bytes).unwrap();
    let Landing::Landed(landed) = imported(&p, from.path(), &ScanOptions::default()) else {
        panic!()
    };
    assert!(landed.stored.bytes < 6 << 20, "{}", landed.stored.bytes);
    let to = tempfile::tempdir().unwrap();
    check_out(&p, to.path());
    assert!(std::fs::read(to.path().join("large")).unwrap() == bytes);
    assert!(picture(to.path()) == picture(from.path()));
}
