//! Which server, which bucket, whose keys, how patient.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::credentials::Credentials;
use super::profile::{self, Profile};
use crate::{Error, Result};

/// How a bucket is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with, without `/` at its ends; may be empty.
    pub prefix: String,
    /// The server, as `https://HOST[:PORT]`; `None`: AWS's of the region.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// Who signs.
    pub credentials: Credentials,
    /// Whether `http://` will do. What is sent is signed, and not encrypted.
    pub allow_http: bool,
    /// Certificates (PEM) to trust instead of the machine's.
    pub ca_bundle: Option<PathBuf>,
    /// How patient.
    pub patience: Patience,
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// Until there is a connection.
    pub connect: Duration,
    /// One attempt, from its request to the last byte of its answer.
    pub attempt: Duration,
    /// All attempts of one call, with the pauses.
    pub total: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// The first pause; each is about twice as long as the one before, up to 5 s.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(60),
            total: Duration::from_secs(150),
            retries: 6,
            pause: Duration::from_millis(100),
        }
    }
}

impl S3Options {
    /// A bucket with these keys, at AWS in `us-east-1`.
    pub fn new(
        bucket: impl Into<String>,
        prefix: impl Into<String>,
        credentials: Credentials,
    ) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: prefix.into(),
            endpoint: None,
            region: "us-east-1".into(),
            credentials,
            allow_http: false,
            ca_bundle: None,
            patience: Patience::default(),
        }
    }

    /// A bucket as AWS's tools would reach it: by `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`
    /// and `AWS_SESSION_TOKEN`; else the profile `AWS_PROFILE` of `~/.aws/credentials` and
    /// `~/.aws/config`; else a web identity, a container's or a pod's role, the machine's own.
    /// The server by `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or the profile; the region by
    /// `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile; trust by `AWS_CA_BUNDLE`. `http://`
    /// only on loopback, or with `AWS_ALLOW_HTTP=true`.
    ///
    /// Nothing is asked of a network here. That there are no keys is said when they are needed.
    ///
    /// # Errors
    /// When a profile that is named is not there, or gets its keys in a way that is not known.
    pub fn from_env(
        bucket: impl Into<String>,
        prefix: impl Into<String>,
        lookup: impl Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Result<Self> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut options = Self::new(bucket, prefix, Credentials::Missing(String::new()));
        let profile = profile_of(&get, home, &options.name())?;
        let of_profile = |key: &str| profile.as_ref().and_then(|p| p.get(key).cloned());
        options.credentials = credentials(&get, profile.as_ref(), &options.name())?;
        let endpoint = get("AWS_ENDPOINT_URL_S3").or_else(|| get("AWS_ENDPOINT_URL"));
        options.endpoint = endpoint.or_else(|| of_profile("endpoint_url"));
        let region = get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION"));
        if let Some(region) = region.or_else(|| of_profile("region")) {
            options.region = region;
        }
        options.ca_bundle =
            get("AWS_CA_BUNDLE").or_else(|| of_profile("ca_bundle")).map(PathBuf::from);
        options.allow_http = get("AWS_ALLOW_HTTP").is_some_and(|v| v == "true" || v == "1")
            || options.endpoint.as_deref().is_some_and(is_loopback);
        Ok(options)
    }

    /// Its URL.
    pub fn name(&self) -> String {
        let (bucket, prefix) = (self.bucket.clone(), self.prefix.clone());
        crate::StoreUrl::S3 { bucket, prefix }.to_string()
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn profile_of(
    get: &impl Fn(&str) -> Option<String>,
    home: Option<&Path>,
    store: &str,
) -> Result<Option<Profile>> {
    let file = |variable: &str, name: &str| {
        get(variable).map(PathBuf::from).or_else(|| home.map(|h| h.join(".aws").join(name)))
    };
    let named = get("AWS_PROFILE").or_else(|| get("AWS_DEFAULT_PROFILE"));
    let name = named.clone().unwrap_or_else(|| "default".into());
    let files =
        (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), file("AWS_CONFIG_FILE", "config"));
    let found = match files {
        (Some(credentials), Some(config)) => profile::read(&credentials, &config, &name)?,
        (Some(one), None) | (None, Some(one)) => profile::read(&one, &one, &name)?,
        (None, None) => None,
    };
    match (found, named) {
        (None, Some(name)) => Err(Error::Credentials {
            store: store.into(),
            why: format!("AWS_PROFILE names the profile `{name}`, which no file has"),
        }),
        (found, _) => Ok(found),
    }
}

fn credentials(
    get: &impl Fn(&str) -> Option<String>,
    profile: Option<&Profile>,
    store: &str,
) -> Result<Credentials> {
    let incomplete = |why: &str| Error::Credentials { store: store.into(), why: why.into() };
    match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => {
            return Ok(Credentials::Keys { id, secret, token: get("AWS_SESSION_TOKEN") });
        }
        (Some(_), None) => {
            return Err(incomplete("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"));
        }
        (None, Some(_)) => {
            return Err(incomplete("AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not"));
        }
        (None, None) => {}
    }
    if let Some(found) = profile.map(|p| of_profile(p, store)).transpose()?.flatten() {
        return Ok(found);
    }
    if let (Some(token_file), Some(role_arn)) =
        (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN"))
    {
        let session_name = get("AWS_ROLE_SESSION_NAME");
        return Ok(Credentials::WebIdentity { token_file, role_arn, session_name });
    }
    if let Some(relative_uri) = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return Ok(Credentials::Container { relative_uri });
    }
    if let (Some(full_uri), Some(token_file)) =
        (get("AWS_CONTAINER_CREDENTIALS_FULL_URI"), get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
    {
        return Ok(Credentials::Pod { full_uri, token_file });
    }
    if get("AWS_EC2_METADATA_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        let why = "neither the environment nor a profile has keys, and the machine's own role is not asked for (AWS_EC2_METADATA_DISABLED)";
        return Ok(Credentials::Missing(why.into()));
    }
    Ok(Credentials::Instance { endpoint: get("AWS_EC2_METADATA_SERVICE_ENDPOINT") })
}

