//! What of a task runs, drawn on a terminal; what has ended stands above it as plain lines.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use brio_host::tasks::Event;
use console::{Term, truncate_str};

use super::told::{Called, lines, mark};
use crate::failure::one_line;
use crate::progress::{self, Drawn, Frame, elapsed};
use crate::terminal::printable;
use crate::ui::Ui;

/// The jobs that run, and of each the parts that run: a line for each, until it is ended.
pub(super) struct Live {
    color: bool,
    called: Called,
    jobs: Jobs,
    drawn: Mutex<Option<Drawn>>,
}

type Jobs = Arc<Mutex<Vec<Job>>>;

struct Job {
    id: String,
    name: String,
    began: Instant,
    parts: Vec<(String, Instant)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    pub(super) fn begin(ui: &Ui, called: Called) -> Self {
        let jobs = Jobs::default();
        let running = jobs.clone();
        let render = move |frame: &Frame| render(&lock(&running), Instant::now(), frame);
        let drawn = Mutex::new(Some(Drawn::begin(ui, render)));
        Self { color: ui.live_color, called, jobs, drawn }
    }

    /// Leaves only what has ended.
    pub(super) fn end(&self) {
        drop(lock(&self.drawn).take());
    }

    /// Shows what happened.
    pub(super) fn event(&self, event: &Event) {
        self.note(event);
        let columns = usize::from(Term::stderr().size().1);
        for line in lines(event, &self.called) {
            let line = printable(&line);
            let line = match event {
                // Only what a part says is cut: ids are there to be copied.
                Event::Part { part, failed, .. } => {
                    self.paint(&truncate_str(&line, columns, "…"), part, mark(*failed))
                }
                _ => line.into_owned(),
            };
            progress::above(|| {
                // A closed standard error is no error.
                let _ = writeln!(std::io::stderr().lock(), "{line}");
            });
        }
    }

    fn note(&self, event: &Event) {
        match event {
            Event::Began { job, .. } => self.begins(job, None),
            Event::PartBegan { job, part } => self.begins(job, Some(part)),
            Event::Part { job, part, .. } => {
                if let Some(job) = lock(&self.jobs).iter_mut().find(|there| there.id == *job)
                    && let Some(at) = job.parts.iter().position(|(name, _)| name == part)
                {
                    job.parts.remove(at);
                }
            }
            Event::Waits { job, .. } | Event::Again { job, .. } | Event::Ended { job, .. } => {
                lock(&self.jobs).retain(|there| there.id != *job);
            }
            _ => {}
        }
    }

    /// A job is told of first when it began, or when a gate of one is asked that had begun before.
    fn begins(&self, id: &str, part: Option<&str>) {
        // Not while the jobs are locked: it may have something to say.
        let name = one_line(&printable(&self.called.job(id)));
        let mut jobs = lock(&self.jobs);
        let at = jobs.iter().position(|job| job.id == id).unwrap_or_else(|| {
            jobs.push(Job { id: id.to_owned(), name, began: Instant::now(), parts: Vec::new() });
            jobs.len() - 1
        });
        jobs[at].parts.extend(part.map(|part| (part.to_owned(), Instant::now())));
    }

    /// The line of a part with its mark in colour.
    fn paint(&self, line: &str, part: &str, mark: &str) -> String {
        let sgr = match mark {
            "ok" => "32",
            "not chosen" => "33",
            _ => "31",
        };
        let head = format!("{part}: ");
        let whole = format!("{head}{mark}");
        match line.find(&whole) {
            Some(at) if self.color => {
                let (before, rest) = line.split_at(at + head.len());
                format!("{before}\x1b[{sgr}m{mark}\x1b[0m{}", &rest[mark.len()..])
            }
            _ => line.to_owned(),
        }
    }
}

/// The lines of what runs: as many as fit, and how many there are besides.
fn render(jobs: &[Job], now: Instant, frame: &Frame) -> Vec<String> {
    let line = |depth: &str, name: &str, since: Instant| {
        let time = format!("  {}", elapsed(now.saturating_duration_since(since)));
        let what = format!("{depth}{} {name}", frame.spinner);
        let room = frame.columns.saturating_sub(time.len());
        format!("{}{time}", truncate_str(&what, room, "…"))
    };
    let mut shown: Vec<String> = Vec::new();
    for job in jobs {
        shown.push(line("", &job.name, job.began));
        shown.extend(job.parts.iter().map(|(name, since)| line("  ", name, *since)));
    }
    if shown.len() > frame.rows {
        let more = shown.len() - (frame.rows - 1);
        shown.truncate(frame.rows - 1);
        shown.push(format!("… and {more} more"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_runs_fits_the_terminal() {
        let now = Instant::now();
        let since = |s| now.checked_sub(Duration::from_secs(s)).expect("a machine that is up");
        let part = |name: &str, s| (name.to_owned(), since(s));
        let job = |id: &str, name: &str, parts| Job {
            id: id.into(),
            name: name.into(),
            began: since(67),
            parts,
        };
        let steps = vec![part("a/long-name-of-a-step", 7), part("日本語日本語日本", 0)];
        let jobs = [job("task-1", "one", steps), job("task-2", "two", Vec::new())];
        let of = |rows, columns| render(&jobs, now, &Frame { rows, columns, spinner: '*' });
        let whole = ["* one  1:07", "  * a/long-name…  7s", "  * 日本語日本…  0s", "* two  1:07"];
        assert_eq!(of(10, 20), whole);
        assert!(of(10, 20).iter().all(|l| console::measure_text_width(l) <= 20));
        assert_eq!(of(2, 20), ["* one  1:07", "… and 3 more"]);
        assert_eq!(render(&[], now, &Frame { rows: 2, columns: 9, spinner: '*' }).len(), 0);
    }
}
