//! Three-way merge of texts, and the markers of what cannot be merged.

use std::ops::Range;

use imara_diff::sources::byte_lines;
use imara_diff::{Algorithm, Diff, Interner, NoSliderHeuristic, Token};

use crate::Unmerged;

/// What the markers of a conflict say about their side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) ours: String,
    pub(crate) base: String,
    pub(crate) theirs: String,
}

/// A merged text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) text: Vec<u8>,
    /// It has conflict markers.
    pub(crate) marked: bool,
}

const FIRST_MARKER: usize = 7;

/// How many lines may lie between the first and the last that differ.
const LINES_MAX: usize = 20_000;

/// Merges lines as `git` does: two changes are apart when an unchanged line lies between them.
/// Line ends and a missing last newline are part of a line.
///
/// # Errors
/// `Overlap`, without `labels`; `Large`: a diff of so many lines, repeated as somebody likes,
/// could take minutes.
pub(crate) fn merge_text(
    base: &[u8],
    ours: &[u8],
    theirs: &[u8],
    labels: Option<&Labels>,
) -> Result<Merged, Unmerged> {
    let texts = Texts::of(base, ours, theirs);
    if texts.reach(&texts.ours).max(texts.reach(&texts.theirs)) > LINES_MAX {
        return Err(Unmerged::Large);
    }
    let regions = texts.regions();
    let marked = regions.iter().any(|r| matches!(r, Region::Clash { .. }));
    let Some(labels) = labels else {
        if marked {
            return Err(Unmerged::Overlap);
        }
        return Ok(Merged { text: texts.write(&regions, None), marked });
    };
    // Markers of a length that occurs in none of the texts can be told from them.
    let length = (FIRST_MARKER..)
        .step_by(8)
        .find(|n| ![base, ours, theirs].iter().any(|t| has_marker(t, *n)))
        .ok_or(Unmerged::Overlap)?;
    let crlf = byte_lines(ours).next().is_some_and(|l| l.ends_with(b"\r\n"));
    let markers = Markers { labels, length, end: if crlf { b"\r\n" } else { b"\n" } };
    Ok(Merged { text: texts.write(&regions, Some(&markers)), marked })
}

/// Three texts as lines.
struct Texts<'a> {
    lines: Interner<&'a [u8]>,
    base: Vec<Token>,
    ours: Vec<Token>,
    theirs: Vec<Token>,
}

/// A part of a merge, as ranges of lines.
enum Region {
    Base(Range<usize>),
    Ours(Range<usize>),
    Theirs(Range<usize>),
    Clash { base: Range<usize>, ours: Range<usize>, theirs: Range<usize> },
}

struct Markers<'a> {
    labels: &'a Labels,
    length: usize,
    end: &'a [u8],
}

