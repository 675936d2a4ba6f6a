//! What it costs that a landing can be trusted: flushes shared, change sets, rollback, recovery.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use brio_landing::{BeginOptions, CommitOptions, Domain, OpenOptions, SessionId, UndoOptions};
use brio_session::{Door, Handle, Hook, Op, OpenOptions as Open, Verdict, ViewOptions};

use super::measure::{Outcome, command, head, median, ms, row, time};
use super::tree;

const ROUNDS: usize = 9;

/// Writes files in a new session and ends the run.
pub(crate) fn changed(
    domain: &Domain,
    paths: impl Iterator<Item = String>,
    text: &[u8],
) -> Outcome<SessionId> {
    let session = domain.begin(BeginOptions::default())?;
    let writer = session.writer("bench", ViewOptions::default())?;
    let view = writer.view();
    let how = Open { write: true, create: true, truncate: true, ..Open::default() };
    for path in paths {
        if let Handle::File(f) = view.open_at(&view.root(), path.as_bytes(), &how)? {
            f.write_at(text, 0)?;
        }
    }
    writer.finish()?;
    Ok(session.id().clone())
}

fn spread(files: usize, changed: usize) -> impl Iterator<Item = String> {
    tree::spread(files, changed).map(|i| tree::name(i).to_string_lossy().into_owned())
}

fn open(base: &Path, door: Door) -> Outcome<Domain> {
    let options = OpenOptions { boot_id: "bench".into(), door, ..OpenOptions::default() };
    Ok(Domain::open(base, options)?.0)
}

/// Counts what is flushed.
#[derive(Default)]
struct Flushes(AtomicUsize);

impl Hook for Flushes {
    fn verdict(&self, op: Op) -> Verdict {
        self.0.fetch_add(usize::from(matches!(op, Op::Sync | Op::SyncFs)), Ordering::Relaxed);
        Verdict::Go
    }
}

