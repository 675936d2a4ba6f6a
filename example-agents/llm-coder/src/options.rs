//! What the agent is told besides its task.

use std::time::Duration;

/// See the crate's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) model: String,
    pub(crate) turns: u32,
    pub(crate) retries: u32,
    pub(crate) timeout: Duration,
}

impl Options {
    /// An argument counts before the environment.
    pub(crate) fn read(
        args: &[String],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut url = env("OPENAI_BASE_URL");
        let mut model = env("OPENAI_MODEL");
        let (mut turns, mut retries, mut timeout) = (30, 2, 120);
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag}: a value is missing"))?;
            let number = |most: u32| match value.parse::<u32>() {
                Ok(n) if n <= most => Ok(n),
                _ => Err(format!("{flag} {value}: give a number up to {most}")),
            };
            match flag.as_str() {
                "--url" => url = Some(value.clone()),
                "--model" => model = Some(value.clone()),
                "--turns" => turns = number(1000)?,
                "--retries" => retries = number(10)?,
                "--timeout" => timeout = number(3600)?,
                _ => return Err(format!("{flag}: --url, --model, --turns, --retries, --timeout are known")),
            }
        }
        Ok(Self {
            url: url.unwrap_or_else(|| "https://api.openai.com/v1".into()),
            model: model.ok_or("no model: give --model NAME, or OPENAI_MODEL in its environment")?,
            turns,
            retries,
            timeout: Duration::from_secs(timeout.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str], env: &[(&str, &str)]) -> Result<Options, String> {
        let args: Vec<_> = args.iter().map(|a| (*a).to_owned()).collect();
        let of = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Options::read(&args, of)
    }

    #[test]
    fn arguments_count_before_the_environment() {
        let env = [("OPENAI_MODEL", "small"), ("OPENAI_BASE_URL", "http://localhost:1/v1")];
        let options = read(&["--model", "large"], &env).expect("options");
        assert_eq!((options.model.as_str(), options.url.as_str()), ("large", env[1].1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (args, has) in [
            (&["--model"][..], "--model: a value"),
            (&["--modle", "x"], "--modle"),
            (&["--turns", "many"], "--turns many"),
            (&[], "no model"),
        ] {
            let error = read(args, &[]).expect_err("no options");
            assert!(error.contains(has), "{error}");
        }
    }
}
