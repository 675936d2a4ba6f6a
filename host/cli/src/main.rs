//! The command `brio`: arguments in, one call of `brio-host`, words and a status out.
mod args;
mod commands;
mod config;
mod exit;
mod failure;
mod interrupt;
mod json;
mod logging;
mod lower;
mod nfs;
mod open;
mod patch;
mod progress;
mod summary;
mod terminal;
mod ui;
mod units;

use std::process::ExitCode;

use brio_server::time;
use clap::Parser;

use args::{Agent, Args, Command, Config, Note, Project, Session, Task};
use exit::Exit;
use failure::{Failure, one_line};
use ui::Ui;

fn main() -> ExitCode {
    // This program is also the helper that makes the room of a native command.
    brio_host::enter_room_if_asked();
    let of_env = logging::from_env();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => return usage(&e),
    };
    match (args.log_format, of_env) {
        (Some(format), _) => logging::choose(format),
        (None, Ok(_)) => {}
        (None, Err(failure)) => {
            failure.print();
            return failure.exit.into();
        }
    }
    logging::begin();
    let ui = Ui::new(args.quiet);
    match run(args.command, &ui) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

fn run(command: Command, ui: &Ui) -> Result<Exit, Failure> {
    match command {
        Command::Demo(c) => c.run(ui),
        Command::Run(c) => c.run(ui),
        Command::Session(c) => session(c.command(), ui),
        Command::Log(c) => c.run(ui),
        Command::Journal(c) => c.run(ui),
        Command::Land(c) => c.run(ui),
        Command::Undo(c) => c.run(ui),
        Command::Blame(c) => c.run(ui),
        Command::Recover(c) => c.run(ui),
        Command::Doctor(c) => c.run(ui),
        Command::Gc(c) => c.run(ui),
        Command::Task(Task::Run(c)) => c.run(ui),
        Command::Task(Task::Submit(c)) => c.run(ui),
        Command::Task(Task::List(c)) => c.run(ui),
        Command::Task(Task::Show(c)) => c.run(ui),
        Command::Task(Task::Logs(c)) => c.run(ui),
        Command::Task(Task::Wait(c)) => c.run(ui),
        Command::Task(Task::Cancel(c)) => c.run(ui),
        Command::Task(Task::Prune(c)) => c.run(ui),
        Command::Task(Task::Check(c)) => c.run(ui),
        Command::Task(Task::Schema(c)) => c.run(ui),
        Command::Serve(c) => c.run(ui),
        Command::Mcp(c) => c.run(ui),
        Command::Project(Project::Init(c)) => c.run(ui),
        Command::Project(Project::Status(c)) => c.run(ui),
        Command::Project(Project::Import(c)) => c.run(ui),
        Command::Project(Project::Checkout(c)) => c.run(ui),
        Command::Project(Project::Update(c)) => c.run(ui),
        Command::Project(Project::Fsck(c)) => c.run(ui),
        Command::Project(Project::State(c)) => c.run(ui),
        Command::Project(Project::Migrate(c)) => c.run(ui),
        Command::Note(Note::Read(c)) => c.run(ui),
        Command::Note(Note::Write(c)) => c.run(ui),
        Command::Note(Note::List(c)) => c.run(ui),
        Command::Note(Note::Rm(c)) => c.run(ui),
        Command::Note(Note::History(c)) => c.run(ui),
        Command::Agent(Agent::List(c)) => c.run(ui),
        Command::Agent(Agent::Check(c)) => c.run(ui),
        Command::Agent(Agent::New(c)) => c.run(ui),
        Command::Config(Config::Show(c)) => c.run(ui),
        Command::Completions(c) => c.run(ui),
        Command::Man(c) => c.run(ui),
    }
}

fn session(command: Session, ui: &Ui) -> Result<Exit, Failure> {
    match command {
        Session::Begin(c) => c.run(ui),
        Session::List(c) => c.run(ui),
        Session::Show(c) => c.run(ui),
        Session::Diff(c) => c.run(ui),
        Session::Start(c) => c.run(ui),
        Session::Commit(c) => c.run(ui),
        Session::Push(c) => c.run(ui),
        Session::Resolve(c) => c.run(ui),
        Session::Rollback(c) => c.run(ui),
        Session::Kill(c) => c.run(ui),
        Session::Purge(c) => c.run(ui),
        Session::Exec(c) => c.run(ui),
        Session::Checkpoint(c) => c.run(ui),
        Session::Restore(c) => c.run(ui),
        Session::Export(c) => c.run(ui),
        Session::Import(c) => c.run(ui),
        Session::Path(c) => c.run(ui),
        Session::Bind(c) => c.run(ui),
        Session::Unbind(c) => c.run(ui),
        Session::Mount(c) => c.run(ui),
        Session::Unmount(c) => c.run(ui),
        Session::Approve(c) => c.run(ui),
        Session::Reject(c) => c.run(ui),
        Session::Pause(c) => c.run(ui),
        Session::Resume(c) => c.run(ui),
        Session::Say(c) => c.run(ui),
        Session::Decide(c) => c.run(ui),
    }
}

/// Help goes to standard output; a mistake is one line as every other error.
fn usage(e: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match e.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = e.print();
            Exit::Ok.into()
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = e.print();
            Exit::Usage.into()
        }
        _ => {
            let text = e.to_string();
            let what = text.split("\n\n").next().unwrap_or(&text);
            let what = one_line(what.strip_prefix("error: ").unwrap_or(what));
            let tip = text.lines().find_map(|l| l.trim().strip_prefix("tip: "));
            let hint = tip.map_or_else(|| help(&text), str::to_owned);
            let failure = Failure::new("USAGE", what).hint(hint);
            failure.print();
            failure.exit.into()
        }
    }
}

/// Where the help is of the command that was meant, as far as clap knows which.
fn help(text: &str) -> String {
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: brio "));
    let words = usage.into_iter().flat_map(str::split_whitespace);
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let command: Vec<_> = words.take_while(|w| plain(w) && !w.starts_with('-')).collect();
    match command.as_slice() {
        [] => "`brio help` lists the commands".into(),
        words => format!("`brio {} --help` says what it takes", words.join(" ")),
    }
}
