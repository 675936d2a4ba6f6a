//! Programs for the guest `fs-script`: made up, told to the guest, and what the models answer.

use std::collections::HashMap;

use super::model::memory::Memory;
use super::model::ops::Op;
use super::model::{Class, Rng, Subject, ops, show};
use super::script::{self, HELD, Step};

/// The session, a second one that can be written, one that cannot.
pub(crate) const MOUNTS: usize = 3;
pub(crate) const READ_ONLY: usize = 2;

#[derive(Debug, Clone)]
pub(crate) enum Act {
    Step(Step),
    /// From here on in another directory.
    Mount(usize),
    /// A directory below stands for it, wherever that goes.
    Enter(Vec<u8>),
    Leave,
    /// From one directory to another.
    Across {
        link: bool,
        to: usize,
        from: Vec<u8>,
        name: Vec<u8>,
    },
}

impl Act {
    pub(crate) fn argument(&self) -> String {
        let text = |p: &[u8]| String::from_utf8(p.to_vec()).unwrap();
        match self {
            Self::Step(step) => script::argument(step),
            Self::Mount(n) => format!("mount\t{n}"),
            Self::Enter(path) => format!("enter\t{}", text(path)),
            Self::Leave => "leave".into(),
            Self::Across { link, to, from, name } => {
                let what = if *link { "link-to" } else { "rename-to" };
                format!("{what}\t{to}\t{}\t{}", text(from), text(name))
            }
        }
    }

    pub(crate) fn display(&self) -> String {
        match self {
            Self::Step(step) => script::display(step),
            Self::Enter(path) => format!("Enter {:?}", show(path)),
            Self::Across { link, to, from, name } => {
                let what = if *link { "LinkTo" } else { "RenameTo" };
                format!("{what} {to} {:?} {:?}", show(from), show(name))
            }
            Self::Mount(_) | Self::Leave => format!("{self:?}"),
        }
    }
}

/// What may be answered.
#[derive(Debug)]
pub(crate) enum Want {
    Line(String),
    /// It is read-only; or, what is wrong with it otherwise.
    ReadOnlyOr(String),
}

impl Want {
    pub(crate) fn allows(&self, got: &str) -> bool {
        let fits = |want: &str| {
            // Names that WASI cannot say are not shown by a view.
            let want = want.replace(" ?", "");
            want.split(' ').count() == got.split(' ').count()
                && want.split(' ').zip(got.split(' ')).all(|(w, g)| w == "-" || w == g)
        };
        match self {
            Self::Line(want) => fits(want),
            Self::ReadOnlyOr(want) => got == "read-only" || fits(want),
        }
    }
}

/// The trees in memory, and where the guest is in them.
pub(crate) struct Models {
    pub(crate) trees: Vec<Memory>,
    pub(crate) at: usize,
    held: HashMap<(usize, usize), String>,
}

impl Models {
    pub(crate) fn new(trees: Vec<Memory>) -> Self {
        Self { trees, at: 0, held: HashMap::new() }
    }

    /// A run has ended: nothing is open any more.
    pub(crate) fn end(&mut self) {
        self.at = 0;
        self.held.clear();
        for tree in &mut self.trees {
            tree.close_all();
            tree.leave();
        }
    }

    fn here(&mut self) -> &mut Memory {
        &mut self.trees[self.at]
    }

    /// Whether what paths begin in was removed: nothing can be said about that.
    pub(crate) fn is_lost(&self) -> bool {
        self.trees[self.at].is_lost()
    }

    pub(crate) fn perform(&mut self, act: &Act) -> Want {
        let done = |r: Result<(), Class>| match r {
            Ok(()) => "done".to_owned(),
            Err(class) => script::code(class).to_owned(),
        };
        Want::Line(match act {
            Act::Mount(n) => {
                self.at = *n;
                "done".into()
            }
            Act::Enter(path) => done(self.here().enter(path)),
            Act::Leave => {
                self.here().leave();
                "done".into()
            }
            Act::Across { .. } => "cross-device".into(),
            Act::Step(step) => return self.step(step),
        })
    }

    fn step(&mut self, step: &Step) -> Want {
        let at = self.at;
        match step {
            Step::Hold { slot, path } => {
                let want = script::line(&self.here().apply(&Op::List { path: path.clone() }));
                let begun = want.starts_with("names");
                self.held.remove(&(at, *slot));
                Want::Line(if begun {
                    self.held.insert((at, *slot), want);
                    "done".into()
                } else {
                    want
                })
            }
            Step::Drain { slot } => {
                let want = self.held.remove(&(at, *slot));
                Want::Line(want.unwrap_or_else(|| script::code(Class::BadDescriptor).into()))
            }
            Step::Same { a, b } => Want::Line(match self.here().same(a, b) {
                Ok(same) => format!("same {same}"),
                Err(class) => script::code(class).into(),
            }),
            Step::Op(op) if at == READ_ONLY && changes(op) => {
                // The model tries it on a copy: nothing comes of it.
                let mut copy = self.here().clone();
                let want = script::wanted(&mut copy, op);
                // An open that fails closes what was in its place.
                if let Op::Open { slot, .. } = op {
                    let _ = self.here().apply(&Op::Close { slot: *slot });
                }
                let nothing = want == "len 0" || (want == "done" && idle(op));
                match script::class(&want).is_some() || nothing {
                    true => Want::ReadOnlyOr(want),
                    false => Want::Line("read-only".into()),
                }
            }
            Step::Op(op) => Want::Line(script::wanted(self.here(), op)),
        }
    }
}

/// What changes nothing when it succeeds.
fn idle(op: &Op) -> bool {
    matches!(op, Op::Rename { .. } | Op::Open { .. })
}

fn changes(op: &Op) -> bool {
    match op {
        Op::Open { how, .. } => how.write || how.create || how.truncate,
        Op::Close { .. } | Op::Read { .. } | Op::HandleStat { .. } => false,
        Op::ReadPath { .. } | Op::ReadLink { .. } | Op::Stat { .. } | Op::List { .. } => false,
        _ => true,
    }
}

/// Makes up a program of so many acts; `models` are left where it leads.
pub(crate) fn generate(rng: &mut Rng, models: &mut Models, len: usize) -> Vec<Act> {
    let mut acts = Vec::with_capacity(len);
    while acts.len() < len {
        let known = models.here().known();
        let path = |rng: &mut Rng| script::known_path(rng, &known);
        let act = match rng.below(60) {
            _ if models.is_lost() => Act::Leave,
            0 | 1 => Act::Mount([0, 0, 0, 1, 1, READ_ONLY][rng.below(6)]),
            2 => Act::Enter(path(rng)),
            3 => Act::Leave,
            4 => Act::Across {
                link: rng.one_in(2),
                to: (models.at + 1 + rng.below(MOUNTS - 1)) % MOUNTS,
                from: path(rng),
                name: path(rng),
            },
            5 | 6 => Act::Step(Step::Hold { slot: rng.below(HELD), path: path(rng) }),
            7 | 8 => Act::Step(Step::Drain { slot: rng.below(HELD) }),
            9 | 10 => Act::Step(Step::Same { a: path(rng), b: path(rng) }),
            _ => Act::Step(Step::Op(script::say(ops::generate(rng, &known)))),
        };
        models.perform(&act);
        acts.push(act);
    }
    acts
}
