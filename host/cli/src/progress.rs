//! How far a long command is, on a terminal.

use std::io::IsTerminal;
use std::sync::Arc;

use brio_host::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::interrupt::Interrupt;
use crate::ui::Ui;

/// A bar on standard error, where that is a terminal and nobody asked for quiet.
pub(crate) struct Shown {
    bar: ProgressBar,
}

impl Shown {
    /// Begins a bar for an operation that an interrupt ends; what the operation is told.
    pub(crate) fn begin(ui: &Ui, interrupt: &Interrupt, doing: &'static str) -> (Self, Watch) {
        let quiet = ui.quiet || !std::io::stderr().is_terminal();
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let look = "{msg} {wide_bar} {pos}/{len} entries, {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(look) {
            bar.set_style(style);
        }
        bar.set_message(doing);
        let mut watch = Watch { stop: interrupt.token(), progress: None };
        if !quiet {
            let bar = bar.clone();
            watch.progress = Some(Arc::new(move |p| {
                bar.set_length(p.of);
                bar.set_position(p.done);
            }));
        }
        (Self { bar }, watch)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
