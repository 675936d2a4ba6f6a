//! Whom a connection trusts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The authorities whose certificates are believed: the machine's; Mozilla's where it has none;
/// and those that were added. Clones are one; the machine is asked at the first use.
#[derive(Clone, Default)]
pub struct Trust(Arc<Inner>);

#[derive(Default)]
struct Inner {
    more: Vec<CertificateDer<'static>>,
    /// Without the machine's: for tests.
    alone: bool,
    made: Mutex<Option<Arc<ClientConfig>>>,
}

/// Why authorities could not be added.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("CA_FILE: {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has no certificate, or one that is none.
    #[error("CA_FILE: {path}: no certificates in PEM form: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl TrustError {
    /// `CA_FILE`.
    pub fn code(&self) -> &'static str {
        "CA_FILE"
    }
}

impl Trust {
    /// The machine's authorities and those of a PEM file.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn with_file(path: &Path) -> Result<Self, TrustError> {
        let pem =
            std::fs::read(path).map_err(|source| TrustError::Read { path: path.into(), source })?;
        let bad = |reason: String| TrustError::Pem { path: path.into(), reason };
        let more: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let more = more.map_err(|e| bad(e.to_string()))?;
        if more.is_empty() {
            return Err(bad("the file has none".into()));
        }
        // Each is looked at now, and not at the first request.
        for certificate in &more {
            RootCertStore::empty().add(certificate.clone()).map_err(|e| bad(e.to_string()))?;
        }
        Ok(Self(Arc::new(Inner { more, ..Inner::default() })))
    }

    /// These authorities and no others.
    pub fn only(certificates: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let more = certificates.into_iter().map(CertificateDer::from).collect();
        Self(Arc::new(Inner { more, alone: true, ..Inner::default() }))
    }

    /// What connections are made with. Reads the machine's authorities, the first time.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut made = self.0.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*made {
            return Ok(config.clone());
        }
        let mut roots = RootCertStore::empty();
        if !self.0.alone {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(%error, "a certificate of the machine is left out");
            }
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
        for certificate in &self.0.more {
            roots.add(certificate.clone())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(made.insert(Arc::new(config)).clone())
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").field("more", &self.0.more.len()).finish_non_exhaustive()
    }
}
