//! Runs one sequence and compares.

use super::memory::Memory;
use super::ops::{self, Op};
use super::plain::Plain;
use super::subject::{Turn, ViewSubject};
use super::{Entry, Outcome, Rng, Subject, Tree, Value, mask, permitted, show};

/// How a sequence is run.
pub struct Plan {
    pub ops: usize,
    /// A full comparison of the trees every so many operations.
    pub compare_every: usize,
    /// One turn of the view in so many operations; 0 for none.
    pub turn_every: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { ops: 60, compare_every: 12, turn_every: 15 }
    }
}

/// Runs a sequence.
///
/// # Errors
/// What differs, and the operations that led there.
pub fn sequence(
    rng: &mut Rng,
    plan: &Plan,
    view: &mut ViewSubject,
    memory: &mut Memory,
    plain: &mut Plain,
) -> Result<(), String> {
    let mut log = Vec::new();
    let mut step = |log: &mut Vec<String>, n: usize| -> Result<(), String> {
        if plan.turn_every > 0 && rng.one_in(plan.turn_every) {
            let turn = if rng.one_in(2) { Turn::Reopen } else { Turn::Restack };
            log.push(format!("{turn:?}"));
            if turn == Turn::Reopen {
                memory.close_all();
                plain.close_all();
            }
            view.turn(turn);
        }
        let op = ops::generate(rng, &memory.known());
        log.push(ops::show(&op));
        one(&op, view, memory, plain)?;
        if n.is_multiple_of(plan.compare_every) || n + 1 == plan.ops {
            let want = memory.tree();
            same_tree("view", &want, view.tree())?;
            same_tree("plain", &want, plain.tree())?;
        }
        Ok(())
    };
    for n in 0..plan.ops {
        if let Err(e) = step(&mut log, n) {
            return Err(format!("{e}\nafter:\n  {}", log.join("\n  ")));
        }
    }
    Ok(())
}

fn one(
    op: &Op,
    view: &mut ViewSubject,
    memory: &mut Memory,
    plain: &mut Plain,
) -> Result<(), String> {
    let want = memory.apply(op);
    let v = masked(view.apply(op), &want);
    let p = masked(plain.apply(op), &want);
    if v != want {
        return Err(format!(
            "the view answers {} instead of {}; plain: {}",
            brief(&v),
            brief(&want),
            brief(&p)
        ));
    }
    if p != want && std::env::var_os("BRIO_MODEL_SURVEY").is_some() {
        println!("PAIR {v:?} {p:?} :: {}", ops::show(op));
    }
    if p != want && !permitted::errors(op, &v, &p) {
        return Err(format!("plain answers {}, view and memory {}", brief(&p), brief(&want)));
    }
    Ok(())
}

fn masked(mut got: Outcome, want: &Outcome) -> Outcome {
    if let (Ok(Value::Stat(g)), Ok(Value::Stat(w))) = (&mut got, want) {
        mask(g, w);
    }
    got
}

fn brief(o: &Outcome) -> String {
    match o {
        Ok(Value::Bytes(b)) => {
            format!("{} bytes {:?}…", b.len(), b.iter().take(8).collect::<Vec<_>>())
        }
        o => format!("{o:?}"),
    }
}

/// Whether two trees are the same, as far as `want` knows.
///
/// # Errors
/// The first differences.
pub fn same_tree(who: &str, want: &Tree, mut got: Tree) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (path, w) in want {
        match got.remove(path) {
            None => wrong.push(format!("lacks {}", show(path))),
            Some(mut g) => {
                mask(&mut g.stat, &w.stat);
                if g != *w {
                    wrong.push(format!("{}: {} instead of {}", show(path), entry(&g), entry(w)));
                }
            }
        }
    }
    wrong.extend(got.keys().map(|p| format!("has {} too many", show(p))));
    if wrong.is_empty() { Ok(()) } else { Err(format!("tree of {who}: {}", wrong.join("; "))) }
}

fn entry(e: &Entry) -> String {
    format!("{:?} {:?}", e.stat, show(&e.content[..e.content.len().min(24)]))
}
