//! What an attempt's end means: done, again, or an error that says which.

use std::error::Error as StdError;

use object_store::client::{HttpError, HttpErrorKind};

use super::credentials::NoCredentials;
use super::wire::Refused;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The server's answer: the request was not carried out.
    Answer(Refused),
    /// The server had trouble, and nobody knows whether the request was carried out.
    Trouble(String),
    /// No connection was made, so nothing was carried out.
    NotSent(String),
    /// There was no answer, and nobody knows whether the request was carried out.
    NoAnswer(String),
    /// There was nothing to sign with.
    NoCredentials(String),
}

impl Failed {
    pub(super) fn of(e: &object_store::Error) -> Self {
        if let Some(e) = find::<NoCredentials>(e) {
            return Self::NoCredentials(e.0.clone());
        }
        if let Some(refused) = find::<Refused>(e) {
            return match refused.is_trouble() {
                true => Self::Trouble(refused.to_string()),
                false => Self::Answer(refused.clone()),
            };
        }
        match find::<HttpError>(e) {
            Some(http) => match http.kind() {
                HttpErrorKind::Connect => Self::NotSent(chain(http)),
                HttpErrorKind::Timeout => Self::NoAnswer("it did not answer in time".into()),
                _ => Self::NoAnswer(chain(http)),
            },
            // It answered, but in no way that S3 does.
            None => Self::NoAnswer(chain(e)),
        }
    }

    pub(super) fn why(&self) -> String {
        match self {
            Self::Answer(refused) => refused.to_string(),
            Self::Trouble(why) | Self::NotSent(why) | Self::NoAnswer(why) => why.clone(),
            Self::NoCredentials(why) => why.clone(),
        }
    }
}

impl Refused {
    /// An answer after which nothing is known, or which asks for another attempt.
    fn is_trouble(&self) -> bool {
        let asks = matches!(
            self.code.as_str(),
            "InternalError" | "SlowDown" | "ServiceUnavailable" | "RequestTimeout" | "Throttling"
        );
        asks || matches!(self.status, 408 | 425 | 429 | 500 | 502..=599)
    }

    /// A condition was not met, or somebody else is writing just now.
    pub(super) fn is_condition(&self) -> bool {
        matches!(self.status, 409 | 412) && !self.is_bucket()
    }

    pub(super) fn is_bucket(&self) -> bool {
        self.code == "NoSuchBucket"
    }

    pub(super) fn is_absent(&self) -> bool {
        self.status == 404 && !self.is_bucket()
    }

    /// For people; tells of clocks where they are the matter.
    pub(super) fn explained(&self) -> String {
        match self.ahead {
            Some(ahead) if self.code == "RequestTimeTooSkewed" || ahead.abs() > 300 => {
                let side = if ahead > 0 { "behind" } else { "ahead of" };
                format!(
                    "{self}; the clock of this machine is {} s {side} the server's",
                    ahead.abs()
                )
            }
            _ => self.to_string(),
        }
    }
}

fn find<'a, E: StdError + 'static>(e: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(e).find_map(|e| e.downcast_ref::<E>())
}

fn causes<'a>(
    e: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(e);
    std::iter::from_fn(move || {
        let now = next?;
        next = now.source();
        Some(now)
    })
}

/// All that an error says, each thing once.
fn chain(e: &(dyn StdError + 'static)) -> String {
    let mut said = String::new();
    for text in causes(e).map(ToString::to_string) {
        let text = text.trim();
        if said.is_empty() {
            said.push_str(text);
        } else if !said.contains(text) {
            said.push_str(": ");
            said.push_str(text);
        }
    }
    said.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
