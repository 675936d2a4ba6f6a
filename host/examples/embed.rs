//! A task in a program of one's own: `cargo run -p brio-host --example embed -- DIR`.
//!
//! An agent respells the Markdown of the directory, a reviewer looks at exactly what would land,
//! and it lands as a whole or not at all.

use brio_host::Brio;
use brio_host::tasks::{Agent, Event, Gate, Reviewer, Step, Task};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("usage: embed DIR")?;
    let home = std::env::temp_dir().join("brio-embed");
    let supervisor = Brio::open(home)?.supervisor(std::env::vars_os().collect())?;

    let task = Task::new("american-spelling")
        .base(std::path::absolute(dir)?)
        .goal("Spell as Americans do")
        .step(Step::new("spell", Agent::new("replace", "s/colour/color/").arg("*.md")))
        .gate(Gate::new("secrets", Reviewer::new("check-secrets").arg("--changed")));

    let mut run = supervisor.start(&task)?;
    for event in run.events() {
        if let Event::Part { part, failed, message, .. } = event {
            println!("{part}: {} ({message})", if failed.is_none() { "ok" } else { "no" });
        }
    }
    let outcome = run.wait()?;
    println!("{}, landing {:?}: {}", outcome.name, outcome.landing, outcome.message);
    Ok(())
}
