//! The notes of a landing that is undone: they become what they were before it.

use brio_project::{NotePath, Notes, NotesError, Overlay, Version};

use super::{carried, in_layer, of_domain};
use crate::meta::{Meta, layer_dir};
use crate::state::State;

/// Has the session of an undo change back what landing `k` did to notes. Gives those that stay as
/// they are: somebody has written them since, or what they were is not known here.
pub(crate) fn undo(
    state: &State,
    (k, notes): (u64, &[String]),
    m: &Meta,
) -> Result<Vec<NotePath>, NotesError> {
    let mut stay = Vec::new();
    let (Some(upper), false) = (m.layers.last(), notes.is_empty()) else { return Ok(stay) };
    // What is kept elsewhere has its history there.
    if super::elsewhere(state).map_err(|e| super::failed("find the notes", e))? {
        return notes.iter().map(|path| Ok(NotePath::new(path.as_str())?)).collect();
    }
    let domain = of_domain(state)?;
    let mut back = Vec::new();
    for path in notes {
        let path = NotePath::new(path.as_str())?;
        match before(&domain.history(&path)?, k) {
            Before::Untouched => {}
            Before::Was(content) => back.push((path, content)),
            Before::Unknown => stay.push(path),
        }
    }
    if back.is_empty() {
        return Ok(stay);
    }
    let layer =
        layer_dir(state, upper).map_err(|e| super::failed(format_args!("open {}", m.id), e))?;
    let own = Overlay::new(std::sync::Arc::new(domain), in_layer(state, &layer)?);
    for (path, content) in back {
        match content {
            Some(content) => drop(own.write(&path, &content, &Default::default())?),
            None => drop(own.remove(&path, &Default::default())?),
        }
    }
    Ok(stay)
}

/// What a note was before a landing.
#[derive(Debug, PartialEq, Eq)]
enum Before {
    /// The landing did nothing to it: it gave way.
    Untouched,
    /// This; `None`: there was none.
    Was(Option<String>),
    /// It was written since, or is not known.
    Unknown,
}

/// `history` is newest first, and may lack its older part.
fn before(history: &[Version], k: u64) -> Before {
    let origin = carried::origin(k);
    let cut = history.last().is_some_and(|oldest| oldest.version > 1);
    let Some(at) = history.iter().position(|v| v.origin.as_ref() == Some(&origin)) else {
        return if cut { Before::Unknown } else { Before::Untouched };
    };
    // Landings since that were undone themselves left what this one did.
    if history[0].content != history[at].content {
        return Before::Unknown;
    }
    match history.get(at + 1) {
        Some(older) => Before::Was(older.content.clone()),
        None if cut => Before::Unknown,
        None => Before::Was(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(versions: &[(u64, Option<&str>, Option<&str>)]) -> Vec<Version> {
        let at = "2026-01-19T10:00:00Z".parse().unwrap();
        let text = |t: &Option<&str>| t.map(str::to_owned);
        let one = |(version, origin, content): &(u64, _, _)| Version {
            version: *version,
            at,
            origin: text(origin),
            content: text(content),
        };
        versions.iter().map(one).collect()
    }

    #[test]
    fn what_a_note_was_before_a_landing() {
        let three = Some("landing 3");
        for (versions, expected) in [
            (vec![], Before::Untouched),
            (vec![(1, None, Some("a"))], Before::Untouched),
            (vec![(7, None, Some("a"))], Before::Unknown),
            (vec![(1, three, Some("a"))], Before::Was(None)),
            (vec![(7, three, Some("a"))], Before::Unknown),
            (vec![(2, three, Some("b")), (1, None, Some("a"))], Before::Was(Some("a".into()))),
            (vec![(2, three, None), (1, None, Some("a"))], Before::Was(Some("a".into()))),
            (vec![(2, three, Some("b")), (1, None, None)], Before::Was(None)),
            (vec![(2, None, Some("c")), (1, three, Some("b"))], Before::Unknown),
            (vec![(2, None, None), (1, three, Some("b"))], Before::Unknown),
            // What came after was put back.
            (
                vec![(3, None, Some("b")), (2, None, Some("c")), (1, three, Some("b"))],
                Before::Was(None),
            ),
        ] {
            assert_eq!(before(&history(&versions), 3), expected, "{versions:?}");
        }
    }
}
