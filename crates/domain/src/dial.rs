//! Why a call that somebody asked us to place came to nothing: the closed set of causes, told by
//! `dial.failed`, kept with the dial and counted. What a dial goes through lives in the engine.

use serde::{Deserialize, Serialize};

/// Why a dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DialCause {
    /// The platform cannot place calls for others, or not with this connection's settings.
    NotSupported,
    /// The platform does not accept our credentials.
    Credentials,
    /// Our credentials lack a right or a scope.
    Permission,
    /// A setting of the connection is wrong.
    Settings,
    /// The agent's device is not registered, or there is no such device.
    DeviceOffline,
    /// The platform does not take the number or extension that was to be dialled.
    TargetRefused,
    /// The platform takes no more requests at the moment.
    RateLimited,
    /// The platform failed, or refused without saying why.
    PlatformError,
    /// The platform could not be reached.
    Unreachable,
    /// We do not know whether the platform heard us, and nothing came of it.
    Uncertain,
    /// The platform accepted the request, and nothing came of it.
    NoEvents,
    /// The connection was deleted before the call began.
    ConnectionGone,
}

impl DialCause {
    /// Every cause.
    pub const ALL: [Self; 12] = [
        Self::NotSupported,
        Self::Credentials,
        Self::Permission,
        Self::Settings,
        Self::DeviceOffline,
        Self::TargetRefused,
        Self::RateLimited,
        Self::PlatformError,
        Self::Unreachable,
        Self::Uncertain,
        Self::NoEvents,
        Self::ConnectionGone,
    ];

    /// The name in events, the database and the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSupported => "not_supported",
            Self::Credentials => "credentials",
            Self::Permission => "permission",
            Self::Settings => "settings",
            Self::DeviceOffline => "device_offline",
            Self::TargetRefused => "target_refused",
            Self::RateLimited => "rate_limited",
            Self::PlatformError => "platform_error",
            Self::Unreachable => "unreachable",
            Self::Uncertain => "uncertain",
            Self::NoEvents => "no_events",
            Self::ConnectionGone => "connection_gone",
        }
    }

    /// The cause of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for cause in DialCause::ALL {
            assert_eq!(DialCause::from_name(cause.as_str()), Some(cause));
            let text = serde_json::to_string(&cause).unwrap();
            assert_eq!(text, format!("\"{}\"", cause.as_str()));
        }
        assert_eq!(DialCause::from_name("bored"), None);
    }
}
