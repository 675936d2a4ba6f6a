//! The traits an agent implements, and the macros that export them.

use crate::bindings::common::brio::core::types as wire;
use crate::{AgentError, TaskContext, TaskOutput, Verdict};

/// Does one task in a session.
///
/// ```
/// use brio_agent::{Agent, AgentError, TaskContext, TaskOutput};
///
/// struct Nothing;
/// impl Agent for Nothing {
///     fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
///         Ok(TaskOutput::new(format!("ignored: {}", task.description())))
///     }
/// }
/// assert!(Nothing::run(TaskContext::new("t", "tidy up")).is_ok());
/// ```
pub trait Agent {
    /// Does the task. What it wrote lands after `Ok`, and is thrown away after an error or a panic.
    ///
    /// ```
    /// # use brio_agent::{Agent, AgentError, TaskContext, TaskOutput};
    /// # struct Fails;
    /// # impl Agent for Fails {
    /// fn run(_: TaskContext) -> Result<TaskOutput, AgentError> {
    ///     Err("not today".into())
    /// }
    /// # }
    /// # assert!(Fails::run(TaskContext::default()).is_err());
    /// ```
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError>;
}

/// Judges the work in a session.
///
/// ```
/// use brio_agent::{AgentError, Reviewer, TaskContext, Verdict};
///
/// struct HasReadme;
/// impl Reviewer for HasReadme {
///     fn review(_: TaskContext) -> Result<Verdict, AgentError> {
///         Ok(match std::path::Path::new("README.md").exists() {
///             true => Verdict::approve("there is a README"),
///             false => Verdict::reject("write a README.md"),
///         })
///     }
/// }
/// # assert!(HasReadme::review(TaskContext::default()).is_ok());
/// ```
pub trait Reviewer {
    /// Judges the work at `/workspace`. An error counts as a rejection.
    ///
    /// ```
    /// # use brio_agent::{AgentError, Reviewer, TaskContext, Verdict};
    /// # struct Lenient;
    /// # impl Reviewer for Lenient {
    /// fn review(_: TaskContext) -> Result<Verdict, AgentError> {
    ///     Ok(Verdict::approve("fine"))
    /// }
    /// # }
    /// # assert!(Lenient::review(TaskContext::default()).is_ok());
    /// ```
    fn review(task: TaskContext) -> Result<Verdict, AgentError>;
}

/// Exports a type that implements [`Agent`] as the component's `brio:core/run`.
///
/// ```
/// use brio_agent::{Agent, AgentError, TaskContext, TaskOutput};
///
/// struct Mine;
/// impl Agent for Mine {
///     fn run(_: TaskContext) -> Result<TaskOutput, AgentError> {
///         Ok(TaskOutput::new("done"))
///     }
/// }
/// brio_agent::export_agent!(Mine);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_agent {
    ($agent:ty) => {
        #[allow(unsafe_code, reason = "the export crosses the component boundary")]
        const _: () = {
            use $crate::__private::bindings::agent::exports::brio::core::run as export;

            struct Exported;

            impl export::Guest for Exported {
                fn run(
                    context: export::TaskContext,
                ) -> Result<export::TaskOutput, export::AgentError> {
                    $crate::__private::run::<$agent>(context)
                }
            }

            $crate::__private::bindings::agent::__export_run!(
                Exported with_types_in $crate::__private::bindings::agent
            );
        };
    };
}

/// Exports a type that implements [`Reviewer`] as the component's `brio:core/review`.
///
/// ```
/// use brio_agent::{AgentError, Reviewer, TaskContext, Verdict};
///
/// struct Mine;
/// impl Reviewer for Mine {
///     fn review(_: TaskContext) -> Result<Verdict, AgentError> {
///         Ok(Verdict::approve("fine"))
///     }
/// }
/// brio_agent::export_reviewer!(Mine);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_reviewer {
    ($reviewer:ty) => {
        #[allow(unsafe_code, reason = "the export crosses the component boundary")]
        const _: () = {
            use $crate::__private::bindings::reviewer::exports::brio::core::review as export;

            struct Exported;

            impl export::Guest for Exported {
                fn review(
                    context: export::TaskContext,
                ) -> Result<export::Verdict, export::AgentError> {
                    $crate::__private::review::<$reviewer>(context)
                }
            }

            $crate::__private::bindings::reviewer::__export_review!(
                Exported with_types_in $crate::__private::bindings::reviewer
            );
        };
    };
}

/// The wire form of [`Agent::run`].
pub fn run<A: Agent>(context: wire::TaskContext) -> Result<wire::TaskOutput, wire::AgentError> {
    A::run(context.into()).map(Into::into).map_err(Into::into)
}

/// The wire form of [`Reviewer::review`].
pub fn review<R: Reviewer>(context: wire::TaskContext) -> Result<wire::Verdict, wire::AgentError> {
    R::review(context.into()).map(Into::into).map_err(Into::into)
}
