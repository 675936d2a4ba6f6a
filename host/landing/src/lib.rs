//! Domains, landings and recovery: how a branch becomes part of its base, wholly or not at all
