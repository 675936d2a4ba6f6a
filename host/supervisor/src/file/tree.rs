//! A file as keys and values, whatever it was written in, each with its place in the text.

use std::ops::Range;

use super::key::{Key, Segment};

/// A value and where it stands, in bytes of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

/// What can stand in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// A whole number that no computer counts to.
    HugeNumber,
    /// TOML has them; no key takes one.
    Date,
    String(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) node: Node,
}

impl Value {
    /// What a person calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "true or false",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::HugeNumber => "a number that is too large",
            Self::Date => "a date",
            Self::String(_) => "a text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The keys of a table.
    pub(super) fn keys(&self, key: &Key) -> Vec<String> {
        let mut node = self;
        for segment in key.segments() {
            let next = match (segment, &node.value) {
                (Segment::Name(name), Value::Table(entries)) => {
                    entries.iter().find(|e| e.name == *name).map(|e| &e.node)
                }
                (Segment::Index(index), Value::List(nodes)) => nodes.get(*index),
                _ => None,
            };
            let Some(next) = next else { return Vec::new() };
            node = next;
        }
        match &node.value {
            Value::Table(entries) => entries.iter().map(|e| e.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Where a key stands; where it is missing, the innermost table that it would stand in.
    pub(super) fn place(&self, key: &Key) -> usize {
        let mut node = self;
        let mut place = self.span.start;
        for segment in key.segments() {
            match (segment, &node.value) {
                (Segment::Name(name), Value::Table(entries)) => {
                    let Some(entry) = entries.iter().find(|e| e.name == *name) else { break };
                    place = entry.span.start;
                    node = &entry.node;
                }
                (Segment::Index(index), Value::List(nodes)) => {
                    let Some(element) = nodes.get(*index) else { break };
                    place = element.span.start;
                    node = element;
                }
                _ => break,
            }
        }
        place
    }
}

/// Line and column of a byte of a text, from 1, in characters.
pub(super) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
