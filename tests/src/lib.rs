//! What crosses crates: CLI, conformance, crash, model and benchmark harnesses
