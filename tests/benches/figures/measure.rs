//! Timing, and the one table shape.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How long `f` takes.
pub(crate) fn time<T>(f: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let start = Instant::now();
    let out = f()?;
    Ok((start.elapsed(), out))
}

/// The p-th percentile, 0 to 100.
pub(crate) fn percentile(samples: &[Duration], p: usize) -> Duration {
    let mut s = samples.to_vec();
    s.sort_unstable();
    s[(s.len() - 1) * p / 100]
}

/// The median.
pub(crate) fn median(samples: &[Duration]) -> Duration {
    percentile(samples, 50)
}

/// In milliseconds, for a table.
pub(crate) fn ms(d: Duration) -> String {
    let ms = d.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.3}") } else { format!("{ms:.0}") }
}

/// Prints one row of a Markdown table.
pub(crate) fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}

/// Prints a table's head.
pub(crate) fn head(cells: &[&str]) {
    row(cells);
    row(&vec!["---"; cells.len()]);
}

/// Runs a command to its end; an error says what it printed.
pub(crate) fn command(program: &str, args: &[&str], dir: &std::path::Path) -> Outcome {
    let out = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()?;
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stderr);
        return Err(format!("{program} {args:?}: {}: {text}", out.status).into());
    }
    Ok(())
}
