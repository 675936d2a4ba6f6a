//! What a checkpoint and the way back cost, beside a begin; and what it costs to validate reads.

use brio_landing::{BeginOptions, CommitOptions, Domain, Isolation, OpenOptions, Session};
use brio_session::{Handle, OpenOptions as Open, View, ViewOptions};

use super::measure::{Outcome, head, median, ms, row, time};
use super::tree;

const ROUNDS: usize = 31;
const FILES: usize = 20_000;

fn open(base: &std::path::Path) -> Outcome<Domain> {
    let options = OpenOptions { boot_id: "bench".into(), ..OpenOptions::default() };
    Ok(Domain::open(base, options)?.0)
}

fn write(view: &View, path: &str, text: &str) -> Outcome {
    let how = Open { write: true, create: true, ..Open::default() };
    if let Handle::File(f) = view.open_at(&view.root(), path.as_bytes(), &how)? {
        f.write_at(text.as_bytes(), 0)?;
    }
    Ok(())
}

fn edited(session: &Session, text: &str) -> Outcome {
    let writer = session.writer("bench", ViewOptions::default())?;
    write(writer.view(), "answer", text)?;
    Ok(writer.finish()?)
}

/// Of a session with one change since the last checkpoint.
pub(crate) fn checkpoints() -> Outcome {
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    let domain = open(base.path())?;
    let (mut begin, mut checkpoint, mut restore) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (took, session) = time(|| Ok(domain.begin(BeginOptions::default())?))?;
        begin.push(took);
        edited(&session, &round.to_string())?;
        checkpoint.push(time(|| Ok(session.checkpoint("one")?))?.0);
        edited(&session, "later")?;
        restore.push(time(|| Ok(session.restore("one")?))?.0);
        domain.rollback(session.id(), false)?;
    }
    head(&["20,000 files, one changed", "median ms", "times a begin"]);
    let one = median(&begin).as_secs_f64();
    let samples = [
        ("begin (not flushed)", &begin),
        ("checkpoint (one flush)", &checkpoint),
        ("restore (one flush)", &restore),
    ];
    for (name, s) in samples {
        row(&[name, &ms(median(s)), &format!("{:.1}", median(s).as_secs_f64() / one)]);
    }
    Ok(())
}

/// A session that reads every file and writes one, from opening its view to the landing.
pub(crate) fn isolation() -> Outcome {
    let base = tempfile::tempdir()?;
    tree::fill(base.path(), FILES)?;
    let domain = open(base.path())?;
    let both = [Isolation::Snapshot, Isolation::Serializable];
    let (mut runs, mut commits) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut buf = vec![0; 16 << 10];
    for round in 0..ROUNDS / 3 {
        for (i, isolation) in both.into_iter().enumerate() {
            let session = domain.begin(BeginOptions { isolation, ..BeginOptions::default() })?;
            let how = Open { read: true, ..Open::default() };
            let run = || {
                let writer = session.writer("bench", ViewOptions::default())?;
                let view = writer.view();
                for n in 0..FILES {
                    let name = tree::name(n);
                    let name = name.as_os_str().as_encoded_bytes();
                    if let Handle::File(f) = view.open_at(&view.root(), name, &how)? {
                        f.read_at(&mut buf, 0)?;
                    }
                }
                write(view, "answer", &format!("{round} {i}"))?;
                Ok(writer.finish()?)
            };
            runs[i].push(time(run)?.0);
            let commit = || Ok(domain.commit(session.id(), CommitOptions::default())?);
            commits[i].push(time(commit)?.0);
        }
    }
    head(&["20,000 files read, one written", "snapshot ms", "serializable ms", "ratio"]);
    for (name, [plain, checked]) in [("run", &runs), ("landing", &commits)] {
        let (plain, checked) = (median(plain), median(checked));
        let ratio = format!("{:.3}", checked.as_secs_f64() / plain.as_secs_f64());
        row(&[name, &ms(plain), &ms(checked), &ratio]);
    }
    Ok(())
}
