//! The index of sessions and domains of one person
