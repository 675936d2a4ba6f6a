//! What persons are asked about the sessions of jobs, and what they said.

use rusqlite::{TransactionBehavior, params};

use super::{Decision, Queue, Result};

const LOOK_AGAIN: &str = "UPDATE jobs SET state = 'queued', not_before = 0 \
                          WHERE state = 'waiting' AND session = ?1";

impl Queue {
    /// Records what a person said of a session, and queues the job that waits for it. False: none
    /// waits, and nothing is recorded.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn decide(&self, decision: &Decision) -> Result<bool> {
        self.durably(|db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if tx.execute(LOOK_AGAIN, [&decision.session])? == 0 {
                return Ok(false);
            }
            tx.execute(
                "INSERT INTO decisions (session, seal, approved, comment, author, at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    decision.session,
                    decision.seal,
                    decision.approved,
                    decision.comment,
                    decision.author,
                    decision.at
                ],
            )?;
            tx.commit()?;
            Ok(true)
        })
    }

    /// The state in which a job asks about a session, if one waits for a decision about it.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn asked(&self, session: &str) -> Result<Option<String>> {
        let asked = "SELECT coalesce(asked, '') FROM jobs WHERE session = ?1 AND state = 'waiting'";
        Ok(self.rows(asked, [session], |row| row.get(0))?.pop())
    }

    /// Queues the job that waits for a decision about a session, to look at it again. False: none
    /// waits.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn look_again(&self, session: &str) -> Result<bool> {
        self.change(LOOK_AGAIN, [session])
    }

    /// What persons said of a session, oldest first.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn decisions(&self, session: &str) -> Result<Vec<Decision>> {
        let said = "SELECT session, seal, approved, comment, author, at FROM decisions \
                    WHERE session = ?1 ORDER BY number";
        let said = self.rows(said, [session], Decision::read)?;
        self.settled(!said.is_empty())?;
        Ok(said)
    }
}
