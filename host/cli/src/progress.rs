//! What goes on, drawn at the lower end of the terminal and drawn anew.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brio_host::Watch;
use console::{Term, measure_text_width, truncate_str};

use crate::interrupt::Interrupt;
use crate::ui::Ui;

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(100);

/// What stays free at the end of a line: the terminal writes `^C` there, and must not wrap.
const MARGIN: usize = 6;

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// There is one terminal, and whoever writes to it has to write above what is drawn there.
static SCREEN: Mutex<Option<Screen>> = Mutex::new(None);

/// What a drawing has to fit into.
pub(crate) struct Frame {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) spinner: char,
}

type Render = Box<dyn Fn(&Frame) -> Vec<String> + Send>;

struct Screen {
    render: Render,
    begun: Instant,
    term: Term,
    /// The widths of the lines that are drawn now.
    drawn: Vec<usize>,
}

impl Screen {
    fn clear(&mut self) -> io::Result<()> {
        let columns = usize::from(self.term.size().1).max(1);
        // A terminal that became narrower has wrapped them.
        let rows: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if rows > 0 {
            self.term.write_str("\r")?;
            self.term.move_cursor_up(rows - 1)?;
            self.term.clear_to_end_of_screen()?;
        }
        self.drawn.clear();
        Ok(())
    }

    /// A terminal that cannot be written to shows nothing, which is no error.
    fn draw(&mut self) {
        let (rows, columns) = self.term.size();
        let spin = usize::try_from(self.begun.elapsed().as_millis() / TICK.as_millis());
        let frame = Frame {
            // The last row stays free, for what is typed.
            rows: usize::from(rows).saturating_sub(1).max(2),
            columns: usize::from(columns).saturating_sub(MARGIN).max(1),
            spinner: SPINNER[spin.unwrap_or(0) % SPINNER.len()],
        };
        let mut lines = (self.render)(&frame);
        lines.truncate(frame.rows);
        let lines = lines.iter().map(|line| truncate_str(line, frame.columns, "…"));
        let lines: Vec<_> = lines.collect();
        let _ = self.clear();
        let _ = self.term.write_str(&lines.join("\r\n")).and_then(|()| self.term.flush());
        self.drawn = lines.iter().map(|line| measure_text_width(line)).collect();
    }
}

/// Does something that writes whole lines to the terminal, above what is drawn there.
pub(crate) fn above<R>(write: impl FnOnce() -> R) -> R {
    let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(drawn) = &mut *screen else {
        drop(screen);
        return write();
    };
    let _ = drawn.clear().and_then(|()| drawn.term.flush());
    let done = write();
    drawn.draw();
    done
}

/// Takes away what is drawn, for a process that ends in the middle. Whoever draws may be stuck in
/// a terminal that is stopped: nobody waits for that.
pub(crate) fn clear() {
    for _ in 0..20 {
        match SCREEN.try_lock() {
            Ok(mut screen) => {
                if let Some(mut drawn) = screen.take() {
                    let _ = drawn.clear().and_then(|()| drawn.term.flush());
                }
                return;
            }
            Err(TryLockError::Poisoned(_)) => return,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Diagnostics, which do not disturb what is drawn.
pub(crate) struct Diagnostics;

impl Write for Diagnostics {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        above(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Something drawn on standard error, for as long as this is there.
pub(crate) struct Drawn {
    end: Option<Sender<()>>,
    draws: Option<JoinHandle<()>>,
}

impl Drawn {
    /// Draws these lines from now on, where anything may be drawn. They are asked for again and
    /// again, and must not write to the terminal.
    pub(crate) fn begin(ui: &Ui, render: impl Fn(&Frame) -> Vec<String> + Send + 'static) -> Self {
        if !ui.live {
            return Self { end: None, draws: None };
        }
        *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Screen {
            render: Box::new(render),
            begun: Instant::now(),
            term: Term::buffered_stderr(),
            drawn: Vec::new(),
        });
        let (end, ended) = mpsc::channel();
        let draws = std::thread::Builder::new().name("brio-draws".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TICK) {
                if let Some(screen) = &mut *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) {
                    screen.draw();
                }
            }
        });
        // Without a thread it is drawn when something is written.
        Self { end: Some(end), draws: draws.ok() }
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if self.end.take().is_none() {
            return;
        }
        if let Some(draws) = self.draws.take() {
            let _ = draws.join();
        }
        clear();
    }
}

/// How far a long command is.
pub(crate) struct Shown {
    _drawn: Drawn,
}

impl Shown {
    /// Begins a bar for an operation that an interrupt ends; what the operation is told.
    pub(crate) fn begin(ui: &Ui, interrupt: &Interrupt, doing: &'static str) -> (Self, Watch) {
        let (shown, far) = Self::counting(ui, doing, "entries");
        let mut watch = Watch { stop: interrupt.token(), progress: None };
        if ui.live {
            watch.progress = Some(Arc::new(move |p| far.set(p.done, p.of)));
        }
        (shown, watch)
    }

    /// As [`begin`](Self::begin), for what is done with the files of a directory and a store.
    pub(crate) fn files(
        ui: &Ui,
        interrupt: &Interrupt,
        doing: &'static str,
    ) -> (Self, brio_host::stores::Watch) {
        let (shown, far) = Self::counting(ui, doing, "files");
        let told: brio_host::stores::Told = Arc::new(move |p| far.set(p.files, p.of_files));
        let told = ui.live.then_some(told);
        (shown, brio_host::stores::Watch { told, stop: Some(interrupt.flag()) })
    }

    /// Begins a bar that whoever counts moves.
    pub(crate) fn counting(ui: &Ui, doing: &'static str, unit: &'static str) -> (Self, Far) {
        let far = Far::default();
        let (told, begun) = (far.clone(), Instant::now());
        let drawn = Drawn::begin(ui, move |frame| {
            vec![bar(doing, unit, told.get(), begun.elapsed(), frame.columns)]
        });
        (Self { _drawn: drawn }, far)
    }
}

/// How far something is: two numbers to look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Far(Arc<(AtomicU64, AtomicU64)>);

impl Far {
    /// So many, of so many; of 0: nobody knows of how many.
    pub(crate) fn set(&self, done: u64, of: u64) {
        self.0.0.store(done, Ordering::Relaxed);
        self.0.1.store(of, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }
}

/// `export ████░░░░ 12/24 entries, 3s`
fn bar(doing: &str, unit: &str, (done, of): (u64, u64), time: Duration, columns: usize) -> String {
    let counts = format!("{done}/{of} {unit}, {}", elapsed(time));
    let room = columns.saturating_sub(doing.len() + counts.len() + 2) as u64;
    let full = (room * done.min(of)).checked_div(of).unwrap_or(0);
    let cells = |n: u64, cell: &str| cell.repeat(usize::try_from(n).unwrap_or(0));
    format!("{doing} {}{} {counts}", cells(full, "█"), cells(room - full, "░"))
}

/// `7s`, `1:07`, `2:01:07`.
pub(crate) fn elapsed(time: Duration) -> impl Display {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bars_are_short() {
        let times = [7, 67, 7267].map(|s| elapsed(Duration::from_secs(s)).to_string());
        assert_eq!(times, ["7s", "1:07", "2:01:07"]);
        let of = |far, columns| bar("export", "entries", far, Duration::from_secs(3), columns);
        assert_eq!(of((1, 2), 31), "export ████░░░░ 1/2 entries, 3s");
        assert_eq!(of((0, 0), 26), "export ░░░ 0/0 entries, 3s");
        assert_eq!(of((9, 9), 3), "export  9/9 entries, 3s");
    }
}