/// Disjoint landings of one file each, as fast as they go.
pub(crate) fn throughput() -> Outcome {
    const LANDINGS: usize = 1000;
    head(&["disjoint durable landings of one file", "a second", "flushes a landing"]);
    for threads in [1, 4, 16, 64] {
        let base = tempfile::tempdir()?;
        tree::fill(base.path(), 20_000)?;
        let flushes = Arc::new(Flushes::default());
        let domain = open(base.path(), Door::with_hook(flushes.clone()))?;
        let ids = spread(20_000, LANDINGS)
            .map(|path| changed(&domain, std::iter::once(path), b"new\n"))
            .collect::<Outcome<Vec<_>>>()?;
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let before = flushes.0.load(Ordering::Relaxed);
        let begun = Instant::now();
        std::thread::scope(|s| {
            for _ in 0..threads {
                s.spawn(|| {
                    while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(e) = domain.commit(id, CommitOptions::default()) {
                            eprintln!("{e}");
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let took = begun.elapsed();
        if failed.into_inner() {
            return Err("a landing failed".into());
        }
        let flushed = flushes.0.load(Ordering::Relaxed) - before;
        row(&[
            &if threads == 1 { "one after the other".into() } else { format!("{threads} threads") },
            &format!("{:.0}", LANDINGS as f64 / took.as_secs_f64()),
            &format!("{:.2}", flushed as f64 / LANDINGS as f64),
        ]);
    }
    Ok(())
}

/// The change set of 100 files in 100,000 against a warm `git status`; rollback against `rm -rf`.
pub(crate) fn changes() -> Outcome {
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), 100_000)?;
    let git = |args: &[&str]| command("git", args, base.path());
    tree::repository(base.path())?;
    let domain = open(base.path(), Door::default())?;
    let mut samples = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let id = changed(&domain, spread(100_000, 100), b"changed\n")?;
        let session = domain.session(&id)?;
        let set = || Ok(session.view(ViewOptions::default())?.changes()?);
        let (took, set) = time(set)?;
        assert_eq!(set.changes.len(), 100);
        samples[0].push(took);
        git(&["status", "--porcelain"])?;
        samples[1].push(time(|| git(&["status", "--porcelain"]))?.0);
        samples[2].push(time(|| Ok(domain.rollback(&id, false)?))?.0);
        let copy = tempfile::tempdir_in(base.path().parent().unwrap_or(base.path()))?;
        let to = copy.path().join("copy");
        let paths = [base.path(), &to].map(|p| p.to_string_lossy().into_owned());
        command("cp", &["-a", "--reflink=auto", &paths[0], &paths[1]], base.path())?;
        samples[3].push(time(|| command("rm", &["-rf", &paths[1]], base.path()))?.0);
        if samples[3].len() == 3 {
            break; // copies of 100,000 files take their time
        }
    }
    let m = samples.map(|s| median(&s));
    let share = |a: Duration, b: Duration| format!("1/{:.0}", b.as_secs_f64() / a.as_secs_f64());
    head(&["100 changed files in 100,000", "median ms", "of the other"]);
    row(&["change set", &ms(m[0]), &share(m[0], m[1])]);
    row(&["`git status`, warm", &ms(m[1]), ""]);
    row(&["rollback", &ms(m[2]), &share(m[2], m[3])]);
    row(&["`rm -rf` of a copy", &ms(m[3]), ""]);
    Ok(())
}

/// Stops everything at the first exchange: the landing is sealed, nothing of it applied.
struct AtFirstExchange;

impl Hook for AtFirstExchange {
    fn verdict(&self, op: Op) -> Verdict {
        if op == Op::Exchange { Verdict::Stop } else { Verdict::Go }
    }
}

/// Recovery of a landing of many files that was killed right after its seal, against the bare
/// exchanges and the one flush that it cannot do without.
pub(crate) fn recovery() -> Outcome {
    const FILES: usize = 100_000;
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    // The making of a domain tries an exchange of its own.
    drop(open(base.path(), Door::default())?);
    let domain = open(base.path(), Door::with_hook(Arc::new(AtFirstExchange)))?;
    let all = (0..FILES).map(|i| tree::name(i).to_string_lossy().into_owned());
    let id = changed(&domain, all, b"new\n")?;
    if domain.commit(&id, CommitOptions::default()).is_ok() {
        return Err("it was to be interrupted".into());
    }
    drop(domain);
    let (took, _) = time(|| open(base.path(), Door::default()))?;
    let twin = tempfile::tempdir_in(base.path().parent().unwrap_or(base.path()))?;
    tree::fill(twin.path(), FILES)?;
    let slots = twin.path().join("slots");
    fs::create_dir(&slots)?;
    for i in 0..FILES {
        fs::write(slots.join(i.to_string()), b"new\n")?;
    }
    command("sync", &["-f", "."], twin.path())?;
    let (bare, ()) = time(|| {
        for i in 0..FILES {
            let (a, b) = (slots.join(i.to_string()), twin.path().join(tree::name(i)));
            rustix::fs::renameat_with(
                rustix::fs::CWD,
                &a,
                rustix::fs::CWD,
                &b,
                rustix::fs::RenameFlags::EXCHANGE,
            )?;
        }
        command("sync", &["-f", "."], twin.path())
    })?;
    head(&["100,000 replaced files", "ms"]);
    row(&["recovery, killed after the seal", &ms(took)]);
    row(&["bare exchanges and one flush", &ms(bare)]);
    row(&["recovery beyond that", &ms(took.saturating_sub(bare))]);
    Ok(())
}

/// A landing, and taking it back.
pub(crate) fn undo() -> Outcome {
    const FILES: usize = 20_000;
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    let domain = open(base.path(), Door::default())?;
    let (mut landings, mut undos) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let text = format!("round {round}\n");
        let id = changed(&domain, spread(FILES, 100), text.as_bytes())?;
        let (took, landed) = time(|| Ok(domain.commit(&id, CommitOptions::default())?))?;
        landings.push(took);
        let landing = landed.landing.ok_or("nothing landed")?;
        undos.push(time(|| Ok(domain.undo(landing, &UndoOptions::default())?))?.0);
    }
    let (landing, undo) = (median(&landings), median(&undos));
    head(&["100 changed files in 20,000, durable", "ms", "times the landing"]);
    row(&["landing", &ms(landing), "1"]);
    let ratio = undo.as_secs_f64() / landing.as_secs_f64();
    row(&["undo of it", &ms(undo), &format!("{ratio:.2}")]);
    Ok(())
}
