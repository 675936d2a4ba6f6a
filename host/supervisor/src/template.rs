//! A step's text that quotes what earlier steps reported.

use std::collections::BTreeMap;

/// What the steps of a task reported so far, by their names.
pub type Outputs = BTreeMap<String, Output>;

/// What one step reported.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Output {
    /// What was done: one line, and prose.
    pub summary: String,
    /// Its figures; of two with one name the last counts.
    pub metrics: Vec<(String, f64)>,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it stands; `{{` and `}}` are one brace.
    Text(&'a str),
    /// `{step.what}`.
    Quote {
        /// The step.
        step: &'a str,
        /// `summary`, or a metric.
        what: &'a str,
    },
}

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace that is not closed, or closes nothing; a quotation that is none.
    #[error(
        "`{text}` is no quotation; write {{STEP.summary}} or {{STEP.METRIC}}, and a brace twice to have one"
    )]
    Malformed {
        /// From the brace on.
        text: String,
    },
    /// No such step has run.
    #[error("{{{step}.{what}}}: there is no step `{step}` before this one")]
    NoStep {
        /// The step.
        step: String,
        /// What of it.
        what: String,
    },
    /// The step did not report that.
    #[error("{{{step}.{what}}}: `{step}` reported no `{what}`")]
    NotReported {
        /// The step.
        step: String,
        /// What of it.
        what: String,
    },
}

/// Takes a text apart.
///
/// # Errors
/// `Malformed`.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        if from.starts_with("{{") || from.starts_with("}}") {
            pieces.push(Piece::Text(&from[..1]));
            rest = &from[2..];
            continue;
        }
        let malformed = || TemplateError::Malformed { text: from.chars().take(40).collect() };
        let (inside, after) =
            from.strip_prefix('{').and_then(|r| r.split_once('}')).ok_or_else(malformed)?;
        let (step, what) = inside.split_once('.').ok_or_else(malformed)?;
        if step.is_empty() || what.is_empty() || inside.contains(['{', '\n']) {
            return Err(malformed());
        }
        pieces.push(Piece::Quote { step, what });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The text with what it quotes.
///
/// # Errors
/// [`TemplateError`].
pub fn fill(text: &str, outputs: &Outputs) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text)? {
        let (step, what) = match piece {
            Piece::Text(text) => {
                filled.push_str(text);
                continue;
            }
            Piece::Quote { step, what } => (step, what),
        };
        let named = || (step.to_owned(), what.to_owned());
        let Some(output) = outputs.get(step) else {
            let (step, what) = named();
            return Err(TemplateError::NoStep { step, what });
        };
        if what == "summary" {
            filled.push_str(&output.summary);
            continue;
        }
        match output.metrics.iter().rev().find(|(name, _)| name == what) {
            Some((_, value)) => filled.push_str(&value.to_string()),
            None => {
                let (step, what) = named();
                return Err(TemplateError::NotReported { step, what });
            }
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_filled_in_and_braces_are_escaped() {
        let plan = Output {
            summary: "use {color}".into(),
            metrics: vec![("score".into(), 1.0), ("score".into(), 2.5)],
        };
        let outputs = Outputs::from([("plan".to_owned(), plan)]);
        let fill = |text: &str| fill(text, &outputs).map_err(|e| e.to_string());
        assert_eq!(fill("do {plan.summary}: {plan.score}"), Ok("do use {color}: 2.5".into()));
        assert_eq!(fill("{{a}} ü }}{{"), Ok("{a} ü }{".into()));
        assert_eq!(fill(""), Ok(String::new()));
        for (bad, why) in [
            ("{", "no quotation"),
            ("a } b", "no quotation"),
            ("{plan}", "no quotation"),
            ("{.x}", "no quotation"),
            ("{a{b}.c}", "no quotation"),
            ("{other.summary}", "no step `other`"),
            ("{plan.time}", "reported no `time`"),
        ] {
            assert!(fill(bad).is_err_and(|e| e.contains(why)), "{bad}: {:?}", fill(bad));
        }
    }
}
