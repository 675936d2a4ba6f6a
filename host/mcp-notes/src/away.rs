//! Why nothing is known of the notes.

use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use crate::http::HttpError;
use crate::text::short;

/// The server was not reached, did not answer in time, or not as it should. It never says that a
/// note is missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Away {
    #[error("{0}")]
    Said(String),
    #[error("{}", of_start(.0))]
    Start(#[source] Box<ClientInitializeError>),
    #[error("{}", of_call(.0))]
    Call(#[source] Box<ServiceError>),
    #[error("it did not answer within {0} s")]
    Late(u64),
}

impl Away {
    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }

    /// Whether the server does not know the session, and so did nothing.
    pub(crate) fn is_forgotten(&self) -> bool {
        let Self::Call(error) = self else { return false };
        let ServiceError::TransportSend(error) = &**error else { return false };
        matches!(http_error(error), Some(StreamableHttpError::SessionExpired))
    }

    /// Whether the connection is as good as before.
    pub(crate) fn spares_the_session(&self) -> bool {
        match self {
            Self::Said(_) => true,
            Self::Call(error) => matches!(**error, ServiceError::McpError(_)),
            Self::Start(_) | Self::Late(_) => false,
        }
    }
}

fn http_error(error: &DynamicTransportError) -> Option<&StreamableHttpError<HttpError>> {
    error.error.downcast_ref()
}

fn of_transport(error: &DynamicTransportError) -> String {
    match http_error(error) {
        Some(StreamableHttpError::Client(error)) => error.to_string(),
        Some(StreamableHttpError::Deserialize(_)) => "its answer is no message of MCP".to_owned(),
        Some(error) => short(&error.to_string()),
        None => short(&error.error.to_string()),
    }
}

fn of_start(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => of_transport(error),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => of_start(fallback),
        ClientInitializeError::JsonRpcError(error) => {
            format!("it refuses to begin: {}", short(&error.message))
        }
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "it speaks no version of MCP that is known here".to_owned()
        }
        ClientInitializeError::ConnectionClosed(_) => "what it says is no MCP".to_owned(),
        _ => "it does not begin as a server of MCP does".to_owned(),
    }
}

fn of_call(error: &ServiceError) -> String {
    match error {
        ServiceError::TransportSend(error) => of_transport(error),
        ServiceError::McpError(error) => format!("it refuses: {}", short(&error.message)),
        ServiceError::TransportClosed => "the connection broke before it answered".to_owned(),
        ServiceError::UnexpectedResponse => "it answers another question".to_owned(),
        error => short(&error.to_string()),
    }
}
