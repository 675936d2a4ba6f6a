//! Which source wins, and what is refused.

use std::ffi::OsString;

use super::{Config, Places, Source};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn places(vars: &[(&str, &str)]) -> Places {
    Places::new(vars.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v)))).expect("a home")
}

#[test]
fn flags_win_over_environment_over_base_over_user_over_default() -> Outcome {
    let dir = tempfile::tempdir()?;
    let base = dir.path().join("base");
    let user = dir.path().join("config/brio");
    std::fs::create_dir_all(&base)?;
    std::fs::create_dir_all(&user)?;
    std::fs::write(base.join("brio.toml"), "memory = \"3M\"\ntimeout = \"3s\"\ndisk = 3\n")?;
    std::fs::write(user.join("config.toml"), "memory = \"4M\"\nfiles = 4\ndisk = 4\n")?;
    let config_home = dir.path().join("config");
    let env = places(&[
        ("HOME", "/nowhere"),
        ("XDG_CONFIG_HOME", config_home.to_str().expect("UTF-8")),
        ("BRIO_MEMORY", "2M"),
        ("BRIO_TIMEOUT", "2s"),
        ("BRIO_CPU", ""),
    ]);
    let config = Config::load(&env, Some(&base), &[("memory", Some("1M"))]).expect("loads");
    let of = |key: &str| {
        let s = config.settings().iter().find(|s| s.key == key).expect("a setting");
        (s.value.clone(), s.source.clone())
    };
    assert_eq!(of("memory"), ("1M".into(), Source::Flag("--memory")));
    assert_eq!(of("timeout"), ("2s".into(), Source::Env("BRIO_TIMEOUT")));
    assert_eq!(of("disk"), ("3".into(), Source::File(base.join("brio.toml"))));
    assert_eq!(of("files"), ("4".into(), Source::File(user.join("config.toml"))));
    assert_eq!(of("cpu"), ("10m".into(), Source::Default), "an empty variable is not set");
    Ok(())
}

#[test]
fn a_wrong_value_names_its_source() -> Outcome {
    let dir = tempfile::tempdir()?;
    let env = places(&[("HOME", "/nowhere"), ("BRIO_MEMORY", "lots")]);
    let failure = Config::load(&env, Some(dir.path()), &[]).expect_err("no size");
    assert!(failure.message.contains("BRIO_MEMORY"), "{}", failure.message);
    let env = places(&[("HOME", "/nowhere")]);
    for (text, word) in [
        ("policy = \"last-write-wins\"", "last-write-wins"),
        ("grant = \"vcs\"", "grant"),
        ("memory = true", "memory"),
        ("=", "brio.toml"),
    ] {
        std::fs::write(dir.path().join("brio.toml"), text)?;
        let failure = Config::load(&env, Some(dir.path()), &[]).expect_err("refused");
        assert_eq!(failure.code, "CONFIG");
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    Ok(())
}

#[test]
fn the_home_is_never_a_temp_directory_by_default() {
    assert_eq!(places(&[("HOME", "/h")]).home.to_str(), Some("/h/.local/state/brio"));
    assert_eq!(places(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]).home.to_str(), Some("/s/brio"));
    assert_eq!(places(&[("HOME", "/h"), ("BRIO_HOME", "/b")]).home.to_str(), Some("/b"));
    assert!(Places::new(std::iter::empty()).is_err());
}
