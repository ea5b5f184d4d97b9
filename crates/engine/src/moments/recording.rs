//! A recording that somebody tells of, for platforms that do not do so themselves: it becomes a
//! signal like any other, so that record, entity and event agree. Audio is never fetched.

use switchhook_domain::Timestamp;
use switchhook_domain::id::CallId;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_domain::signal::{CallFact, Signal};

use super::{Found, MomentFault, Moments, Writer};
use crate::store::{App, Changeset, FoldInput, StoreError};

/// The longest address, in characters.
const MAX_URL: usize = 2000;

impl Moments {
    /// Says where a recording of the call is, and until when. The same again changes nothing.
    ///
    /// # Errors
    /// [`MomentFault`]; of calls whose connection was deleted nothing more is taken in.
    pub async fn attach_recording(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        (url, expires_at): (&str, Option<Timestamp>),
    ) -> Result<Found, MomentFault> {
        let url = address(url)?;
        let found = self.for_writer(app, id, writer).await?;
        let key = found.state.facts.keys.iter().next().cloned();
        let key = key.ok_or(MomentFault::NotFound)?;
        let now = self.now();
        let fact = CallFact::Recording {
            id: url.clone(),
            recording: Recording {
                state: RecordingState::Available,
                url: Some(url),
                expires_at,
                ..Recording::default()
            },
        };
        let changeset = Changeset {
            app_id: app.id,
            at: now,
            random: self.intake.entropy().random(),
            notification: None,
            fold: Some(FoldInput {
                connection_id: found.state.connection_id,
                platform: found.state.platform.as_str().into(),
                country: app.country.as_str().into(),
                signals: vec![Signal::call(now, &[key], fact)],
                settle: Vec::new(),
                deeds: Vec::new(),
                roster: None,
                history: false,
            }),
            tasks: Vec::new(),
            events: Vec::new(),
            link: None,
        };
        match self.intake.commit(changeset).await {
            Ok(_) => self.find(app, found.call.id).await,
            Err(StoreError::NotFound(_)) => Err(MomentFault::NotFound),
            Err(error) => Err(error.into()),
        }
    }
}

/// An address of the web and nothing else.
fn address(text: &str) -> Result<String, MomentFault> {
    let text = text.trim();
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    let plain = text.chars().all(|c| c.is_ascii_graphic());
    if host && plain && text.len() <= MAX_URL {
        return Ok(text.to_owned());
    }
    let problem = format!(
        "must be an address that begins with https:// or http://, at most {MAX_URL} characters"
    );
    Err(MomentFault::field("recordingUrl", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_taken() {
        for good in ["https://x.example/r/1", "http://x.example/r?a=b#c"] {
            assert_eq!(address(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "https://",
            "https:///x",
            "javascript:alert(1)",
            "ftp://x.example/r",
            "file:///etc/passwd",
            "https://x.example/a b",
            &format!("https://x.example/{}", "a".repeat(MAX_URL)),
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
