//! Which pre-images go: those past the undo window, and over the quota the oldest. Pure.

use std::time::Duration;

use crate::SessionId;

/// A landing whose pre-images are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) number: u64,
    pub(crate) ended: Ended,
    /// What its pre-images take on disk; 0 where nobody counted.
    pub(crate) bytes: u64,
}

/// How a landing ended, as far as this matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// So long ago.
    Finished(Duration),
    /// It has no pre-images.
    Aborted,
    /// Not yet, or the base is damaged: it stays, and so do all later ones.
    No,
}

/// What a session needs: the pre-images of all landings after one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) session: SessionId,
    pub(crate) oldest: u64,
}

/// What is to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Sessions that lose something that they need. They are marked before anything goes.
    pub(crate) stale: Vec<SessionId>,
    /// Landings, ascending.
    pub(crate) landings: Vec<u64>,
}

/// Chooses, from landings in ascending order. What goes is always the older part: a landing is
/// undone, and the base as of it is seen, through the pre-images of all later ones.
///
/// `over`: how many bytes are to go whatever the window says.
pub(crate) fn choose(
    held: impl Iterator<Item = Held>,
    mut needs: Vec<Need>,
    window: Duration,
    mut over: u64,
) -> Choice {
    let mut choice = Choice::default();
    needs.sort_by_key(|n| std::cmp::Reverse(n.oldest));
    for h in held {
        let needed = |needs: &[Need]| needs.last().is_some_and(|n| n.oldest < h.number);
        match h.ended {
            Ended::No => break,
            Ended::Finished(age) if over == 0 && age < window => break,
            _ if over == 0 && needed(&needs) => break,
            _ => {}
        }
        while needed(&needs) {
            choice.stale.extend(needs.pop().map(|n| n.session));
        }
        choice.landings.push(h.number);
        over = over.saturating_sub(h.bytes);
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn held(number: u64, days: u32, bytes: u64) -> Held {
        Held { number, ended: Ended::Finished(DAY * days), bytes }
    }

    fn id(n: u8) -> SessionId {
        format!("sess-00000000-0000-4000-8000-0000000000{n:02x}").parse().expect("an id")
    }

    fn chosen(held: &[Held], needs: &[(u8, u64)], over: u64) -> (Vec<u64>, Vec<SessionId>) {
        let needs = needs.iter().map(|(n, k)| Need { session: id(*n), oldest: *k }).collect();
        let c = choose(held.iter().copied(), needs, DAY * 30, over);
        (c.landings, c.stale)
    }

    #[test]
    fn what_is_past_the_window_goes_unless_a_session_needs_it() {
        let all = [held(1, 50, 1), held(2, 31, 1), held(3, 29, 1), held(4, 40, 1)];
        assert_eq!(chosen(&all, &[], 0), (vec![1, 2], vec![]));
        assert_eq!(chosen(&all, &[(1, 1)], 0), (vec![1], vec![]));
        assert_eq!(chosen(&all, &[(1, 0), (2, 9)], 0), (vec![], vec![]));
    }

    #[test]
    fn over_the_quota_undo_history_goes_first_then_the_oldest_sessions() {
        let all = [held(1, 1, 10), held(2, 1, 10), held(3, 1, 10), held(4, 1, 10)];
        assert_eq!(chosen(&all, &[(1, 2), (2, 3)], 15), (vec![1, 2], vec![]));
        assert_eq!(chosen(&all, &[(1, 2), (2, 3)], 21), (vec![1, 2, 3], vec![id(1)]));
        assert_eq!(chosen(&all, &[(1, 2), (3, 2), (2, 3)], 40).0, [1, 2, 3, 4]);
        assert_eq!(chosen(&all, &[(1, 2), (3, 2), (2, 3)], 40).1.len(), 3);
        // Enough is enough: what lies within the window stays.
        assert_eq!(chosen(&all, &[], 10), (vec![1], vec![]));
    }

    #[test]
    fn an_aborted_landing_goes_with_those_before_it_and_an_open_one_stops_all() {
        let aborted = Held { number: 2, ended: Ended::Aborted, bytes: 0 };
        let open = Held { number: 2, ended: Ended::No, bytes: 0 };
        assert_eq!(chosen(&[held(1, 1, 1), aborted], &[], 0).0, Vec::<u64>::new());
        assert_eq!(chosen(&[held(1, 40, 1), aborted, held(3, 1, 1)], &[], 0).0, [1, 2]);
        assert_eq!(chosen(&[held(1, 40, 1), open, held(3, 40, 1)], &[], 9).0, [1]);
    }
}
