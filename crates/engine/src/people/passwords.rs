//! Passwords: what one must be, how it is hashed, and how many may be hashed at a time. Hashing
//! is slow and large on purpose, so that it needs a place of its own; a crowd at the door waits
//! there and not in the way of calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::ports::Entropy;

/// The shortest password, in characters.
pub const MIN_LENGTH: usize = 12;
/// The longest, in characters: what is longer only costs time.
pub const MAX_LENGTH: usize = 128;
/// Memory of one hash in KiB, and passes over it: the first choice of OWASP's cheat sheet for
/// argon2id with one lane.
const COST: (u32, u32) = (19 * 1024, 2);
/// How many are hashed at a time, at most: 4 × 19 MiB.
const MOST_AT_ONCE: usize = 4;
/// How many may wait for their turn.
const MOST_WAITING: usize = 64;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of a password must be left when the names in it are taken out, in characters.
const OWN_PART: usize = 8;
/// A name or word shorter than this may be in a password.
const SHORT_WORD: usize = 4;
/// What everybody thinks of when twelve characters are asked for.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789123",
    "123123123123",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abc123abc123",
    "abcd12345678",
    "abcdefghijkl",
    "administrator",
    "administrator1",
    "changeme1234",
    "changemechangeme",
    "correcthorsebatterystaple",
    "iloveyou1234",
    "iloveyouforever",
    "letmeinletmein",
    "p@ssw0rd1234",
    "passw0rd1234",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "qazwsxedcrfv",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopas",
    "switchhook12",
    "switchhook123",
    "switchhook1234",
    "trustno1trustno1",
    "unbelievable",
    "wachtwoord12",
    "wachtwoord123",
    "wachtwoord1234",
    "welcome12345",
    "welcome123456",
    "welkom123456",
    "welkom1234567",
    "welkomwelkom",
    "zaq12wsxcde3",
    "zomer2026zomer",
];

/// Too many want to sign in at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// Hashes and verifies.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    places: Semaphore,
    /// All that are at it or wait.
    entered: Semaphore,
    entropy: Arc<dyn Entropy>,
    dummy: tokio::sync::OnceCell<String>,
    verified: AtomicU64,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

impl Passwords {
    /// With as many places as the machine has cores, up to a few.
    #[must_use]
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let places = cores.min(MOST_AT_ONCE);
        Self(Arc::new(Inner {
            places: Semaphore::new(places),
            entered: Semaphore::new(places + MOST_WAITING),
            entropy,
            dummy: tokio::sync::OnceCell::new(),
            verified: AtomicU64::new(0),
        }))
    }

    /// The hash of a password, as a PHC text that names its parameters.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: &str) -> Result<String, Busy> {
        let mut salt = [0_u8; 16];
        self.0.entropy.fill(&mut salt);
        let password = normal(password);
        let hashed = self.alone(move || {
            let hash: PasswordHash = argon2()?
                .hash_password_with_salt(password.as_bytes(), &salt)
                .ok()?;
            Some(hash.to_string())
        });
        hashed.await?.ok_or(Busy)
    }

    /// Whether it is the password of that hash. Without a hash the work is done all the same and
    /// the answer is no, so that nobody learns from the time it takes who has an account.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Busy> {
        let there = hash.is_some();
        let hash = match hash {
            Some(hash) => hash.to_owned(),
            None => self.dummy().await?,
        };
        let fits = password.chars().count() <= MAX_LENGTH;
        let password = normal(if fits { password } else { "" });
        let verified = self.alone(move || {
            let hash = PasswordHash::new(&hash).ok()?;
            Some(
                argon2()?
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok(),
            )
        });
        let same = verified.await?.unwrap_or(false);
        self.0.verified.fetch_add(1, Ordering::Relaxed);
        Ok(same && there && fits)
    }

    /// True when a hash was made with other parameters than today's.
    #[must_use]
    pub fn is_outdated(hash: &str) -> bool {
        let known = PasswordHash::new(hash).ok();
        let params = known.and_then(|hash| Params::try_from(&hash).ok());
        params.is_none_or(|params| (params.m_cost(), params.t_cost()) != COST)
    }

    /// How often a password was verified, against a real hash or the dummy.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.0.verified.load(Ordering::Relaxed)
    }

    async fn dummy(&self) -> Result<String, Busy> {
        let made = self.0.dummy.get_or_try_init(|| self.hash("nobody has it"));
        made.await.cloned()
    }

    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _entered = self.0.entered.try_acquire().map_err(|_| Busy)?;
        let turn = tokio::time::timeout(PATIENCE, self.0.places.acquire()).await;
        let _place = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(COST.0, COST.1, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// One form for what looks the same, whichever keyboard wrote it (NFKC).
fn normal(password: &str) -> String {
    password.nfkc().collect()
}

/// What is wrong with a password; `personal` are the words a guesser tries first: the person's
/// address and name, the app's name.
///
/// # Errors
/// What it must be, as the end of a sentence.
pub fn check(password: &str, personal: &[&str]) -> Result<(), &'static str> {
    let normal = normal(password).to_lowercase();
    let length = normal.chars().count();
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
        return Err("must have 12 to 128 characters");
    }
    if COMMON.contains(&normal.as_str()) || is_monotonous(&normal) {
        return Err("is among the first that anybody would guess; choose another");
    }
    let mut rest = normal;
    for word in personal.iter().flat_map(|text| {
        let text = text.to_lowercase();
        let split = text.split(|c: char| !c.is_alphanumeric());
        split.map(str::to_owned).collect::<Vec<_>>()
    }) {
        if word.chars().count() >= SHORT_WORD {
            rest = rest.replace(&word, "");
        }
    }
    if rest.chars().count() < OWN_PART {
        return Err("must not be made of your name, your address or the name of the app");
    }
    Ok(())
}

