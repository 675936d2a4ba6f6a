//! How often what was asked for, and how that ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::Code;

/// Requests that are over, by their method and how they ended. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<(&'static str, &'static str), u64>>>);

impl Counts {
    fn all(&self) -> MutexGuard<'_, BTreeMap<(&'static str, &'static str), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As they are now: the method, the name of the status, how many.
    pub fn now(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.all().iter().map(|((method, code), n)| (*method, *code, *n)).collect()
    }

    /// A request comes.
    pub(super) fn begins(&self, method: &'static str) -> Counting {
        Counting { counts: self.clone(), method, code: Code::Cancelled }
    }
}

/// A request that goes on. One that is dropped without an end was cancelled.
#[derive(Debug)]
pub(super) struct Counting {
    counts: Counts,
    method: &'static str,
    code: Code,
}

impl Counting {
    /// It ended so.
    pub(super) fn ended(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        *self.counts.all().entry((self.method, name(self.code))).or_default() += 1;
    }
}

/// The names of gRPC's own documents.
pub(super) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
