//! Tasks written in Rust: each thing from what it cannot do without, and the rest by name.

use std::path::PathBuf;

use super::{
    Agent, Base, Child, Command, Gate, GateKind, Grants, Hook, Land, Landing, Limits, Names,
    Network, Order, Retry, Reviewer, SessionMode, Step, StepKind, Task,
};

impl Task {
    /// A task of this name with a session of its own. It has nothing to do and no base yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            goal: None,
            base: None,
            session: SessionMode::Own,
            steps: Vec::new(),
            children: super::Children::default(),
            gates: Vec::new(),
            landing: Landing::default(),
            retry: Retry::default(),
            priority: 0,
            limits: Limits::default(),
            after: super::After::default(),
            names: Names::default(),
        }
    }

    /// A group, which has only children: each begins on the base, and lands by its own result.
    pub fn group(name: impl Into<String>) -> Self {
        Self { session: SessionMode::None, ..Self::new(name) }
    }

    /// The directory that it works on, absolute.
    pub fn base(self, dir: impl Into<PathBuf>) -> Self {
        Self { base: Some(Base::Directory(dir.into())), ..self }
    }

    /// A directory that is made for it, with these files.
    pub fn sample<P: Into<String>, T: Into<String>>(
        self,
        files: impl IntoIterator<Item = (P, T)>,
    ) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.into(), text.into()));
        Self { base: Some(Base::Sample(files.collect())), ..self }
    }

    /// Why: for the journal and the landing.
    pub fn goal(self, goal: impl Into<String>) -> Self {
        Self { goal: Some(goal.into()), ..self }
    }

    /// One more step, after those that it has.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// One more gate.
    pub fn gate(mut self, gate: Gate) -> Self {
        self.gates.push(gate);
        self
    }

    /// One more child. It works where its parent does, whatever base it has.
    pub fn child(mut self, child: impl Into<Child>) -> Self {
        self.children.tasks.push(child.into());
        self
    }

    /// Whether its children run at once.
    pub fn order(mut self, order: Order) -> Self {
        self.children.order = order;
        self
    }

    /// Which of its children land.
    pub fn land(mut self, land: Land) -> Self {
        self.children.land = land;
        self
    }

    /// How it lands.
    pub fn landing(self, landing: Landing) -> Self {
        Self { landing, ..self }
    }

    /// What is tried again.
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// Higher ones go first.
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// What each of its steps and gates may use, where it does not say.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// One more command after it landed.
    pub fn after_landed(mut self, hook: Hook) -> Self {
        self.after.landed.push(hook);
        self
    }

    /// One more command after it failed for good.
    pub fn after_failed(mut self, hook: Hook) -> Self {
        self.after.failed.push(hook);
        self
    }

    /// What its ends are called.
    pub fn names(self, names: Names) -> Self {
        Self { names, ..self }
    }
}

impl Child {
    /// A child whose failure is no failure of its parent.
    pub fn optional(task: Task) -> Self {
        Self { may_fail: true, ..task.into() }
    }
}

impl From<Task> for Child {
    /// A child of which its parent depends.
    fn from(task: Task) -> Self {
        Self { task: Task { base: None, ..task }, may_fail: false }
    }
}

impl Step {
    /// A step of this name: an [`Agent`], a [`Reviewer`] or a [`Command`].
    pub fn new(name: impl Into<String>, kind: impl Into<StepKind>) -> Self {
        let limits = Limits::default();
        Self { name: name.into(), kind: kind.into(), limits, failed_as: None }
    }

    /// What it may use.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What the task's end is called when it fails.
    pub fn failed_as(self, name: impl Into<String>) -> Self {
        Self { failed_as: Some(name.into()), ..self }
    }
}

impl Gate {
    /// A gate of this name: a [`Reviewer`], a [`Command`], or another [`GateKind`].
    pub fn new(name: impl Into<String>, kind: impl Into<GateKind>) -> Self {
        let limits = Limits::default();
        Self { name: name.into(), kind: kind.into(), limits, rejected_as: None }
    }

    /// What it may use.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What the task's end is called when it says no.
    pub fn rejected_as(self, name: impl Into<String>) -> Self {
        Self { rejected_as: Some(name.into()), ..self }
    }
}

impl Hook {
    /// A command that is run when a task has ended.
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        let limits = Limits::default();
        Self { name: name.into(), command, limits, done_as: None, failed_as: None }
    }

    /// What the task's end is called when it succeeds.
    pub fn done_as(self, name: impl Into<String>) -> Self {
        Self { done_as: Some(name.into()), ..self }
    }
}

impl Agent {
    /// An agent, a file or the name of a bundled one, and what it is told.
    pub fn new(agent: impl Into<PathBuf>, task: impl Into<String>) -> Self {
        Self {
            agent: agent.into(),
            task: task.into(),
            input_files: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            grants: Grants::default(),
            network: Network::default(),
        }
    }

    /// One more host that it may make requests to, as `brio run --allow-host` takes it.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.network.allow_hosts.push(host.into());
        self
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }
}

impl Reviewer {
    /// An agent that judges, a file or the name of a bundled one.
    pub fn new(agent: impl Into<PathBuf>) -> Self {
        Self {
            agent: agent.into(),
            task: String::new(),
            args: Vec::new(),
            network: Network::default(),
        }
    }

    /// What it is told.
    pub fn task(self, task: impl Into<String>) -> Self {
        Self { task: task.into(), ..self }
    }

    /// One more host that it may make requests to, as `brio run --allow-host` takes it.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.network.allow_hosts.push(host.into());
        self
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }
}

impl Command {
    /// A program and its arguments, confined, without a network.
    pub fn new<A: Into<String>>(argv: impl IntoIterator<Item = A>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            network: false,
            vcs: false,
            unconfined: false,
        }
    }

    /// A line for the shell.
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new(["sh".to_owned(), "-c".to_owned(), line.into()])
    }
}

impl From<Agent> for StepKind {
    fn from(agent: Agent) -> Self {
        Self::Agent(agent)
    }
}

impl From<Reviewer> for StepKind {
    fn from(reviewer: Reviewer) -> Self {
        Self::Reviewer(reviewer)
    }
}

impl From<Command> for StepKind {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl From<Reviewer> for GateKind {
    fn from(reviewer: Reviewer) -> Self {
        Self::Reviewer(reviewer)
    }
}

impl From<Command> for GateKind {
    fn from(command: Command) -> Self {
        Self::Command { command, fix: None }
    }
}