/// One or two characters over and over, or a row such as `abcdef…` or `987654…`.
fn is_monotonous(text: &str) -> bool {
    let chars: Vec<u32> = text.chars().map(u32::from).collect();
    let mut distinct = chars.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let in_row = |step: i64| {
        let mut pairs = chars.windows(2);
        pairs.all(|pair| i64::from(pair[1]) - i64::from(pair[0]) == step)
    };
    distinct.len() <= 2 || in_row(1) || in_row(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemEntropy;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new(Arc::new(SystemEntropy));
        let hash = passwords.hash("een lang wachtwoord").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(!Passwords::is_outdated(&hash));
        assert!(
            passwords
                .verify("een lang wachtwoord", Some(&hash))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify("een lang Wachtwoord", Some(&hash))
                .await
                .unwrap()
        );
        assert!(!passwords.verify("", Some(&hash)).await.unwrap());
        assert!(
            !passwords
                .verify("een lang wachtwoord", Some("nonsense"))
                .await
                .unwrap()
        );
        let again = passwords.hash("een lang wachtwoord").await.unwrap();
        assert_ne!(hash, again, "every hash has its own salt");
    }

    #[tokio::test]
    async fn nobody_is_verified_as_slowly_as_somebody() {
        let passwords = Passwords::new(Arc::new(SystemEntropy));
        assert!(!passwords.verify("nobody has it", None).await.unwrap());
        assert_eq!(passwords.verified(), 1, "the work was done");
    }

    #[tokio::test]
    async fn what_looks_the_same_is_the_same() {
        let passwords = Passwords::new(Arc::new(SystemEntropy));
        let hash = passwords.hash("caf\u{e9} om de hoek").await.unwrap();
        let composed = passwords
            .verify("cafe\u{301} om de hoek", Some(&hash))
            .await;
        assert!(composed.unwrap());
    }

    #[test]
    fn hashes_of_other_parameters_are_outdated() {
        let old = "$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$\
                   W6lx5Hl2hJ1Cw1t3uE7b6w0dC9n5m9o8mXo3h3b2bqE";
        assert!(Passwords::is_outdated(old));
        assert!(Passwords::is_outdated("nonsense"));
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        let personal = ["jan.jansen@example.nl", "Jan Jansen", "Klantcontact"];
        for bad in [
            "short",
            "elevenchars",
            "Password1234",
            "aaaaaaaaaaaaaa",
            "ababababababab",
            "abcdefghijklmnop",
            "210987654321".chars().rev().collect::<String>().as_str(),
            "jansenjansen12",
            "Klantcontact1!",
            &"x1".repeat(65),
        ] {
            assert!(check(bad, &personal).is_err(), "{bad}");
        }
        for good in [
            "vier woorden op een rij",
            "jansen koopt vier broden",
            "Tr0ub4dor&3xyz",
        ] {
            assert_eq!(check(good, &personal), Ok(()), "{good}");
        }
    }
}
