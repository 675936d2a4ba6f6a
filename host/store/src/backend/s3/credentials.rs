//! Who signs the requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, AwsCredentialProvider};

/// Where the keys come from that requests are signed with.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// These.
    Keys {
        /// The access key's id.
        id: String,
        /// The secret access key.
        secret: String,
        /// The session's token, of keys for some time.
        token: Option<String>,
    },
    /// A role, for a token that somebody else keeps in a file.
    WebIdentity {
        /// The file.
        token_file: String,
        /// The role's name.
        role_arn: String,
        /// What the session is called.
        session_name: Option<String>,
    },
    /// A container's role, from its agent on this machine.
    Container {
        /// The path on the agent's address.
        relative_uri: String,
    },
    /// A pod's role.
    Pod {
        /// The agent's address.
        full_uri: String,
        /// The file with what it wants to see.
        token_file: String,
    },
    /// The role of the virtual machine, from its metadata service.
    Instance {
        /// The service's address; `None`: the usual one.
        endpoint: Option<String>,
    },
    /// None were found; says where they were looked for.
    Missing(String),
}

/// Without secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { id, token, .. } => {
                let token = token.as_ref().map(|_| "…");
                f.debug_struct("Keys")
                    .field("id", id)
                    .field("token", &token)
                    .finish_non_exhaustive()
            }
            Self::WebIdentity { role_arn, .. } => {
                f.debug_struct("WebIdentity").field("role_arn", role_arn).finish_non_exhaustive()
            }
            Self::Container { .. } => f.write_str("Container"),
            Self::Pod { .. } => f.write_str("Pod"),
            Self::Instance { .. } => f.write_str("Instance"),
            Self::Missing(why) => f.debug_tuple("Missing").field(why).finish(),
        }
    }
}

impl Credentials {
    /// Hands them to the builder; `None`: none need be asked for.
    pub(super) fn on(&self, builder: AmazonS3Builder) -> AmazonS3Builder {
        use AmazonS3ConfigKey as Key;
        match self {
            Self::Keys { id, secret, token } => {
                let builder = builder.with_access_key_id(id).with_secret_access_key(secret);
                match token {
                    Some(token) => builder.with_token(token),
                    None => builder,
                }
            }
            Self::WebIdentity { token_file, role_arn, session_name } => {
                let builder = builder
                    .with_config(Key::WebIdentityTokenFile, token_file)
                    .with_config(Key::RoleArn, role_arn);
                match session_name {
                    Some(name) => builder.with_config(Key::RoleSessionName, name),
                    None => builder,
                }
            }
            Self::Container { relative_uri } => {
                builder.with_config(Key::ContainerCredentialsRelativeUri, relative_uri)
            }
            Self::Pod { full_uri, token_file } => builder
                .with_config(Key::ContainerCredentialsFullUri, full_uri)
                .with_config(Key::ContainerAuthorizationTokenFile, token_file),
            Self::Instance { endpoint: Some(endpoint) } => builder.with_metadata_endpoint(endpoint),
            Self::Instance { endpoint: None } | Self::Missing(_) => builder,
        }
    }

    fn source(&self) -> &'static str {
        match self {
            Self::Keys { .. } => "the keys that were given",
            Self::WebIdentity { .. } => "the role for a web identity",
            Self::Container { .. } => "the container's role",
            Self::Pod { .. } => "the pod's role",
            Self::Instance { .. } => {
                "no keys were given, and of the machine's own role its metadata service"
            }
            Self::Missing(_) => "none",
        }
    }
}

/// There was nothing to sign with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoCredentials(pub(super) String);

/// How long a metadata service, an agent or a token service may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Another's provider, whose failures are told from the store's.
#[derive(Debug)]
pub(super) struct Provider {
    inner: AwsCredentialProvider,
    source: Credentials,
}

impl Provider {
    pub(super) fn new(inner: AwsCredentialProvider, source: &Credentials) -> Self {
        Self { inner, source: source.clone() }
    }
}

#[async_trait]
impl CredentialProvider for Provider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let why = match tokio::time::timeout(PATIENCE, self.inner.get_credential()).await {
            Ok(Ok(credential)) => return Ok(credential),
            Ok(Err(e)) => format!("said: {e}"),
            Err(_) => format!("did not answer in {} s", PATIENCE.as_secs()),
        };
        let why: String =
            why.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect();
        Err(object_store::Error::Generic {
            store: "S3",
            source: Box::new(NoCredentials(format!("{} {why}", self.source.source()))),
        })
    }
}
