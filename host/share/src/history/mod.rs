//! What landed on a project's head: told, line by line too, and taken back.

mod blame;
mod changes;
mod log;
mod undo;
