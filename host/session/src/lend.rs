//! Where those who show a view to others get it from.

use crate::{FsResult, View};

/// Lends the view that a mount or an export shows, one operation at a time.
///
/// A lender that moves to another state of its session (another stack, a view that was opened
/// anew) says so by another epoch. Then whoever shows it finds what its clients know again by the
/// paths that it had; what is not there, or is something else now, is `ESTALE`. The epoch moves
/// only while nothing is lent of the one before.
pub trait Lender: Send + Sync + 'static {
    /// For an operation that changes nothing.
    ///
    /// # Errors
    /// What the operation is to answer: `Ended`, for one.
    fn read(&self) -> FsResult<Lent>;

    /// For an operation that changes something.
    ///
    /// # Errors
    /// As [`read`](Self::read); `ReadOnly`.
    fn write(&self) -> FsResult<Lent>;

    /// Whether nobody else changes what the view shows for as long as it is shown, and the epoch
    /// never moves: then a client may cache without end.
    fn is_exclusive(&self) -> bool {
        false
    }
}

/// A view, for one operation.
pub struct Lent {
    /// The view.
    pub view: View,
    /// Which state of the session it is.
    pub epoch: u64,
    /// How often a lender could not get onto the disk what it had taken back: what was written
    /// since somebody last made sure of it may be lost then.
    pub losses: u64,
    _guard: Option<Box<dyn Send>>,
}

impl Lent {
    /// Lends `view`, which is the session's state `epoch`.
    pub fn new(view: View, epoch: u64) -> Self {
        Self { view, epoch, losses: 0, _guard: None }
    }

    /// The same, after so many [`losses`](Self::losses).
    pub fn with_losses(self, losses: u64) -> Self {
        Self { losses, ..self }
    }

    /// The same, with something that is dropped when the operation is done.
    pub fn with_guard(self, guard: impl Send + 'static) -> Self {
        Self { _guard: Some(Box::new(guard)), ..self }
    }
}

/// One view for ever, which nobody else changes.
pub struct Fixed(pub View);

impl Lender for Fixed {
    fn read(&self) -> FsResult<Lent> {
        Ok(Lent::new(self.0.clone(), 0))
    }

    fn write(&self) -> FsResult<Lent> {
        self.read()
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}
