//! What is read again, what is found, what is left out.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use brio_store::backend::{Backend, Memory};
use brio_store::tree::{Entry, Key};
use brio_store::worktree::{
    Change, Ignore, Noticed, Progress, ScanOptions, Watch, drift, import, scan,
};
use brio_store::{Landing, Project, Store, StoreOptions, Why};

use super::refusals::Requests;
use super::{
    Mounted, chmod, fill, imported, noise, open, project, project_on, run, scanned, settle, skip,
};

fn with_cache(at: &Path) -> ScanOptions {
    ScanOptions { cache: Some(at.join("cache")), ..ScanOptions::default() }
}

fn drifted(p: &Project, dir: &Path, options: &ScanOptions) -> (Vec<(String, Change)>, u64) {
    let tree = run(p.head()).unwrap().tree();
    let found = run(drift(p, &open(dir), tree, options)).unwrap();
    (found.paths.iter().map(|d| (d.key.to_string(), d.change)).collect(), found.files_read)
}

#[test]
fn only_what_changed_is_read_again() {
    let (p, dir, home) = (project(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cached = with_cache(home.path());
    fill(dir.path(), 300, 100);
    settle();
    let first = scanned(&p, dir.path(), &cached).unwrap();
    assert_eq!((first.files_read, first.edits.len()), (300, 306));
    run(import(&p, first, &Why::default())).unwrap();
    let again = scanned(&p, dir.path(), &cached).unwrap();
    assert_eq!((again.files_read, again.edits.len()), (0, 0));
    assert_eq!(drifted(&p, dir.path(), &cached), (vec![], 0));

    std::fs::write(dir.path().join("dir-03/file-160"), noise(100, 9_999)).unwrap();
    chmod(&dir.path().join("dir-01/file-51"), 0o755);
    std::fs::write(dir.path().join("dir-03/new"), "new").unwrap();
    std::fs::remove_file(dir.path().join("dir-00/file-1")).unwrap();
    settle();
    let (found, read) = drifted(&p, dir.path(), &cached);
    let wanted = [
        ("dir-00/file-1", Change::Removed),
        ("dir-01/file-51", Change::Mode),
        ("dir-03/file-160", Change::Modified),
        ("dir-03/new", Change::Added),
    ];
    assert_eq!(found, wanted.map(|(path, c)| (path.to_owned(), c)));
    assert_eq!(read, 2);
    let edited = scanned(&p, dir.path(), &cached).unwrap();
    // The comparison has learnt what the file with the new mode holds.
    assert_eq!((edited.files_read, edited.edits.len()), (2, 4));
    run(import(&p, edited, &Why::default())).unwrap();
    assert_eq!(scanned(&p, dir.path(), &cached).unwrap().files_read, 0);
}

#[test]
fn a_cache_that_is_not_right_is_none() {
    let (p, dir, home) = (project(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (cached, at) = (with_cache(home.path()), home.path().join("cache"));
    fill(dir.path(), 20, 100);
    settle();
    imported(&p, dir.path(), &cached);
    let good = std::fs::read(&at).unwrap();
    assert_eq!(scanned(&p, dir.path(), &cached).unwrap().files_read, 0);
    let mut bad: Vec<Vec<u8>> =
        vec![Vec::new(), good[..good.len() / 2].to_vec(), b"BRIOSTAT".to_vec()];
    for i in (0..good.len()).step_by(97) {
        let mut flipped = good.clone();
        flipped[i] ^= 0x10;
        bad.push(flipped);
    }
    for bytes in bad {
        std::fs::write(&at, bytes).unwrap();
        let scan = scanned(&p, dir.path(), &cached).unwrap();
        assert_eq!((scan.files_read, scan.edits.len()), (20, 0));
    }
    // Of another project.
    let store = Store::new(Arc::<Memory>::default(), StoreOptions::default());
    let (other, _) = run(store.create(&"org/other".parse().unwrap())).unwrap();
    assert_eq!(scanned(&other, dir.path(), &cached).unwrap().files_read, 20);
}

/// A cache says what files hold, never what the store has.
#[test]
fn what_was_read_and_not_stored_is_stored_later() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cached = with_cache(home.path());
    fill(dir.path(), 30, 3000);
    std::fs::write(dir.path().join("large"), noise(3 << 20, 1)).unwrap();
    settle();
    let lost = project();
    assert_eq!(scanned(&lost, dir.path(), &cached).unwrap().files_read, 31);
    // The scan was dropped, nothing is in the store; and this is another store of the same name.
    for p in [lost, project()] {
        let scan = scanned(&p, dir.path(), &cached).unwrap();
        assert_eq!(scan.files_read, 31);
        assert!(matches!(run(import(&p, scan, &Why::default())).unwrap(), Landing::Landed(_)));
        let to = tempfile::tempdir().unwrap();
        let tree = run(p.head()).unwrap().tree();
        run(brio_store::worktree::checkout(&p, tree, &open(to.path()), &Default::default()))
            .unwrap();
        assert!(super::picture(to.path()) == super::picture(dir.path()));
    }
}

#[test]
fn a_second_scan_goes_on_where_one_was_stopped() {
    let memory = Arc::<Memory>::default();
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(dir.path(), 1000, 64 << 10);
    settle();
    let stop = Arc::new(AtomicBool::new(false));
    let told = {
        let stop = stop.clone();
        Arc::new(move |p: &Progress| {
            assert_eq!((p.of_files, p.of_bytes), (1000, 1000 << 16));
            stop.store(p.files >= 800, Ordering::Relaxed);
        })
    };
    let mut options = with_cache(home.path());
    options.watch = Watch { told: Some(told), stop: Some(stop) };
    let p = project_on(memory.clone());
    let e = scanned(&p, dir.path(), &options).err().unwrap();
    assert_eq!(e.code(), "INTERRUPTED", "{e}");
    assert_eq!(run(p.head()).unwrap().position(), 0);
    options.watch = Watch::default();
    let p = project_on(memory);
    let scan = scanned(&p, dir.path(), &options).unwrap();
    assert!((200..=600).contains(&scan.files_read), "{} were read again", scan.files_read);
    run(import(&p, scan, &Why::default())).unwrap();
    assert_eq!(drifted(&p, dir.path(), &ScanOptions::default()), (vec![], 1000));
}

/// An edit within one tick of the clock, and of the same size, is seen.
#[test]
fn an_edit_right_after_the_scan_is_seen() {
    let (p, dir, home) = (project(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cached = with_cache(home.path());
    let at = dir.path().join("file");
    for n in 0u32..150 {
        std::fs::write(&at, format!("{n:08}-a")).unwrap();
        imported(&p, dir.path(), &cached);
        std::fs::write(&at, format!("{n:08}-b")).unwrap();
        assert_eq!(drifted(&p, dir.path(), &cached).0.len(), 1, "{n}");
        assert_eq!(scanned(&p, dir.path(), &cached).unwrap().edits.len(), 1, "{n}");
    }
}

/// What is scanned of a file that is written all the time is one of its versions, or it is said.
#[test]
fn a_file_that_changes_meanwhile_is_not_torn_in_silence() {
    const SIZE: usize = 256 << 10;
    let (p, dir) = (project(), tempfile::tempdir().unwrap());
    let at = dir.path().join("busy");
    std::fs::write(&at, vec![0; SIZE]).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (over, file) =
            (over.clone(), std::fs::OpenOptions::new().write(true).open(&at).unwrap());
        std::thread::spawn(move || {
            let mut n = 0u8;
            while !over.load(Ordering::Relaxed) {
                n = n.wrapping_add(1);
                for part in 0..SIZE / 4096 {
                    file.write_all_at(&[n; 4096], part as u64 * 4096).unwrap();
                }
                std::thread::sleep(std::time::Duration::from_millis(u64::from(n % 40)));
            }
        })
    };
    let (mut told, mut whole) = (0, 0);
    for _ in 0..40 {
        let scan = scanned(&p, dir.path(), &ScanOptions::default()).unwrap();
        if scan.noticed.iter().any(|n| matches!(n, Noticed::Changing(_))) {
            told += 1;
            continue;
        }
        let [(_, Entry::File { content, .. })] = scan.entries.as_slice() else { panic!() };
        let content = *content;
        run(import(&p, scan, &Why::default())).unwrap();
        let mut read = Vec::new();
        run(p.file(content).copy_to(&mut read)).unwrap();
        assert!(read.iter().all(|b| *b == read[0]), "torn, and not said");
        whole += 1;
    }
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    println!("{whole} whole, {told} told to be changing");
    assert!(whole > 0);
}

#[test]
fn nothing_is_asked_for_what_did_not_change() {
    let memory = Arc::<Memory>::default();
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(dir.path(), 500, 100);
    std::fs::write(dir.path().join("large"), noise(2 << 20, 1)).unwrap();
    settle();
    imported(&project_on(memory.clone()), dir.path(), &with_cache(home.path()));
    for options in [with_cache(home.path()), ScanOptions::default()] {
        let requests = Arc::new(Requests::of(memory.clone()));
        let p = project_on(requests.clone());
        requests.take();
        let landing = imported(&p, dir.path(), &options);
        assert_eq!(landing, Landing::Unchanged);
        let asked = requests.take();
        let others: Vec<&String> = asked
            .iter()
            .filter(|a| !a.starts_with("get trees/") && *a != "read_ref head")
            .collect();
        assert!(others.is_empty(), "{others:?}");
        assert_eq!(asked.len() - others.len(), asked.len());
    }
}

#[test]
fn what_is_left_out_stays_what_it_is_in_the_project() {
    let (p, dir) = (project(), tempfile::tempdir().unwrap());
    let at = |path: &str| dir.path().join(path);
    for d in [".brio", "sub/.brio", ".git", "sub/.git", "target", "sub/deep"] {
        std::fs::create_dir_all(at(d)).unwrap();
        std::fs::write(at(d).join("inside"), d).unwrap();
    }
    std::fs::write(at(".gitignore"), "target/\n*.log\n").unwrap();
    std::fs::write(at("sub/.gitignore"), "!keep.log\n/deep/*.tmp\n[z-a\n").unwrap();
    std::fs::write(at(".brioignore"), "# ours\nsecret\n!kept.log\n").unwrap();
    for f in
        ["a.log", "sub/keep.log", "sub/b.log", "kept.log", "sub/deep/x.tmp", "sub/x.tmp", "secret"]
    {
        std::fs::write(at(f), f).unwrap();
    }
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("sub/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let paths = |ignore| {
        let scan =
            scanned(&p, dir.path(), &ScanOptions { ignore, ..ScanOptions::default() }).unwrap();
        let keys: BTreeSet<String> = scan.entries.iter().map(|(k, _)| k.to_string()).collect();
        (keys, scan.noticed)
    };
    let set = |paths: &[&str]| paths.iter().map(|p| (*p).to_owned()).collect::<BTreeSet<_>>();
    let always = [
        ".brioignore",
        ".gitignore",
        "kept.log",
        "sub",
        "sub/.gitignore",
        "sub/deep",
        "sub/deep/inside",
        "sub/keep.log",
        "sub/x.tmp",
    ];
    let (keys, noticed) = paths(Ignore::Git);
    assert_eq!(keys, set(&always));
    assert_eq!(noticed.len(), 2, "{noticed:?}");
    assert!(
        noticed.iter().any(|n| matches!(n, Noticed::Special(k) if k.to_string() == "sub/pipe"))
    );
    assert!(noticed.iter().any(|n| matches!(n, Noticed::Git(_))));
    let (keys, _) = paths(Ignore::None);
    let more = ["a.log", "sub/b.log", "sub/deep/x.tmp", "target", "target/inside"];
    assert_eq!(keys, set(&[&always[..], &more[..]].concat()));

    // In the project it is there; of a directory that leaves it out that is no removal.
    imported(&p, dir.path(), &ScanOptions { ignore: Ignore::None, ..ScanOptions::default() });
    assert_eq!(imported(&p, dir.path(), &ScanOptions::default()), Landing::Unchanged);
    std::fs::remove_file(at("a.log")).unwrap();
    assert_eq!(drifted(&p, dir.path(), &ScanOptions::default()).0, vec![]);
    // But with its directory it goes.
    std::fs::remove_dir_all(at("sub")).unwrap();
    let Landing::Landed(landed) = imported(&p, dir.path(), &ScanOptions::default()) else {
        panic!()
    };
    assert_eq!((landed.record.counts.added, landed.record.counts.removed), (0, 8));
    let head = run(p.head()).unwrap();
    let there =
        |path: &str| run(p.tree(head.tree()).get(&Key::new(path.as_bytes()).unwrap())).unwrap();
    assert!(there("a.log").is_some() && there("target/inside").is_some() && there("sub").is_none());
}

#[test]
fn a_bad_pattern_of_ours_is_told() {
    let (p, dir) = (project(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join(".brioignore"), "ok\n[z-a]\n").unwrap();
    let e = scanned(&p, dir.path(), &ScanOptions::default()).err().unwrap();
    assert_eq!(e.code(), "WORKTREE_IGNORE");
    assert!(e.to_string().contains("[z-a]"), "{e}");
}

#[test]
fn what_is_mounted_inside_is_not_entered() {
    let (p, dir) = (project(), tempfile::tempdir().unwrap());
    let inside = dir.path().join("sub/mounted");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(inside.join("below"), "x").unwrap();
    imported(&p, dir.path(), &ScanOptions::default());
    let Some(_mounted) = Mounted::tmpfs(&inside, "size=1m") else {
        return skip("what_is_mounted_inside_is_not_entered", "nothing can be mounted here");
    };
    std::fs::write(inside.join("other"), "x").unwrap();
    let scan = scanned(&p, dir.path(), &ScanOptions::default()).unwrap();
    assert!(matches!(scan.noticed.as_slice(), [Noticed::Mount(_)]), "{:?}", scan.noticed);
    assert!(scan.edits.is_empty(), "what lies below it is not removed: {:?}", scan.edits);
}

/// Others landed meanwhile: it lands beside them, or is told where they meet.
#[test]
fn a_directory_of_an_older_head_lands_beside_others() {
    let backend: Arc<dyn Backend> = Arc::<Memory>::default();
    let p = project_on(backend);
    let (mine, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&mine, &other] {
        fill(dir.path(), 60, 100);
    }
    imported(&p, mine.path(), &ScanOptions::default());
    let base = run(p.head()).unwrap().base();
    std::fs::write(other.path().join("theirs"), "theirs").unwrap();
    std::fs::write(other.path().join("dir-00/file-1"), "theirs").unwrap();
    imported(&p, other.path(), &ScanOptions::default());
    let land = || {
        let options = ScanOptions::default();
        let scan = run(scan(&p, &open(mine.path()), base, &options)).unwrap();
        run(import(&p, scan, &Why::default())).unwrap()
    };
    std::fs::write(mine.path().join("ours"), "ours").unwrap();
    let Landing::Landed(landed) = land() else { panic!() };
    assert_eq!((landed.record.position, landed.record.counts.added), (3, 1));
    std::fs::write(mine.path().join("dir-00/file-1"), "ours").unwrap();
    let Landing::Conflicts(found) = land() else { panic!() };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key.to_string(), "dir-00/file-1");
}
