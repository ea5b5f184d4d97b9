//! The section `[limits]`, and what else of the configuration bounds strangers: connections,
//! origins, frames.

use switchhook_api::{LimitsConfig, origin};

use super::{Reader, count};

/// The most connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxConnections {
    /// In all.
    pub all: usize,
    /// From one client address.
    pub per_address: usize,
}

impl Default for MaxConnections {
    fn default() -> Self {
        Self {
            all: 20_000,
            per_address: 1_000,
        }
    }
}

impl MaxConnections {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let Self { all, per_address } = Self::default();
        Self {
            all: reader.read("server.max_connections", all, count),
            per_address: reader.read("server.max_connections_per_address", per_address, count),
        }
    }
}

/// The section `[limits]`.
pub(super) fn read(reader: &mut Reader<'_>) -> LimitsConfig {
    let default = LimitsConfig::default();
    let mut limit = |name: &str, default| reader.read(&format!("limits.{name}"), default, number);
    LimitsConfig {
        key_requests: limit("key_requests", default.key_requests),
        app_requests: limit("app_requests", default.app_requests),
        operator_requests: limit("operator_requests", default.operator_requests),
        hook_notifications: limit("hook_notifications", default.hook_notifications),
        failed_keys: limit("failed_keys", default.failed_keys),
        failed_sign_ins: limit("failed_sign_ins", default.failed_sign_ins),
        socket_messages: limit("socket_messages", default.socket_messages),
        socket_opens: limit("socket_opens", default.socket_opens),
        ..default
    }
}

fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| *n <= 10_000_000);
    number.ok_or_else(|| "must be a number up to 10000000; 0 is without a limit".to_owned())
}

/// Origins whose pages may use the API.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    words.map(origin).collect()
}

/// What may stand in `frame-ancestors`.
pub(super) fn frames(text: &str) -> Result<String, String> {
    let known = |word: &str| match word {
        "'self'" | "'none'" => true,
        word => origin(&word.replacen("://*.", "://", 1)).is_ok() && word != "null",
    };
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let alone = words.len() == 1 || !words.contains(&"'none'");
    if !words.is_empty() && alone && words.iter().all(|word| known(word)) {
        Ok(words.join(" "))
    } else {
        Err("must be 'none', 'self' or origins such as https://crm.example.com".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_frames_are_read_or_named() {
        assert_eq!(origins("").unwrap(), [""; 0]);
        let two = origins("https://a.example, http://localhost:5173").unwrap();
        assert_eq!(two, ["https://a.example", "http://localhost:5173"]);
        assert!(origins("https://a.example *").unwrap_err().contains('*'));
        let good = "'self'  https://*.example.com https://crm.example.nl";
        assert_eq!(frames(good).unwrap(), good.replace("  ", " "));
        for bad in ["", "*", "'none' 'self'", "'self'; script-src *", "null"] {
            frames(bad).unwrap_err();
        }
    }

    #[test]
    fn a_limit_may_be_switched_off() {
        assert_eq!(number("0"), Ok(0));
        for bad in ["-1", "x", "99999999999"] {
            number(bad).unwrap_err();
        }
    }
}
