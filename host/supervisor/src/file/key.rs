//! Where in a file something stands, by keys: `steps[1].agent`.

use std::fmt;

use super::problem::short;

/// A way through tables and lists. Empty: the file as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Key(Vec<Segment>);

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    Name(String),
    Index(usize),
}

impl Key {
    pub(super) fn name(&self, name: impl Into<String>) -> Self {
        self.with(Segment::Name(name.into()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether it is the file as a whole.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Name(name) => {
                    let dot = if at == 0 { "" } else { "." };
                    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                    let plain = !name.is_empty() && name.len() <= 64 && name.chars().all(bare);
                    if plain {
                        write!(f, "{dot}{name}")?;
                    } else {
                        write!(f, "{dot}\"{}\"", short(name))?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_as_it_would_be_written() {
        let steps = Key::default().name("steps").index(1);
        assert_eq!(steps.name("agent").to_string(), "steps[1].agent");
        assert_eq!(Key::default().name("files").name("a.rs").to_string(), "files.\"a.rs\"");
        assert!(Key::default().is_root());
    }
}
