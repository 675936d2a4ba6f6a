//! Runs a command in a room: `room [--net] [--workspace DIR] COMMAND...`; or, with
//! `--measure N`, prints what an empty room and a cell cost.

use std::time::{Duration, Instant};

use brio_confine::{Cell, Command, Room, Stdio, Workspace, toolchains};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    brio_confine::enter_if_asked_with(|_| 0);
    let mut room = Room::empty();
    let mut arguments = std::env::args_os().skip(1).peekable();
    let mut measure = 0usize;
    while let Some(flag) = arguments.next_if(|a| a.to_string_lossy().starts_with("--")) {
        let mut value = || arguments.next().ok_or("a value is missing");
        match flag.to_str() {
            Some("--net") => room = room.network(true),
            Some("--measure") => measure = value()?.to_string_lossy().parse()?,
            Some("--workspace") => {
                let path = std::path::PathBuf::from(value()?);
                room = Room::new(Workspace::Bind { source: path.clone(), path });
            }
            _ => return Err("--net, --workspace DIR or --measure N".into()),
        }
    }
    let mut env = Vec::new();
    for name in ["PATH", "HOME", "TERM", "CARGO_HOME", "RUSTUP_HOME"] {
        env.extend(std::env::var_os(name).map(|value| (name.into(), value)));
    }
    room = room.binds(toolchains(|name| std::env::var_os(name)).binds);
    if let Some(home) = std::env::var_os("HOME") {
        room = room.home(home);
    }
    if measure > 0 {
        return figures(&room, measure);
    }
    let mut command = Command::new(arguments);
    command.env = env;
    (command.stdin, command.stdout, command.stderr) =
        (Stdio::Inherit, Stdio::Inherit, Stdio::Inherit);
    let mut running = room.spawn(command)?;
    eprintln!("room: {}", running.report());
    let exit = running.wait()?;
    std::process::exit(exit.code());
}

fn figures(room: &Room, rounds: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut plain = Vec::new();
    let mut confined = Vec::new();
    let (mut locked, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        std::process::Command::new("/bin/true").status()?;
        plain.push(start.elapsed());
        let start = Instant::now();
        room.spawn(Command::new(["/bin/true"]))?.wait()?;
        confined.push(start.elapsed());
        let start = Instant::now();
        let mut cell = Cell::new().spawn(Vec::new())?;
        locked.push(start.elapsed());
        cell.wait()?;
        ended.push(start.elapsed());
    }
    println!("/bin/true, median of {rounds}: plain {:.2} ms", median(plain));
    println!("/bin/true, median of {rounds}: in a room {:.2} ms", median(confined));
    println!("a cell, median of {rounds}: locked after {:.2} ms", median(locked));
    println!("a cell, median of {rounds}: ended after {:.2} ms", median(ended));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
