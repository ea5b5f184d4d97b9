//! The secrets of a drive: each is planted under a name, and must be shown to have been used.
//! What was never used could not have leaked, and a search for it would prove nothing.

use switchhook_engine::ports::SystemEntropy;
use switchhook_engine::seal::random_text;

/// A secret that was given to the program, or made by it.
pub(super) struct Planted {
    pub(super) name: String,
    pub(super) text: String,
    used: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Secrets(Vec<Planted>);

impl Secrets {
    /// A new secret, with characters that are spelled differently here and there.
    pub(super) fn plant(&mut self, name: &str) -> String {
        let secret = format!("Plant/{}+~Q", random_text(&SystemEntropy, 18));
        self.keep(name, &secret)
    }

    /// A secret that somebody else made.
    pub(super) fn keep(&mut self, name: &str, text: &str) -> String {
        assert!(text.len() >= 12, "{name}: too short to be searched for");
        self.0.push(Planted {
            name: name.to_owned(),
            text: text.to_owned(),
            used: false,
        });
        text.to_owned()
    }

    /// The program took it: the caller has just seen so, by what it answered.
    pub(super) fn used(&mut self, text: &str) {
        let planted = self.0.iter_mut().filter(|planted| planted.text == text);
        let count = planted.map(|planted| planted.used = true).count();
        assert!(count > 0, "not planted: {text}");
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Planted> {
        self.0.iter()
    }

    /// The names of those that were never used.
    pub(super) fn unused(&self) -> Vec<&str> {
        let unused = self.0.iter().filter(|planted| !planted.used);
        unused.map(|planted| planted.name.as_str()).collect()
    }
}

#[test]
fn a_planted_secret_that_is_never_used_is_told() {
    let mut secrets = Secrets::default();
    let (used, _) = (secrets.plant("one"), secrets.plant("other"));
    secrets.used(&used);
    assert_eq!(secrets.unused(), ["other"]);
    assert_ne!(used, secrets.plant("one"));
}
