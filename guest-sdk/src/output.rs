//! What an agent reports.

/// The report of a task that was done: a summary and figures.
///
/// ```
/// use brio_agent::TaskOutput;
///
/// let output = TaskOutput::new("replaced 3 places in 2 files").metric("places", 3.0);
/// assert_eq!(output.summary(), "replaced 3 places in 2 files");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskOutput {
    pub(crate) summary: String,
    pub(crate) metrics: Vec<(String, f64)>,
}

impl TaskOutput {
    /// A report with a summary: one line and, after an empty one, prose if there is more to say.
    ///
    /// ```
    /// let output = brio_agent::TaskOutput::new("nothing to do");
    /// assert!(output.metrics().is_empty());
    /// ```
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), metrics: Vec::new() }
    }

    /// The same report with one more figure, by which a supervisor may choose between attempts.
    ///
    /// ```
    /// let output = brio_agent::TaskOutput::new("done").metric("score", 0.9);
    /// assert_eq!(output.metrics(), [("score".to_owned(), 0.9)]);
    /// ```
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Self {
        self.metrics.push((name.into(), value));
        self
    }

    /// What was done.
    ///
    /// ```
    /// assert_eq!(brio_agent::TaskOutput::new("done").summary(), "done");
    /// ```
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The figures, in the order they were added.
    ///
    /// ```
    /// assert!(brio_agent::TaskOutput::new("done").metrics().is_empty());
    /// ```
    pub fn metrics(&self) -> &[(String, f64)] {
        &self.metrics
    }
}
