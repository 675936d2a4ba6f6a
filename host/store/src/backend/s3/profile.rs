//! The files of AWS's tools, `~/.aws/credentials` and `~/.aws/config`, as far as keys, a region
//! and an endpoint go.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, Result};

/// The settings of one profile.
pub(super) type Profile = BTreeMap<String, String>;

/// A profile out of both files; what the first names counts. `None`: neither has it.
pub(super) fn read(credentials: &Path, config: &Path, name: &str) -> Result<Option<Profile>> {
    let of_keys = section(&text(credentials)?, |s| s == name);
    let of_config = section(&text(config)?, |s| match s.strip_prefix("profile ") {
        Some(rest) => rest.trim() == name,
        None => s == name && name == "default",
    });
    Ok(match (of_keys, of_config) {
        (None, None) => None,
        (keys, config) => {
            let mut all = config.unwrap_or_default();
            all.extend(keys.unwrap_or_default());
            Some(all)
        }
    })
}

fn text(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(Error::host(format!("read {}", path.display()), e)),
    }
}

/// The settings of the sections that are wanted, later ones over earlier ones.
fn section(text: &str, wanted: impl Fn(&str) -> bool) -> Option<Profile> {
    let mut found: Option<Profile> = None;
    let mut inside = false;
    for line in text.lines() {
        // What is indented is a setting of a setting, such as `s3 =`.
        let nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            inside = rest.split_once(']').is_some_and(|(name, _)| wanted(name.trim()));
            if inside {
                found.get_or_insert_default();
            }
        } else if inside
            && !nested
            && !line.starts_with(['#', ';'])
            && let (Some(found), Some((key, value))) = (&mut found, line.split_once('='))
        {
            let value = value.split(" #").next().unwrap_or_default().trim();
            found.insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_the_tools_do() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, config) = (dir.path().join("credentials"), dir.path().join("config"));
        assert_eq!(read(&keys, &config, "default").unwrap(), None);
        std::fs::write(
            &keys,
            "# mine\n[default]\naws_access_key_id = A\nAWS_SECRET_ACCESS_KEY=s=/+ # secret\n\n[ work ]\naws_access_key_id=W\n",
        )
        .unwrap();
        std::fs::write(
            &config,
            "[default]\nregion = eu-west-1\ns3 =\n  region = nested\n[profile work]\naws_access_key_id = config\nendpoint_url = http://127.0.0.1:1\n[work]\nregion = not-a-profile\n",
        )
        .unwrap();
        let default = read(&keys, &config, "default").unwrap().unwrap();
        assert_eq!(default["aws_access_key_id"], "A");
        assert_eq!(default["aws_secret_access_key"], "s=/+");
        assert_eq!(default["region"], "eu-west-1");
        let work = read(&keys, &config, "work").unwrap().unwrap();
        assert_eq!(work["aws_access_key_id"], "W");
        assert_eq!(work["endpoint_url"], "http://127.0.0.1:1");
        assert_eq!(work.get("region"), None);
        assert_eq!(read(&keys, &config, "other").unwrap(), None);
    }
}
