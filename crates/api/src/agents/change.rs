//! What a request says of an agent, and how it becomes a draft: ids are checked here, everything
//! else by the engine.

use serde::{Deserialize, Deserializer};
use switchhook_domain::agent::IdentityKind;
use switchhook_domain::id::{AppId, ConnectionId, UserId};
use switchhook_engine::agents::{Draft, NewIdentity};
use utoipa::ToSchema;

use crate::params::uuid;
use crate::problem::Problem;
use crate::state::Inner;

/// The most identities of one request.
const MAX_IDENTITIES: usize = 50;

/// What is said of an agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentChange {
    /// Name; a new agent must have one.
    #[serde(default)]
    #[schema(example = "Anna de Boer", max_length = 200)]
    name: Option<String>,
    /// E-mail address; unique in the app. Platform users with the same address are mapped to the
    /// agent when they are first heard of.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "anna@example.nl", max_length = 254)]
    email: Option<Option<String>>,
    /// Their id in the app's business software; unique in the app.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "user_abc123", max_length = 200)]
    crm_user_id: Option<Option<String>>,
    /// Their account, when they sign in to our page; unique in the app.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    user_id: Option<Option<String>>,
    /// False for somebody who takes no calls any more: no call is theirs, no token works.
    #[serde(default)]
    active: Option<bool>,
    /// Names at platforms to have as well, at most 50.
    #[serde(default)]
    identities: Vec<IdentityRequest>,
}

/// A name at a platform.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityRequest {
    /// The platform that uses it; left out for all, or taken from the connection.
    #[serde(default)]
    #[schema(example = "asterisk")]
    platform: Option<String>,
    /// The connection it is good for: extension 100 of one PBX is not that of another. Left out
    /// for all of the platform.
    #[serde(default)]
    connection_id: Option<String>,
    /// What kind of name.
    kind: IdentityKind,
    /// The name.
    #[schema(example = "100", max_length = 200)]
    value: String,
}

/// A member that is there, be it `null`.
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl AgentChange {
    /// The draft of it; `at` is where it stands in the body.
    pub(crate) fn draft(self, shared: &Inner, app: AppId, at: &str) -> Result<Draft, Problem> {
        let user_id = self
            .user_id
            .map(|id| id.map(|id| uuid(&id).map(UserId).ok_or(())).transpose());
        let user_id = user_id
            .transpose()
            .map_err(|()| Problem::field(&format!("{at}user_id"), "must be a UUID or null"))?;
        if self.identities.len() > MAX_IDENTITIES {
            let problem = format!("must have at most {MAX_IDENTITIES} entries");
            return Err(Problem::field(&format!("{at}identities"), &problem));
        }
        let identities = self.identities.into_iter().enumerate();
        let identities = identities
            .map(|(index, new)| new.checked(shared, app, &format!("{at}identities[{index}].")))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Draft {
            name: self.name,
            email: self.email,
            crm_user_id: self.crm_user_id,
            user_id,
            active: self.active,
            identities,
        })
    }
}

impl IdentityRequest {
    /// The name with its platform and connection checked; `at` is where it stands in the body.
    pub(crate) fn checked(
        self,
        shared: &Inner,
        app: AppId,
        at: &str,
    ) -> Result<NewIdentity, Problem> {
        let fault = |member: &str, problem: &str| Problem::field(&format!("{at}{member}"), problem);
        if let Some(platform) = &self.platform
            && shared.connections.platforms().get(platform).is_none()
        {
            return Err(fault("platform", "is none this server speaks"));
        }
        let Some(id) = self.connection_id.as_deref() else {
            return Ok(NewIdentity {
                platform: self.platform,
                connection_id: None,
                kind: self.kind,
                value: self.value,
            });
        };
        let id = uuid(id).ok_or_else(|| fault("connection_id", "must be a UUID"))?;
        let found = shared.connections.get(ConnectionId(id));
        let Some(connection) = found.filter(|connection| connection.app.id == app) else {
            return Err(fault("connection_id", "is not a connection of this app"));
        };
        let platform = connection.row.platform.clone();
        if self.platform.is_some_and(|named| named != platform) {
            return Err(fault("platform", "is not that of the connection"));
        }
        Ok(NewIdentity {
            platform: Some(platform),
            connection_id: Some(connection.row.id),
            kind: self.kind,
            value: self.value,
        })
    }
}
