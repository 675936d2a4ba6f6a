//! Where there are no namespaces, every room is refused.

use crate::{Cell, Command, Descriptor, Exit, Inside, Report, Room, RoomError};

/// Does nothing here.
pub fn enter_if_asked() {}

/// Does nothing here.
pub fn enter_if_asked_with(_: Inside) {}

/// Refuses.
///
/// # Errors
/// [`RoomError::Unsupported`], always.
pub fn probe_cell() -> Result<Report, RoomError> {
    Err(RoomError::Unsupported)
}

impl Cell {
    /// Refuses.
    ///
    /// # Errors
    /// [`RoomError::Unsupported`], always.
    pub fn spawn(&self, fds: Vec<Descriptor>) -> Result<Running, RoomError> {
        drop(fds);
        Err(RoomError::Unsupported)
    }
}

/// Refuses.
///
/// # Errors
/// [`RoomError::Unsupported`], always.
pub fn probe() -> Result<Report, RoomError> {
    Err(RoomError::Unsupported)
}

impl Room {
    /// Refuses.
    ///
    /// # Errors
    /// A path that cannot be in a room, else [`RoomError::Unsupported`].
    pub fn spawn(&self, command: Command) -> Result<Running, RoomError> {
        drop(command);
        crate::places::plan(self)?;
        Err(RoomError::Unsupported)
    }
}

/// A command in a room. There are none here.
#[derive(Debug)]
pub enum Running {}

impl Running {
    /// What confines it.
    pub fn report(&self) -> &Report {
        match *self {}
    }

    /// The process id of process 1.
    pub fn init_pid(&self) -> Option<u32> {
        match *self {}
    }

    /// What controls it from another thread.
    pub fn handle(&self) -> Handle {
        match *self {}
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// None: there are no rooms here.
    pub fn wait(&mut self) -> Result<Exit, RoomError> {
        match *self {}
    }

    /// Waits for its end, for at most that long.
    ///
    /// # Errors
    /// None: there are no rooms here.
    pub fn wait_timeout(&mut self, _: std::time::Duration) -> Result<Option<Exit>, RoomError> {
        match *self {}
    }
}

/// What controls a room from another thread. There are none here.
#[derive(Debug, Clone)]
pub enum Handle {}

impl Handle {
    /// Kills everything in the room.
    pub fn kill(&self) {
        match *self {}
    }

    /// Sends a signal to the command.
    ///
    /// # Errors
    /// None: there are no rooms here.
    pub fn signal(&self, _signal: i32) -> std::io::Result<()> {
        match *self {}
    }
}

impl Command {
    /// Refuses: nothing here could end it with its caller.
    ///
    /// # Errors
    /// [`RoomError::Unsupported`], always.
    pub fn spawn_unconfined(self) -> Result<Unconfined, RoomError> {
        Err(RoomError::Unsupported)
    }
}

/// A command with all the rights of its caller. There are none here.
#[derive(Debug)]
pub enum Unconfined {}

impl Unconfined {
    /// Waits for its end.
    ///
    /// # Errors
    /// None: there are no such commands here.
    pub fn wait(&mut self) -> Result<Exit, RoomError> {
        match *self {}
    }

    /// Waits for its end, for at most that long.
    ///
    /// # Errors
    /// None: there are no such commands here.
    pub fn wait_timeout(&mut self, _: std::time::Duration) -> Result<Option<Exit>, RoomError> {
        match *self {}
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        match *self {}
    }

    /// Kills it.
    pub fn kill(&self) {
        match *self {}
    }
}
