//! What file calls cost an agent in a session, against the same component under wasmtime-wasi's
//! own file system in the same engine, and against a native program.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brio_landing::{BeginOptions, Domain, OpenOptions};
use brio_runtime::{Agent, Engine, EngineOptions, Outcome as Ended, Plain, RunSpec, Workspace};
use brio_session::{Handle, OpenOptions as Open, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::measure::{Outcome, head, median, ms, percentile, row, time};
use super::tree;

const FILES: usize = 20_000;
const ROUNDS: usize = 7;

type Native = fn(&Path) -> Outcome<Vec<Duration>>;

pub(crate) fn run() -> Outcome {
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    let cache = tempfile::tempdir()?;
    let engine = Engine::new(EngineOptions { cache_dir: Some(cache.path().into()) })?;
    start(&engine, base.path())?;
    println!();
    head(&[
        "20,000 files, median ms",
        "session",
        "plain, default",
        "plain, blocking",
        "native",
        "session / blocking",
        "session / default",
    ]);
    let guests: [(&[&str], Native); 3] = [
        (&["bench-stat"], stat_natively),
        (&["bench-read"], read_natively),
        (&["bench-write", "bench-write, its renames"], write_natively),
    ];
    for (rows, native) in guests {
        let agent = engine.load(prebuilt(rows[0]))?;
        compare(rows, &engine, &agent, base.path(), native)?;
    }
    println!();
    tracking(&engine, base.path())
}

/// What it costs a session to note what it reads: processor time of whole runs, from opening the
/// view to its sync, in turns.
fn tracking(engine: &Engine, base: &Path) -> Outcome {
    head(&["20,000 files, median ms of processor time", "session", "reads tracked", "ratio"]);
    let (domain, _) = Domain::open(base, OpenOptions::default())?;
    for name in ["bench-stat", "bench-read"] {
        let agent = engine.load(prebuilt(name))?;
        let mut samples = [Vec::new(), Vec::new()];
        for _ in 0..=2 * ROUNDS {
            for (track_reads, samples) in [false, true].into_iter().zip(&mut samples) {
                let session = domain.begin(BeginOptions::default())?;
                let started = processor_time();
                let options = ViewOptions { track_reads, ..ViewOptions::default() };
                let writer = session.writer("bench", options)?;
                guest(engine, &agent, writer.view().clone().into())?;
                writer.finish()?;
                samples.push(processor_time().saturating_sub(started));
                domain.rollback(session.id(), false)?;
            }
        }
        let [plain, tracked] = samples.map(|s| median(&s[1..]));
        let ratio = format!("{:.3}", tracked.as_secs_f64() / plain.as_secs_f64());
        row(&[name, &ms(plain), &ms(tracked), &ratio]);
    }
    Ok(())
}

fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn prebuilt(name: &str) -> PathBuf {
    brio_tests::root().join("example-agents/prebuilt/test").join(name).with_extension("wasm")
}

fn compare(rows: &[&str], engine: &Engine, agent: &Agent, base: &Path, native: Native) -> Outcome {
    let (domain, _) = Domain::open(base, OpenOptions::default())?;
    let mut samples = vec![vec![Vec::new(); 4]; rows.len()];
    for round in 0..=ROUNDS {
        let session = domain.begin(BeginOptions::default())?;
        let writer = session.writer("bench", ViewOptions::default())?;
        let took = [
            guest(engine, agent, writer.view().clone().into())?,
            guest(engine, agent, plain(base, false)?)?,
            guest(engine, agent, plain(base, true)?)?,
            native(base)?,
        ];
        writer.finish()?;
        domain.rollback(session.id(), false)?;
        // The first round warms the caches.
        if round > 0 {
            for (who, times) in took.into_iter().enumerate() {
                for (row, t) in samples.iter_mut().zip(times) {
                    row[who].push(t);
                }
            }
        }
    }
    let over = |a: Duration, b: Duration| format!("{:.2}", a.as_secs_f64() / b.as_secs_f64());
    for (name, samples) in rows.iter().zip(samples) {
        let m: Vec<Duration> = samples.iter().map(|s| median(s)).collect();
        let ratios = [over(m[0], m[2]), over(m[0], m[1])];
        row(&[name, &ms(m[0]), &ms(m[1]), &ms(m[2]), &ms(m[3]), &ratios[0], &ratios[1]]);
    }
    Ok(())
}

fn plain(base: &Path, block_current_thread: bool) -> Outcome<Workspace> {
    let dir = Dir::open_ambient_dir(base, ambient_authority())?;
    Ok(Workspace::Plain(Plain { dir, block_current_thread }))
}

/// Runs a guest that prints `COUNT NANOSECONDS` once or more; the nanoseconds are its own.
fn guest(engine: &Engine, agent: &Agent, on: Workspace) -> Outcome<Vec<Duration>> {
    let report = engine.run(agent, RunSpec::new(on));
    if report.outcome != Ended::Succeeded {
        return Err(format!("the guest ended with {:?}: {:?}", report.outcome, report.error).into());
    }
    let text = String::from_utf8_lossy(&report.stdout.bytes).into_owned();
    let mut times = Vec::new();
    for nanos in text.split_whitespace().skip(1).step_by(2) {
        times.push(Duration::from_nanos(nanos.parse()?));
    }
    Ok(times)
}

/// From an open session and a loaded agent to the first byte read: opening the view,
/// instantiating, and one read.
fn start(engine: &Engine, base: &Path) -> Outcome {
    let agent = engine.load(prebuilt("bench-read"))?;
    let (domain, _) = Domain::open(base, OpenOptions::default())?;
    let (mut open, mut read) = (Vec::new(), Vec::new());
    let small = tempfile::tempdir()?;
    std::fs::write(small.path().join("one"), "one file")?;
    let (one, _) = Domain::open(small.path(), OpenOptions::default())?;
    for _ in 0..200 {
        let session = domain.begin(BeginOptions::default())?;
        open.push(time(|| Ok(session.view(ViewOptions::default())?))?.0);
        domain.rollback(session.id(), false)?;
        let session = one.begin(BeginOptions::default())?;
        let started = Instant::now();
        let view = session.view(ViewOptions { read_only: true, ..ViewOptions::default() })?;
        let how = Open { read: true, ..Open::default() };
        let Handle::File(_) = view.open_at(&view.root(), b"one", &how)? else {
            return Err("no file".into());
        };
        guest(engine, &agent, view.into())?;
        read.push(started.elapsed());
        one.rollback(session.id(), false)?;
    }
    head(&["start", "p50 ms", "p95 ms"]);
    for (name, s) in
        [("open a view", &open), ("open + instantiate + list and read one file + end", &read)]
    {
        row(&[name, &ms(median(s)), &ms(percentile(s, 95))]);
    }
    Ok(())
}

fn stat_natively(base: &Path) -> Outcome<Vec<Duration>> {
    let start = Instant::now();
    let mut pending = vec![base.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if std::fs::symlink_metadata(&path)?.is_dir() {
                pending.push(path);
            }
        }
    }
    Ok(vec![start.elapsed()])
}

fn read_natively(base: &Path) -> Outcome<Vec<Duration>> {
    let mut files = Vec::new();
    let mut pending = vec![base.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    let start = Instant::now();
    for path in &files {
        std::hint::black_box(std::fs::read(path)?);
    }
    Ok(vec![start.elapsed()])
}

fn write_natively(base: &Path) -> Outcome<Vec<Duration>> {
    const FILES: u32 = 2000;
    let dir = base.join("bench-write.tmp");
    std::fs::create_dir(&dir)?;
    let start = Instant::now();
    for i in 0..FILES {
        std::fs::write(dir.join(format!("new{i}")), [b'x'; 4096])?;
    }
    let written = start.elapsed();
    let start = Instant::now();
    for i in 0..FILES {
        std::fs::rename(dir.join(format!("new{i}")), dir.join(format!("kept{i}")))?;
    }
    let renamed = start.elapsed();
    std::fs::remove_dir_all(&dir)?;
    Ok(vec![written, renamed])
}
