//! HTTP for object_store: one attempt a call, the server's own words in an error, its clock.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpService,
};
use object_store::{ClientOptions, Result as StoreResult};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::Error;

/// The server's answer, when it is no success.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) status: u16,
    /// S3's code, such as `NoSuchBucket`; empty if the answer has none.
    pub(super) code: String,
    pub(super) message: String,
    /// How far the server's clock is ahead of ours, in seconds.
    pub(super) ahead: Option<i64>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it answered {}", self.status)?;
        for part in [&self.code, &self.message] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        Ok(())
    }
}

impl StdError for Refused {}

/// The last time that the server named.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<OffsetDateTime>>);

impl Clock {
    pub(super) fn last(&self) -> Option<OffsetDateTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self, response: &HttpResponse) -> Option<i64> {
        let date = response.headers().get("date")?.to_str().ok()?;
        let at = OffsetDateTime::parse(date, &Rfc2822).ok()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        Some((at - OffsetDateTime::now_utc()).whole_seconds())
    }
}

/// Makes the clients: of the store, and of where credentials come from.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) tls: ClientConfig,
    pub(super) clock: Arc<Clock>,
    pub(super) connect: Duration,
    pub(super) attempt: Duration,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> StoreResult<HttpClient> {
        let http = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(!http)
            .http1_only()
            .connect_timeout(self.connect)
            .timeout(self.attempt)
            // Shorter than servers keep one: a ref is not put on a connection that is half closed.
            .pool_idle_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("brio/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| object_store::Error::Generic { store: "S3", source: Box::new(e) })?;
        Ok(HttpClient::new(Wire { client, clock: self.clock.clone() }))
    }
}

#[derive(Debug)]
struct Wire {
    client: reqwest::Client,
    clock: Arc<Clock>,
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let lists = request.uri().query().is_some_and(|q| q.contains("list-type=2"));
        let response = self.client.call(request).await?;
        let ahead = self.clock.heard(&response);
        if response.status().is_success() {
            return if lists { listing(response).await } else { Ok(response) };
        }
        let status = response.status().as_u16();
        let region = response.headers().get("x-amz-bucket-region");
        let region = region.and_then(|r| r.to_str().ok()).map(str::to_owned);
        // Without its words it is still an answer.
        let text = text(response).await;
        let code = element(&text, "Code").unwrap_or_default();
        let mut message = element(&text, "Message").unwrap_or_default();
        if let (301 | 307 | 400, Some(region)) = (status, region) {
            message = format!("{message} (the bucket's region is {region})");
        }
        let refused = Refused { status, code, message, ahead };
        Err(HttpError::new(HttpErrorKind::Unknown, refused))
    }
}

/// A listing and nothing else: any other document, such as a proxy's page, would be taken for an
/// empty one.
async fn listing(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (parts, body) = response.into_parts();
    let bytes = body.bytes().await?;
    let text = String::from_utf8_lossy(&bytes);
    let whole =
        text.contains("<ListBucketResult") && text.trim_end().ends_with("</ListBucketResult>");
    if whole {
        return Ok(HttpResponse::from_parts(parts, bytes.into()));
    }
    let start: String = text.chars().take(60).collect();
    let why = std::io::Error::other(format!("it answered no listing of S3's, but `{start}`"));
    Err(HttpError::new(HttpErrorKind::Decode, why))
}

async fn text(response: HttpResponse) -> String {
    use futures_util::StreamExt as _;
    let mut chunks = response.into_body().bytes_stream();
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        text.extend_from_slice(&chunk[..chunk.len().min(65_536 - text.len())]);
        if text.len() == 65_536 {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The text of the first element of a name, for people and for comparing.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    Some(text.chars().take(500).map(plain).collect())
}

/// What the machine trusts and Mozilla's list, or a bundle alone; by ring.
pub(super) fn tls(bundle: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match bundle {
        Some(path) => {
            let told = |why: String| {
                Error::host(
                    format!("read the certificates of {}", path.display()),
                    std::io::Error::other(why),
                )
            };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|e| told(e.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| told(e.to_string()))?;
                roots.add(certificate).map_err(|e| told(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(told("it has none".into()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(%error, "a certificate of the machine is left out");
            }
            roots.add_parsable_certificates(found.certs);
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::host("set TLS up", std::io::Error::other(e)))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_error() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>a\nb</Message></Error>";
        assert_eq!(element(xml, "Code").as_deref(), Some("NoSuchBucket"));
        assert_eq!(element(xml, "Message").as_deref(), Some("a b"));
        for bad in ["", "<Code>", "</Code><Code>", "<html>"] {
            assert_eq!(element(bad, "Code"), None);
        }
    }

    #[test]
    fn dates_of_http_are_read() {
        let at = OffsetDateTime::parse("Sun, 06 Nov 1994 08:49:37 GMT", &Rfc2822).unwrap();
        assert_eq!(at.unix_timestamp(), 784_111_777);
    }
}
