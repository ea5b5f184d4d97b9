//! Taking secrets out of what others wrote before it is kept or shown: some platforms put the
//! webhook secret into every notification, and some throw what they were asked back in their
//! errors. Not here: which texts need it; whoever keeps or shows one knows.

use std::borrow::Cow;

use crate::adapter::Secret;

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";
/// Shorter secrets are left alone: taking each "1234" out would take out other things too.
const SHORTEST: usize = 8;

/// The ways a secret is written in JSON, forms and addresses.
fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    let percent = |plain: &[u8], space: &str| -> String {
        let one = |byte: u8| match byte {
            b' ' => space.to_owned(),
            byte if byte.is_ascii_alphanumeric() || plain.contains(&byte) => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        };
        secret.bytes().map(one).collect()
    };
    let mut all = vec![
        secret.to_owned(),
        json.replace('/', "\\/"),
        json,
        percent(b"-._~", "%20"),
        percent(b"*-._", "+"),
    ];
    all.dedup();
    all
}

/// The text without these secrets.
#[must_use]
pub fn text<'a>(text: &'a str, secrets: &[&Secret]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    let long = secrets.iter().filter(|s| s.expose().len() >= SHORTEST);
    for spelling in long.flat_map(|secret| spellings(secret.expose())) {
        if text.contains(&spelling) {
            text = Cow::Owned(text.replace(&spelling, HIDDEN));
        }
    }
    text
}

/// The bytes without these secrets; they need not be text.
#[must_use]
pub fn bytes(bytes: &[u8], secrets: &[&Secret]) -> Vec<u8> {
    let mut left = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        left.extend(text(chunk.valid(), secrets).as_bytes());
        left.extend(chunk.invalid());
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_however_it_is_written() {
        let secret = Secret::new("a/b+c \"d\"~e");
        for written in [
            r#"{"token":"a/b+c \"d\"~e"}"#,
            r#"{"token":"a\/b+c \"d\"~e"}"#,
            "token=a%2Fb%2Bc+%22d%22%7Ee",
            "token=a%2Fb%2Bc%20%22d%22~e",
            "a/b+c \"d\"~e a/b+c \"d\"~e",
        ] {
            let left = text(written, &[&secret]);
            assert!(left.contains(HIDDEN), "{left}");
            assert!(!left.contains("~e") && !left.contains("Ee"), "{left}");
        }
        assert_eq!(text("token 1234", &[&Secret::new("1234")]), "token 1234");
    }

    #[test]
    fn what_is_no_text_stays_as_it_is() {
        let secret = Secret::new("a secret of theirs");
        let left = bytes(b"\xff\xfea secret of theirs\xff\0", &[&secret]);
        assert_eq!(left, b"\xff\xfe***\xff\0");
        assert_eq!(bytes(b"nothing", &[&secret]), b"nothing");
    }
}
