//! What a secret looks like.

use brio_agent::Severity;

/// What a line was found to hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    pub severity: Severity,
    pub name: &'static str,
    pub message: &'static str,
}

/// A token with a fixed beginning, then at least `length` characters of an alphabet.
struct Token {
    name: &'static str,
    message: &'static str,
    prefix: &'static str,
    length: usize,
    alphabet: fn(char) -> bool,
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn upper(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

const fn token(
    name: &'static str,
    message: &'static str,
    prefix: &'static str,
    length: usize,
    alphabet: fn(char) -> bool,
) -> Token {
    Token { name, message, prefix, length, alphabet }
}

const TOKENS: &[Token] = &[
    token("aws-access-key", "an AWS access key id", "AKIA", 16, upper),
    token("aws-access-key", "a temporary AWS access key id", "ASIA", 16, upper),
    token("github-token", "a GitHub personal access token", "ghp_", 36, alphanumeric),
    token("github-token", "a GitHub OAuth token", "gho_", 36, alphanumeric),
    token("github-token", "a GitHub user token", "ghu_", 36, alphanumeric),
    token("github-token", "a GitHub server token", "ghs_", 36, alphanumeric),
    token("github-token", "a GitHub refresh token", "ghr_", 36, alphanumeric),
    token("github-token", "a GitHub fine-grained token", "github_pat_", 36, word),
    token("gitlab-token", "a GitLab personal access token", "glpat-", 20, word),
    token("slack-token", "a Slack bot token", "xoxb-", 20, word),
    token("slack-token", "a Slack user token", "xoxp-", 20, word),
    token("google-api-key", "a Google API key", "AIza", 35, word),
    token("stripe-key", "a Stripe live secret key", "sk_live_", 24, alphanumeric),
    token("npm-token", "an npm access token", "npm_", 36, alphanumeric),
    token("pypi-token", "a PyPI upload token", "pypi-", 60, word),
    token("model-api-key", "an API key of a model provider", "sk-", 40, word),
];

const NAMES: [&str; 7] =
    ["password", "passwd", "secret", "api_key", "apikey", "access_token", "auth_token"];

/// What a line holds, if anything; the most certain rule first.
pub fn check(line: &str) -> Option<Rule> {
    if line.contains("allow-secret") {
        return None;
    }
    if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY") {
        let message = "a private key";
        return Some(Rule { severity: Severity::Error, name: "private-key", message });
    }
    if let Some(token) = TOKENS.iter().find(|token| token.is_in(line)) {
        let (name, message) = (token.name, token.message);
        return Some(Rule { severity: Severity::Error, name, message });
    }
    assigned(line).then_some(Rule {
        severity: Severity::Warning,
        name: "assigned-secret",
        message: "a literal is assigned to a name that suggests a secret; mark the line with \
                  allow-secret if it is none",
    })
}

impl Token {
    fn is_in(&self, line: &str) -> bool {
        line.match_indices(self.prefix).any(|(start, prefix)| {
            let rest = &line[start + prefix.len()..];
            let length = rest.chars().take_while(|c| (self.alphabet)(*c)).count();
            let starts_a_word = line[..start].chars().next_back().is_none_or(|c| !word(c));
            starts_a_word && length >= self.length
        })
    }
}

/// `some_password = "a long literal with letters and digits"`.
fn assigned(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    NAMES.iter().any(|name| {
        lower.match_indices(name).any(|(start, _)| {
            let rest =
                line[start + name.len()..].trim_start_matches(|c| word(c) || c == '"' || c == '\'');
            let Some(value) = rest.trim_start().strip_prefix([':', '=']) else { return false };
            let value = value.trim_start_matches(['=', ' ']);
            let Some(quote) = value.chars().next().filter(|c| *c == '"' || *c == '\'') else {
                return false;
            };
            let literal = value[1..].split(quote).next().unwrap_or_default();
            literal.len() >= 12
                && literal.chars().any(|c| c.is_ascii_digit())
                && literal.chars().any(|c| c.is_ascii_alphabetic())
                && !literal.contains([' ', '{', '$', '<'])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::check;

    fn name(line: &str) -> Option<&'static str> {
        check(line).map(|rule| rule.name)
    }

    #[test]
    fn finds_secrets() {
        // Put together, so that no scanner takes this file for a leak.
        assert_eq!(
            name(&["id = AK", "IA", &"ABCDEFGH".repeat(2)].concat()),
            Some("aws-access-key")
        );
        assert_eq!(name(&["gh", "p_", &"a1b2c3".repeat(6)].concat()), Some("github-token"));
        assert_eq!(name(&["-----BEGIN RSA ", "PRIVATE KEY-----"].concat()), Some("private-key"));
        assert_eq!(
            name(&["db_pass", "word = \"hunter2hunter2\""].concat()),
            Some("assigned-secret")
        );
        assert_eq!(
            name(&["\"api_", "key\": \"0123456789abcdef\""].concat()),
            Some("assigned-secret")
        );
    }

    #[test]
    fn leaves_the_rest_alone() {
        for line in [
            "let password = read_password()?;",
            "password = \"${DB_PASSWORD_2_FROM_ENV}\"",
            "AKIASHORT",
            "the secret: \"be kind, always, 24 hours\"",
            "-----BEGIN PUBLIC KEY-----",
            "",
        ] {
            assert_eq!(name(line), None, "{line}");
        }
        assert_eq!(name(&["AK", "IA", &"ABCDEFGH".repeat(2), " # allow-secret"].concat()), None);
    }
}