impl<'a> Texts<'a> {
    fn of(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Self {
        let mut lines = Interner::new(64);
        let mut tokens = |text| byte_lines(text).map(|l| lines.intern(l)).collect();
        let (base, ours, theirs) = (tokens(base), tokens(ours), tokens(theirs));
        Self { lines, base, ours, theirs }
    }

    /// How many lines lie between the first and the last that differ from the base.
    fn reach(&self, after: &[Token]) -> usize {
        let same = |(a, b): &(&Token, &Token)| a == b;
        let start = self.base.iter().zip(after).take_while(same).count();
        let (base, after) = (&self.base[start..], &after[start..]);
        let end = base.iter().rev().zip(after.iter().rev()).take_while(same).count();
        base.len().max(after.len()) - end
    }

    fn hunks(&self, after: &[Token]) -> Vec<(Range<usize>, Range<usize>)> {
        let mut diff = Diff::default();
        diff.compute_with(Algorithm::Histogram, &self.base, after, self.lines.num_tokens());
        diff.postprocess_with(&self.base, after, NoSliderHeuristic);
        let range = |r: Range<u32>| r.start as usize..r.end as usize;
        diff.hunks().map(|h| (range(h.before), range(h.after))).collect()
    }

    fn regions(&self) -> Vec<Region> {
        let (ours, theirs) = (self.hunks(&self.ours), self.hunks(&self.theirs));
        let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
        let mut out = Vec::new();
        let mut at = 0;
        // Where the last change of a side ended, in the base and there.
        let (mut our_last, mut their_last) = ((0, 0), (0, 0));
        let there = |last: (usize, usize), at: usize| last.1 + (at - last.0);
        loop {
            let starts = [ours.peek(), theirs.peek()].map(|h| h.map(|h| h.0.start));
            let Some(start) = starts.into_iter().flatten().min() else { break };
            let (our_start, their_start) = (there(our_last, start), there(their_last, start));
            let (mut end, mut by_us, mut by_them) = (start, false, false);
            // All changes that touch each other are one.
            loop {
                if let Some((b, o)) = ours.next_if(|h| h.0.start <= end) {
                    (by_us, our_last) = (true, (b.end, o.end));
                    end = end.max(b.end);
                } else if let Some((b, t)) = theirs.next_if(|h| h.0.start <= end) {
                    (by_them, their_last) = (true, (b.end, t.end));
                    end = end.max(b.end);
                } else {
                    break;
                }
            }
            let (o, t) = (our_start..there(our_last, end), their_start..there(their_last, end));
            out.push(Region::Base(at..start));
            out.push(match (by_us, by_them) {
                (true, false) => Region::Ours(o),
                (false, _) => Region::Theirs(t),
                _ if self.ours[o.clone()] == self.theirs[t.clone()] => Region::Ours(o),
                _ => Region::Clash { base: start..end, ours: o, theirs: t },
            });
            at = end;
        }
        out.push(Region::Base(at..self.base.len()));
        out
    }

    fn write(&self, regions: &[Region], markers: Option<&Markers<'_>>) -> Vec<u8> {
        let mut out = Vec::new();
        let put = |out: &mut Vec<u8>, lines: &[Token]| {
            lines.iter().for_each(|t| out.extend_from_slice(self.lines[*t]));
        };
        for region in regions {
            match region {
                Region::Base(r) => put(&mut out, &self.base[r.clone()]),
                Region::Ours(r) => put(&mut out, &self.ours[r.clone()]),
                Region::Theirs(r) => put(&mut out, &self.theirs[r.clone()]),
                Region::Clash { base, ours, theirs } => {
                    let Some(m) = markers else { continue };
                    m.line(&mut out, b'<', &m.labels.ours);
                    put(&mut out, &self.ours[ours.clone()]);
                    m.line(&mut out, b'|', &m.labels.base);
                    put(&mut out, &self.base[base.clone()]);
                    m.line(&mut out, b'=', "");
                    put(&mut out, &self.theirs[theirs.clone()]);
                    m.line(&mut out, b'>', &m.labels.theirs);
                }
            }
        }
        out
    }
}

impl Markers<'_> {
    /// A marker on a line of its own.
    fn line(&self, out: &mut Vec<u8>, mark: u8, label: &str) {
        if out.last().is_some_and(|b| *b != b'\n') {
            out.extend_from_slice(self.end);
        }
        out.resize(out.len() + self.length, mark);
        if !label.is_empty() {
            out.push(b' ');
            out.extend_from_slice(label.replace(['\r', '\n'], " ").as_bytes());
        }
        out.extend_from_slice(self.end);
    }
}

/// The character of a line that is a marker of this length.
fn marker(line: &[u8], length: usize) -> Option<u8> {
    let first = *line.first()?;
    let run = line.iter().take_while(|b| **b == first).count();
    (b"<|=>".contains(&first) && run == length).then_some(first)
}

fn has_marker(text: &[u8], length: usize) -> bool {
    text.split(|b| *b == b'\n').any(|line| marker(line, length).is_some())
}

/// Whether a text still has markers that [`merge_text`] made: a line of `<` or `>` followed by
/// the label of that side.
pub(crate) fn is_marked(text: &[u8]) -> bool {
    text.split(|b| *b == b'\n').any(|line| {
        let run = line.iter().take_while(|b| **b == line[0]).count();
        let label: &[u8] = match line.first() {
            Some(b'<') => b" ours",
            Some(b'|') => b" base",
            Some(b'>') => b" theirs",
            _ => return false,
        };
        run >= FIRST_MARKER && line[run..].starts_with(label)
    })
}

#[cfg(test)]
mod tests;
