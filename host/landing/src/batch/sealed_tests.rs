//! Seals in a batch: what is sealed lands first, or after what its gates did not see, which
//! breaks it.

#![allow(clippy::unwrap_used, reason = "tests")]

use brio_session::Door;

use super::tests::{Case, case, open};
use super::*;
use crate::commit::prepare;
use crate::{CommitOptions, Domain, Moved, meta};

/// Stages all, those at `sealed` under a seal.
fn jobs(d: &Domain, c: &Case, sealed: &[usize]) -> Jobs {
    let job = |(i, id)| {
        let seal = sealed.contains(&i).then(|| d.session(id).unwrap().seal().unwrap());
        let options = CommitOptions { sealed: seal, ..CommitOptions::default() };
        let m = meta::load(d.state(), id).unwrap();
        let commit = prepare(d.state(), &m, &options, None).unwrap();
        let planned = commit.plan().unwrap();
        (i as u64, commit.stage(planned).unwrap())
    };
    c.ids.iter().enumerate().map(job).collect()
}

fn landed(outcomes: &Outcomes) -> Vec<(u64, Option<u64>)> {
    let number = |o: &Outcome| match o {
        Outcome::Over(Ok(l)) => l.landing,
        Outcome::Over(Err(CommitError::SealBroken { moved: Moved::Base(_), .. })) => None,
        Outcome::Over(Err(e)) => panic!("{e}"),
        Outcome::Replan => panic!("nothing of its plan changed"),
    };
    let mut all: Vec<_> = outcomes.iter().map(|(id, o)| (*id, number(o))).collect();
    all.sort_unstable();
    all
}

#[test]
fn of_sealed_landings_one_is_done_and_the_others_are_broken_by_it() {
    let c = case();
    let d = open(c.dir.path(), Door::default());
    let (outcomes, later) = batch(d.state(), jobs(&d, &c, &[0, 1, 2]));
    assert_eq!(landed(&outcomes), [(0, Some(1))]);
    let (outcomes, later) = batch(d.state(), later);
    assert_eq!((landed(&outcomes), later.len()), (vec![(1, None), (2, None)], 0));
}

#[test]
fn a_sealed_landing_waits_behind_others_and_others_go_with_it() {
    let c = case();
    let d = open(c.dir.path(), Door::default());
    let (outcomes, later) = batch(d.state(), jobs(&d, &c, &[1]));
    assert_eq!(landed(&outcomes), [(0, Some(1)), (2, Some(2))]);
    let (outcomes, _) = batch(d.state(), later);
    assert_eq!(landed(&outcomes), [(1, None)]);

    let c = case();
    let d = open(c.dir.path(), Door::default());
    let (outcomes, later) = batch(d.state(), jobs(&d, &c, &[0]));
    assert_eq!(landed(&outcomes), [(0, Some(1)), (1, Some(2)), (2, Some(3))]);
    assert!(later.is_empty());
}
