//! Whether a text quotes only what has been said when it is read.

use super::super::key::Key;
use super::super::load::Reading;
use super::super::problem::{Problem, nearest};
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
                    format!("`{}` quotes nothing", text.lines().next().unwrap_or_default())
                }
                e => e.to_string(),
            };
            let next = "write `{{` and `}}` for braces, or `{step.summary}`".to_owned();
            reading.error(key, Problem::Value { why, next });
        }
    }
}

fn wrong(step: &str, what: &str, steps: &[Step], before: usize) -> Option<(String, String)> {
    let Some(index) = steps.iter().position(|s| s.name == step) else {
        let why = format!("`{{{step}.{what}}}` quotes no step of this task");
        let earlier = || steps[..before].iter().map(|s| s.name.as_str());
        let next = match nearest(step, earlier()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if before == 0 => "there is none before it".to_owned(),
            None => format!("quote one of {}", earlier().collect::<Vec<_>>().join(", ")),
        };
        return Some((why, next));
    };
    if index >= before {
        let why = if index == before {
            format!("`{{{step}.{what}}}` quotes the step itself")
        } else {
            format!("`{{{step}.{what}}}` quotes a step that comes later")
        };
        return Some((why, "quote a step before it, or move that step".to_owned()));
    }
    if what != "summary" && !matches!(steps[index].kind, StepKind::Agent { .. }) {
        let why = format!("`{step}` reports no `{what}`: only agents report metrics");
        return Some((why, format!("quote `{{{step}.summary}}`")));
    }
    None
}
