//! Two machines on one project, killed at any moment.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use brio_tests::rng::{Rng, from_env};

use crate::common::until;
use crate::{Team, add, start, text};

// Nothing that was acknowledged is lost, nothing lands twice, whenever a machine dies.
#[test]
fn machines_that_are_killed_lose_nothing() {
    let rounds: usize = std::env::var("BRIO_STORE_KILLS").map_or(10, |n| n.parse().unwrap());
    let mut rng = Rng::new(from_env("BRIO_SEED", 1));
    let team = Team::new();
    let b = team.checked_out();
    let machines = [&team.a, &b];
    let mut acknowledged = BTreeSet::new();
    let mut killed = 0;
    for round in 0..rounds {
        let machine = machines[rng.below(2)];
        let name = format!("f{round}.txt");
        let id = start(machine, &name);
        add(machine, &id, &[(&name, "text\n")]);
        let kinds: [&[&str]; 3] =
            [&["session", "land", &id], &["session", "push", &id], &["project", "update"]];
        let kind = kinds[rng.below(kinds.len())];
        let mut command = machine.command(kind);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(rng.below(120) as u64));
        let _ = child.kill();
        let landed = child.wait().unwrap().success() && kind[1] == "land";
        killed += usize::from(!landed);
        // Somebody goes on: on this machine, or, if it was pushed, on the other one.
        let done = machine.brio(&["session", "land", &id]);
        let over = done.stderr.contains("SESSION_ENDED") && done.stderr.contains("landed");
        assert!(done.status == 0 || over, "{name}: {}", done.stderr);
        assert!(!landed || over, "{name} was landed before: {}", done.stderr);
        acknowledged.insert(name);
    }
    until("both are at the head", || {
        machines.iter().all(|m| m.brio(&["project", "update"]).status == 0)
    });
    for machine in machines {
        let there = acknowledged.iter().filter(|name| machine.base().join(name).exists());
        assert_eq!(there.count(), acknowledged.len());
    }
    // Each landed once: the import, and one for each.
    let (_, log) = b.json(&["log", "--json"]);
    let goals: Vec<_> =
        log["landings"].as_array().unwrap().iter().map(|l| text(&l["goal"])).collect();
    let distinct: BTreeSet<_> = goals.iter().collect();
    assert_eq!((goals.len(), distinct.len()), (rounds + 1, rounds + 1), "{goals:?}");
    b.ok(&["project", "fsck", "--read-data"]);
    println!("{rounds} rounds, {killed} killed or pushed only, {} landings", goals.len());
}
