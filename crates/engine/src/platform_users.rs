//! The users of a platform, as it lists them when it is asked: what an adapter gives, and reading
//! all pages within bounds. Which agent each of them is stands in [`crate::agents`].

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::adapter::Capability;
use crate::command::{CommandError, Fault};
use crate::connections::ReadyConnection;
use crate::control::{ControlRefusal, Controls};
use crate::dial::Refusal;

/// The most users that are read of one platform.
pub const MAX_USERS: usize = 5_000;
/// The most pages, however few users are on each.
const MAX_PAGES: usize = 500;
/// How long the platform may take with all pages; less than a request may take here.
const PATIENCE: Duration = Duration::from_secs(25);
/// The longest name, address or id that is taken over, in characters.
const MAX_TEXT: usize = 200;
/// The most numbers of one user that are taken over.
const MAX_NUMBERS: usize = 20;

/// Somebody, or some telephone, that can take calls at a platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformUser {
    /// The platform's user id, as its events name the user; `None` where they name extensions.
    pub id: Option<String>,
    /// The name the platform shows.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Extension, as the platform's events name it.
    pub extension: Option<String>,
    /// Numbers of their own, as the platform writes them.
    pub numbers: Vec<String>,
    /// What state the platform says they are in, in its own word (`active`, `Enabled`, `online`).
    pub state: Option<String>,
    /// The device behind the extension, where that is what the platform lists (`PJSIP/100`).
    pub device: Option<String>,
}

impl PlatformUser {
    /// The same with blanks, empty texts and texts beyond all reason taken out.
    fn tidied(self) -> Self {
        Self {
            id: tidy(self.id),
            name: tidy(self.name),
            email: tidy(self.email),
            extension: tidy(self.extension),
            numbers: (self.numbers.into_iter())
                .filter_map(|number| tidy(Some(number)))
                .take(MAX_NUMBERS)
                .collect(),
            state: tidy(self.state),
            device: tidy(self.device),
        }
    }
}

fn tidy(text: Option<String>) -> Option<String> {
    let text = text?;
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= MAX_TEXT;
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// A page of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPage {
    /// The users.
    pub users: Vec<PlatformUser>,
    /// By what the next page is asked for; `None` after the last one.
    pub next: Option<String>,
}

/// All users that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The users, in the platform's order, each once.
    pub users: Vec<PlatformUser>,
    /// True when the platform has more than [`MAX_USERS`].
    pub truncated: bool,
}

impl Controls {
    /// The users of a connection's platform, asked for now. At most [`MAX_USERS`].
    ///
    /// # Errors
    /// Why the platform cannot be asked, or what it answered.
    pub async fn platform_users(
        &self,
        connection: &ReadyConnection,
    ) -> Result<Listed, ControlRefusal> {
        // The link that events come by is not asked, so it may be down.
        if connection.fault.is_some() {
            return Err(Refusal::Unusable.into());
        }
        let lacks = connection
            .adapter
            .lacks(Capability::ListUsers, &connection.context);
        if let Some(why) = lacks {
            return Err(Refusal::NotSupported(why).into());
        }
        let all = self.all_users(connection);
        match tokio::time::timeout(PATIENCE, all).await {
            Ok(Ok(listed)) => Ok(listed),
            Ok(Err(error)) if error.fault == Fault::NotSupported => {
                Err(Refusal::NotSupported(error.detail).into())
            }
            // No call is asked about, so none can be over or in the wrong state.
            Ok(Err(error)) if matches!(error.fault, Fault::Gone | Fault::State) => {
                let error = CommandError::new(Fault::Platform, error.detail);
                Err(ControlRefusal::Failed(error))
            }
            Ok(Err(error)) => Err(ControlRefusal::Failed(error)),
            Err(_) => {
                let detail = "The phone platform did not list its users in time. Try again later.";
                let error = CommandError::new(Fault::Unreachable, detail);
                Err(ControlRefusal::Failed(error))
            }
        }
    }

    async fn all_users(&self, connection: &ReadyConnection) -> Result<Listed, CommandError> {
        let session = self.session(connection);
        let mut listed = Listed::default();
        let mut seen = BTreeSet::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = connection.adapter.users(&session, after.as_deref()).await?;
            for user in page.users.into_iter().map(PlatformUser::tidied) {
                let name = (
                    user.id.is_some(),
                    user.id.clone().or(user.extension.clone()),
                );
                // Who has neither cannot be recognised in an event.
                if name.1.is_none() || !seen.insert(name) {
                    continue;
                }
                if listed.users.len() == MAX_USERS {
                    listed.truncated = true;
                    return Ok(listed);
                }
                listed.users.push(user);
            }
            match page.next {
                Some(next) if Some(&next) != after.as_ref() => after = Some(next),
                _ => return Ok(listed),
            }
        }
        listed.truncated = true;
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_tidied() {
        let user = PlatformUser {
            id: Some("  7 ".to_owned()),
            name: Some(" \n".to_owned()),
            email: Some("a\u{0}b@example.nl".to_owned()),
            extension: Some("1".repeat(MAX_TEXT + 1)),
            numbers: vec![String::new(), " 201 ".to_owned()],
            ..PlatformUser::default()
        };
        let wanted = PlatformUser {
            id: Some("7".to_owned()),
            numbers: vec!["201".to_owned()],
            ..PlatformUser::default()
        };
        assert_eq!(user.tidied(), wanted);
    }
}
