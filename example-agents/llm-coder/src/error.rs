//! Why the model could not be asked, or did not come to an end.

use std::fmt;

use brio_agent::AgentError;

/// Each text begins with a stable code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CoderError {
    /// The host was not granted.
    Denied(String),
    /// 401, 403: no key, or a wrong one.
    Unauthorized(u16, String),
    /// 429, also after waiting.
    RateLimited(String),
    /// Another status that is no success.
    Status(u16, String),
    /// A redirect, which is not followed.
    Redirect(u16, String),
    /// No answer in time.
    Timeout(String),
    /// No connection, or one that broke.
    Network(String),
    /// More than can be taken in.
    TooLarge(&'static str),
    /// The answer is not what such an endpoint answers.
    Malformed(String),
    /// The model stopped in the middle.
    Truncated,
    /// It went on for too long.
    Turns(u32),
}

impl fmt::Display for CoderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(host) => {
                write!(f, "LLM_DENIED: {host} may not be reached; run it with --allow-host {host}")
            }
            Self::Unauthorized(status, said) => write!(
                f,
                "LLM_UNAUTHORIZED: status {status}; grant a key with --secret env=VAR,host=HOST: {said}"
            ),
            Self::RateLimited(said) => write!(f, "LLM_RATE_LIMITED: status 429; try later: {said}"),
            Self::Status(status, said) => write!(f, "LLM_STATUS: status {status}: {said}"),
            Self::Redirect(status, to) => write!(
                f,
                "LLM_REDIRECT: status {status} leads to {to}; if you trust that, give it as --url"
            ),
            Self::Timeout(what) => write!(f, "LLM_TIMEOUT: {what}; --timeout gives it more"),
            Self::Network(what) => write!(f, "LLM_NETWORK: {what}"),
            Self::TooLarge(what) => write!(f, "LLM_TOO_LARGE: {what}"),
            Self::Malformed(what) => write!(f, "LLM_MALFORMED: {what}"),
            Self::Truncated => {
                f.write_str("LLM_TRUNCATED: the model's answer was cut at its longest; ask for less")
            }
            Self::Turns(n) => {
                write!(f, "LLM_TURNS: not done after {n} answers; --turns gives it more")
            }
        }
    }
}

impl From<CoderError> for AgentError {
    fn from(e: CoderError) -> Self {
        Self::failed(e.to_string())
    }
}