fn of_profile(profile: &Profile, store: &str) -> Result<Option<Credentials>> {
    let get = |key: &str| profile.get(key).cloned();
    if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
        return Ok(Some(Credentials::Keys { id, secret, token: get("aws_session_token") }));
    }
    if let (Some(token_file), Some(role_arn)) = (get("web_identity_token_file"), get("role_arn")) {
        let session_name = get("role_session_name");
        return Ok(Some(Credentials::WebIdentity { token_file, role_arn, session_name }));
    }
    let unknown =
        ["credential_process", "sso_session", "sso_start_url", "source_profile", "login_session"];
    match unknown.iter().find(|key| profile.contains_key(**key)) {
        None => Ok(None),
        Some(key) => Err(Error::Credentials {
            store: store.into(),
            why: format!(
                "the profile gets its keys by `{key}`, which brio does not do; `eval \"$(aws configure export-credentials --format env)\"` puts them into the environment"
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)], home: Option<&Path>) -> Result<S3Options> {
        let lookup =
            |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        S3Options::from_env("bucket", "a/b", lookup, home)
    }

    #[test]
    fn keys_come_from_where_the_tools_look() {
        let home = tempfile::tempdir().unwrap();
        let aws = home.path().join(".aws");
        std::fs::create_dir(&aws).unwrap();
        std::fs::write(
            aws.join("credentials"),
            "[default]\naws_access_key_id=D\naws_secret_access_key=d\n[work]\naws_access_key_id=W\naws_secret_access_key=w\naws_session_token=t\n",
        )
        .unwrap();
        std::fs::write(
            aws.join("config"),
            "[profile work]\nregion=eu-west-1\nendpoint_url=http://127.0.0.1:9\n[profile sso]\nsso_session=x\n",
        )
        .unwrap();
        let home = Some(home.path());
        let keys = |id: &str, secret: &str, token: Option<&str>| Credentials::Keys {
            id: id.into(),
            secret: secret.into(),
            token: token.map(Into::into),
        };

        let o = from(&[], home).unwrap();
        assert_eq!(
            (o.credentials, o.region.as_str(), o.endpoint),
            (keys("D", "d", None), "us-east-1", None)
        );
        let o = from(&[("AWS_PROFILE", "work")], home).unwrap();
        assert_eq!((o.credentials, o.region.as_str()), (keys("W", "w", Some("t")), "eu-west-1"));
        assert!(o.allow_http);
        let env = [
            ("AWS_PROFILE", "work"),
            ("AWS_ACCESS_KEY_ID", "E"),
            ("AWS_SECRET_ACCESS_KEY", "e"),
            ("AWS_REGION", "r"),
            ("AWS_ENDPOINT_URL", "https://one"),
            ("AWS_ENDPOINT_URL_S3", "http://two"),
        ];
        let o = from(&env, home).unwrap();
        assert_eq!((o.credentials, o.region.as_str()), (keys("E", "e", None), "r"));
        assert_eq!((o.endpoint.as_deref(), o.allow_http), (Some("http://two"), false));
        for (vars, word) in [
            (&[("AWS_PROFILE", "none")][..], "none"),
            (&[("AWS_PROFILE", "sso")], "sso_session"),
            (&[("AWS_ACCESS_KEY_ID", "E")], "AWS_SECRET_ACCESS_KEY"),
            (&[("AWS_SECRET_ACCESS_KEY", "e")], "AWS_ACCESS_KEY_ID"),
        ] {
            let e = from(vars, home).unwrap_err();
            assert!(e.code() == "STORE_CREDENTIALS" && e.to_string().contains(word), "{e}");
        }
    }

    #[test]
    fn roles_are_found() {
        let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn")];
        assert!(matches!(from(&web, None).unwrap().credentials, Credentials::WebIdentity { .. }));
        let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c")];
        assert!(matches!(
            from(&container, None).unwrap().credentials,
            Credentials::Container { .. }
        ));
        let pod = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/t"),
        ];
        assert!(matches!(from(&pod, None).unwrap().credentials, Credentials::Pod { .. }));
        assert_eq!(from(&[], None).unwrap().credentials, Credentials::Instance { endpoint: None });
        let off = [("AWS_EC2_METADATA_DISABLED", "true")];
        assert!(matches!(from(&off, None).unwrap().credentials, Credentials::Missing(_)));
    }

    #[test]
    fn no_secret_is_shown() {
        let keys = Credentials::Keys {
            id: "AK".into(),
            secret: "hidden".into(),
            token: Some("hidden".into()),
        };
        assert!(!format!("{:?}", S3Options::new("b", "", keys)).contains("hidden"));
    }

    #[test]
    fn http_without_being_asked_for_is_of_this_machine_only() {
        for yes in ["http://127.0.0.1:1", "http://localhost", "http://[::1]:2/x"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "https://127.0.0.1",
            "http://127.0.0.1.example.org",
            "http://10.0.0.1",
            "http://localhost.example.org",
            "http://",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
