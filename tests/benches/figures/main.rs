//! The figures of the README: `cargo bench -p brio-tests --bench figures [-- SECTION…]`.
//!
//! Sections: `begin`, `lowers`, `landing`, `durable`, `throughput`, `changes`, `undo`,
//! `recovery`, `checkpoints`, `isolation`, `native`, `export`, `agents`, `sandbox`, `tasks`. Each prints
//! tables; what is compared was measured in the same run, turn by turn, so the ratios hold where the
//! times drift.

mod agents;
mod begin;
mod export;
mod landing;
mod lowers;
mod measure;
mod native;
mod sandbox;
mod session;
mod stack;
mod tasks;
mod tree;
mod trust;

type Section = (&'static str, fn() -> measure::Outcome);

fn main() {
    brio_host::enter_room_if_asked();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == tasks::PART) {
        if let Err(e) = tasks::part(&args[1..]) {
            eprintln!("{args:?}: {e}");
            std::process::exit(1);
        }
        return;
    }
    let wanted: Vec<String> = args.into_iter().filter(|a| !a.starts_with('-')).collect();
    let sections: [Section; 15] = [
        ("begin", begin::run),
        ("lowers", lowers::run),
        ("landing", landing::run),
        ("durable", landing::durable),
        ("throughput", trust::throughput),
        ("changes", trust::changes),
        ("undo", trust::undo),
        ("recovery", trust::recovery),
        ("checkpoints", stack::checkpoints),
        ("isolation", stack::isolation),
        ("native", native::run),
        ("export", export::run),
        ("agents", agents::run),
        ("sandbox", sandbox::run),
        ("tasks", tasks::run),
    ];
    let mut failed = false;
    for (name, run) in sections {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        println!("\n## {name}\n");
        if let Err(e) = run() {
            eprintln!("{name}: {e}");
            failed = true;
        }
    }
    if failed {
        std::process::exit(1);
    }
}
