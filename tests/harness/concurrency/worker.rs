//! A process that works in several sessions at a time and lands them.

use std::path::Path;

use brio_landing::{BeginOptions, CommitError, CommitOptions, Domain, Session, Theirs, Writer};
use brio_session::ViewOptions;
use brio_tests::rng::Rng;

use crate::model::{Answer, Op};
use crate::record::{self, End};
use crate::subject;

const DIRS: [&str; 8] = ["", "a", "b", "c", "a/x", "b/y", "g0", "g1"];
const NAMES: [&str; 6] = ["f0", "f1", "f2", "f3", "f4", "f5"];

pub(crate) fn base() -> Vec<String> {
    DIRS[..6].iter().flat_map(|d| NAMES.map(|n| join(d, n))).chain(["count".into()]).collect()
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

fn file(rng: &mut Rng) -> String {
    join(rng.pick::<&str>(&DIRS), rng.pick::<&str>(&NAMES))
}

fn dir(rng: &mut Rng) -> String {
    (*rng.pick(&DIRS[1..])).to_owned()
}

struct Job {
    session: Session,
    n: u64,
    ops: Vec<(Op, Answer)>,
    left: usize,
}

pub(crate) fn work(domain: &Domain, out: &Path, seed: u64, quota: usize) {
    let mut rng = Rng::new(seed);
    let mut jobs: Vec<Job> = Vec::new();
    let mut begun = 0;
    while begun < quota || !jobs.is_empty() {
        if begun < quota && jobs.len() < 3 && (jobs.is_empty() || rng.one_in(2)) {
            let session = domain.begin(BeginOptions::default()).unwrap();
            let n = session.info().unwrap().landing;
            jobs.push(Job { session, n, ops: Vec::new(), left: 1 + rng.below(3) });
            begun += 1;
            continue;
        }
        let at = rng.below(jobs.len());
        if jobs[at].left > 0 {
            jobs[at].left -= 1;
            step(domain, &mut jobs[at], &mut rng);
        } else {
            let job = jobs.swap_remove(at);
            let end = if rng.one_in(16) {
                domain.rollback(job.session.id(), false).unwrap();
                End::RolledBack
            } else {
                commit(domain, &job)
            };
            let refused = matches!(end, End::Conflict(_) | End::Failed(_));
            if refused && rng.one_in(4) {
                // It is kept; some stay open and go on pinning what they see.
                domain.rollback(job.session.id(), false).unwrap();
            }
            let id = job.session.id().to_string();
            record::append(out, &record::Session { id, n: job.n, ops: job.ops, end });
        }
    }
}

fn commit(domain: &Domain, job: &Job) -> End {
    match domain.commit(job.session.id(), CommitOptions::default()) {
        Ok(l) => l.landing.map_or(End::Unchanged, End::Landed),
        Err(CommitError::Conflict { conflicts, .. }) => End::Conflict(
            conflicts
                .iter()
                .map(|c| match &c.theirs {
                    Theirs::Landing { number, .. } => {
                        (c.path.to_string(), Some(*number), String::new())
                    }
                    other => (c.path.to_string(), None, format!("{other:?}")),
                })
                .collect(),
        ),
        Err(e) => End::Failed(e.to_string()),
    }
}

/// A few operations under one writer lease, some of them in a child session.
fn step(domain: &Domain, job: &mut Job, rng: &mut Rng) {
    let writer = job.session.writer("harness", ViewOptions::default()).unwrap();
    match rng.below(10) {
        0 => {
            let child = writer.begin_child(BeginOptions::default()).unwrap();
            let mut ops = Vec::new();
            in_child(&child, &mut ops, rng);
            if rng.one_in(3) {
                domain.rollback(child.id(), false).unwrap();
            } else {
                writer.commit_child(child.id(), CommitOptions::default()).unwrap();
                job.ops.append(&mut ops);
            }
            program(&writer, &mut job.ops, rng);
        }
        1 => {
            end(writer, rng);
            let parent = Some(job.session.id().clone());
            let child = domain.begin(BeginOptions { parent, ..BeginOptions::default() }).unwrap();
            in_child(&child, &mut job.ops, rng);
            domain.commit(child.id(), CommitOptions::default()).unwrap();
            return;
        }
        _ => program(&writer, &mut job.ops, rng),
    }
    end(writer, rng);
}

fn in_child(child: &Session, ops: &mut Vec<(Op, Answer)>, rng: &mut Rng) {
    let writer = child.writer("harness", ViewOptions::default()).unwrap();
    program(&writer, ops, rng);
    end(writer, rng);
}

fn end(writer: Writer, rng: &mut Rng) {
    if rng.one_in(2) {
        writer.finish().unwrap();
    }
}

/// Reads something, and writes what depends on it.
fn program(writer: &Writer, ops: &mut Vec<(Op, Answer)>, rng: &mut Rng) {
    let mut run = |op: Op| {
        let answer = subject::run(writer.view(), &op);
        ops.push((op, answer.clone()));
        answer
    };
    for _ in 0..1 + rng.below(2) {
        let (x, y) = (file(rng), file(rng));
        match rng.below(16) {
            0..=5 => {
                let a = run(Op::Read { path: x.clone() });
                let b = run(Op::Read { path: y });
                let path = if rng.one_in(3) { file(rng) } else { x };
                run(Op::Write { path, text: combine(&a, &b, rng) });
            }
            6..=7 => {
                run(Op::Append { path: x, text: format!("{}\n", rng.next_u64()) });
            }
            8 => {
                run(Op::Unlink { path: x });
            }
            9 => {
                run(Op::Rename { from: x, to: y });
            }
            10 => {
                let (from, to) = (dir(rng), dir(rng));
                run(Op::Rename { from, to });
            }
            11 => {
                let path = dir(rng);
                run(Op::Mkdir { path: path.clone() });
                run(Op::Write { path: join(&path, rng.pick::<&str>(&NAMES)), text: "new".into() });
            }
            12 => {
                // A directory and all that is in it.
                let path = dir(rng);
                if let Answer::Names(names) = run(Op::List { path: path.clone() }) {
                    for n in names {
                        run(Op::Unlink { path: join(&path, &n) });
                    }
                }
                run(Op::Rmdir { path });
            }
            13 => {
                let path = if rng.one_in(2) { x } else { dir(rng) };
                run(Op::Chmod { path, mode: *rng.pick(&[0o644, 0o755, 0o700, 0o775]) });
            }
            14 => {
                // The oldest of lost updates.
                if let Answer::Text(t) = run(Op::Read { path: "count".into() }) {
                    let n: u64 = t.trim().parse().unwrap();
                    run(Op::Write { path: "count".into(), text: format!("{}\n", n + 1) });
                }
            }
            _ => {
                run(Op::List { path: dir(rng) });
                run(Op::Stat { path: x });
                run(Op::Stat { path: dir(rng) });
                run(Op::List { path: String::new() });
            }
        }
    }
}

fn combine(a: &Answer, b: &Answer, rng: &mut Rng) -> String {
    let of = |a: &Answer| match a {
        Answer::Text(t) => t.chars().take(200).collect(),
        _ => "none\n".to_owned(),
    };
    format!("{}\n{}{}", rng.next_u64(), of(a), of(b))
}
