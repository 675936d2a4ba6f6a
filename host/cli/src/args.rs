//! The command line, as clap reads it. Help texts are the doc comments.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::logging::LogFormat;

/// Runs WebAssembly agents in copy-on-write branches of a directory, and lands what they did.
///
/// An agent sees only its branch. When it succeeds the branch lands in the real directory,
/// wholly or not at all; when it fails the directory is untouched.
#[derive(Debug, Parser)]
#[command(name = "brio", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Args {
    /// Say nothing but errors and data.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// How what is said on standard error is written: lines for people, or a JSON object a line.
    /// What agents and commands print there is passed on as it is. BRIO_LOG_FORMAT sets it too,
    /// and BRIO_LOG=info has each run and each landing told when it is over.
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be asked of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(commands::demo::Demo),
    Run(Box<commands::run::Run>),
    Session(SessionArgs),
    /// As `session commit`, of the current session if none is named.
    Land(commands::session::commit::Commit),
    Log(commands::log::Log),
    Journal(commands::journal::Journal),
    Undo(commands::undo::Undo),
    Blame(commands::blame::Blame),
    Recover(commands::recover::Recover),
    Doctor(commands::doctor::Doctor),
    Gc(commands::gc::Gc),
    /// Descriptions of work, from files.
    #[command(subcommand, arg_required_else_help = true)]
    Task(Task),
    Serve(Box<commands::serve::Serve>),
    Mcp(commands::mcp::Mcp),
    /// The project: its record, which survives every session, and where it is kept.
    #[command(subcommand, arg_required_else_help = true)]
    Project(Project),
    /// The project's notes, which survive every session: written as a whole, at once, with their
    /// history.
    #[command(subcommand, arg_required_else_help = true)]
    Note(Note),
    /// The agents that come with this binary, what others are, and new ones.
    #[command(subcommand, arg_required_else_help = true)]
    Agent(Agent),
    /// What Brio is set to.
    #[command(subcommand, arg_required_else_help = true)]
    Config(Config),
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Project {
    Init(commands::project::init::Init),
    Status(commands::project::status::Status),
    Import(commands::project::import::Import),
    Checkout(commands::project::checkout::Checkout),
    Update(commands::project::status::Update),
    Fsck(commands::project::fsck::Fsck),
    State(commands::project::state::State),
    Migrate(commands::project::migrate::Migrate),
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Note {
    Read(commands::note::ReadNote),
    Write(commands::note::WriteNote),
    List(commands::note::ListNotes),
    Rm(commands::note::RemoveNote),
    History(commands::note::NoteHistory),
}

/// Begin, look at and end sessions.
///
/// `brio session ID` is `brio session show ID`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
#[command(group(clap::ArgGroup::new("short")))]
pub(crate) struct SessionArgs {
    /// As `session list`.
    #[arg(long, short, group = "short")]
    pub(crate) list: bool,
    /// As `session kill ID`.
    #[arg(long, short, group = "short", value_name = "ID")]
    pub(crate) kill: Option<String>,
    /// As `session purge`.
    #[arg(long, short, group = "short")]
    pub(crate) purge: bool,
    /// The session to show; a unique prefix is enough.
    #[arg(group = "short")]
    pub(crate) id: Option<String>,
    /// With ID or --list: as those commands have it.
    #[arg(long, conflicts_with_all = ["kill", "purge"])]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Session>,
}

impl SessionArgs {
    /// The command that was meant. clap has seen to it that there is one.
    pub(crate) fn command(self) -> Session {
        use commands::session::{kill::Kill, list::List, purge::Purge, show::Show};
        match self {
            Self { command: Some(command), .. } => command,
            Self { kill: Some(id), .. } => Session::Kill(Kill::of(id)),
            Self { purge: true, .. } => Session::Purge(Purge::default()),
            Self { id: Some(id), json, .. } => Session::Show(Show::of(id, json)),
            Self { json, .. } => Session::List(List::of(json)),
        }
    }
}

/// The commands on sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    Begin(commands::session::begin::Begin),
    List(commands::session::list::List),
    Show(commands::session::show::Show),
    Diff(commands::session::diff::Diff),
    Start(commands::session::start::Start),
    #[command(visible_alias = "land")]
    Commit(commands::session::commit::Commit),
    Push(commands::session::push::Push),
    Resolve(commands::session::resolve::Resolve),
    Rollback(commands::session::rollback::Rollback),
    Kill(commands::session::kill::Kill),
    Purge(commands::session::purge::Purge),
    Exec(Box<commands::session::exec::Exec>),
    Checkpoint(commands::session::checkpoint::Checkpoint),
    Restore(commands::session::restore::Restore),
    Export(commands::session::export::Export),
    Import(commands::session::import::Import),
    Path(commands::session::path::Path),
    Bind(commands::session::bind::Bind),
    Unbind(commands::session::bind::Unbind),
    Mount(commands::session::mount::Mount),
    Unmount(commands::session::mount::Unmount),
    Approve(commands::session::approve::Approve),
    Reject(commands::session::approve::Reject),
    Pause(commands::session::current::Pause),
    Resume(commands::session::current::Resume),
    Say(commands::session::say::Say),
    Decide(commands::session::decide::Decide),
}

/// The commands on tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    Run(commands::task::run::Run),
    Submit(commands::task::submit::Submit),
    List(commands::task::list::List),
    Show(commands::task::show::Show),
    Logs(commands::task::logs::Logs),
    Wait(commands::task::wait::Wait),
    Cancel(commands::task::cancel::Cancel),
    Prune(commands::task::prune::Prune),
    Check(commands::task::check::Check),
    Schema(commands::task::schema::Schema),
}

/// The commands on agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    List(commands::agent::list::List),
    Check(commands::agent::check::Check),
    New(commands::agent::new::New),
}

/// The commands on the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    Show(commands::config::Show),
}

/// What a native command, or a person with an editor, may do in a session beyond changing files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Grant {
    /// Change `.git`.
    Vcs,
}

/// The base of a command that takes one: the directory that was named, or the current one.
pub(crate) fn base_or_here(base: Option<PathBuf>) -> PathBuf {
    base.unwrap_or_else(|| PathBuf::from("."))
}
