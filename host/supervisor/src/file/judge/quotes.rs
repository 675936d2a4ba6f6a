//! Whether a text quotes only what has been said when it is read.

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::{Problem, nearest, short};
use crate::task::{Step, StepKind};
use crate::template::{self, Piece, TemplateError};

/// Judges a text that is told after the first `before` of the steps.
pub(super) fn check(
    reading: &mut Reading<'_>,
    text: &str,
    steps: &[Step],
    before: usize,
    key: &Key,
) {
    match template::pieces(text) {
        Ok(pieces) => {
            for piece in pieces {
                if let Piece::Quote { step, what } = piece
                    && let Some((why, next)) = wrong(step, what, steps, before)
                {
                    reading.error(key, Problem::Quote { why, next });
                }
            }
        }
        Err(e) => {
            let why = match &e {
                TemplateError::Malformed { text } => {
                    format!("`{}` quotes nothing", short(text))
                }
                e => short(&e.to_string()),
            };
            let next = "write `{{` and `}}` for braces, or `{step.summary}`".to_owned();
            reading.error(key, Problem::Value { why, next });
        }
    }
}

fn wrong(step: &str, what: &str, steps: &[Step], before: usize) -> Option<(String, String)> {
    let quote = || format!("`{{{}.{}}}`", short(step), short(what));
    let Some(index) = steps.iter().position(|s| s.name == step) else {
        let earlier = || steps[..before].iter().rev().map(|s| s.name.as_str());
        let next = match nearest(step, earlier()) {
            Some(near) => format!("did you mean `{}`?", short(&near)),
            None if before == 0 => "there is none before it".to_owned(),
            None => {
                let some: Vec<_> = earlier().take(8).map(short).collect();
                format!("quote one before it, such as {}", some.join(", "))
            }
        };
        return Some((format!("{} quotes no step of this task", quote()), next));
    };
    if index >= before {
        let which = if index == before { "the step itself" } else { "a step that comes later" };
        let next = "quote a step before it, or move that step".to_owned();
        return Some((format!("{} quotes {which}", quote()), next));
    }
    if what != "summary" && !matches!(steps[index].kind, StepKind::Agent(_)) {
        let why = format!("{} is no metric: only agents report metrics", quote());
        return Some((why, format!("quote `{{{}.summary}}`", short(step))));
    }
    None
}
