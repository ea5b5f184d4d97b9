//! Platforms without Rust: a TOML file says where a platform's webhook carries what, and this
//! module makes an adapter of it. The keys are documented in `docs/guide/mapping.md`.
//!
//! Start reading at [`compile`], then `read` and `schema` (what a file may say) and `decode` (how
//! a body is read by it). What a word such as `ringing` means for a call is said in `flat`, as for
//! the generic webhook. [`Aircall`] and [`ThreeCx`] are built in, made from files like any other.

mod decode;
mod intern;
mod originate;
mod path;
mod read;
mod schema;
mod signature;
mod template;
mod times;
mod toml;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use ::toml::de::DeTable;
use async_trait::async_trait;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Capability, ConnectionContext, DecodeError, Decoded, Inbound, Rejection,
    Secret,
};
use switchhook_engine::command::{CommandError, Originate, Originated, Session};
use switchhook_engine::mappings::{MAX_MAPPING, MappingFault};

use crate::flat::form;
use schema::Mapping;
pub use signature::Proof;

/// A platform made from a mapping file. Cheap to clone.
#[derive(Clone)]
pub struct Mapped {
    mapping: Arc<Mapping>,
    spec: &'static AdapterSpec,
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mapped").field(&self.spec.platform).finish()
    }
}

/// Makes an adapter of a mapping file.
///
/// # Errors
/// Everything that is wrong with the file, at once, in its order.
pub fn compile(text: &str) -> Result<Mapped, Vec<MappingFault>> {
    let whole = |problem: String| {
        vec![MappingFault {
            line: 1,
            column: 1,
            field: String::new(),
            problem,
        }]
    };
    if text.len() > MAX_MAPPING {
        return Err(whole(format!(
            "the file must be at most {MAX_MAPPING} bytes"
        )));
    }
    if let Some(known) = intern::known(text) {
        return Ok(known);
    }
    let faults = toml::Faults::new(text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            faults.at(at, "", format!("is not TOML: {}", error.message()));
            return Err(faults.finish());
        }
    };
    let mapping = read::mapping(toml::Section::root(&faults, table.get_ref()), &faults);
    let found = faults.finish();
    let mapping = match mapping {
        Some(mapping) if found.is_empty() => mapping,
        _ => return Err(found),
    };
    intern::keep(text, mapping).ok_or_else(|| {
        whole("too many different mapping files were read; restart the server".to_owned())
    })
}

/// The same, as the engine asks for it.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn compiler(text: &str) -> Result<Arc<dyn Adapter>, Vec<MappingFault>> {
    compile(text).map(|mapped| Arc::new(mapped) as Arc<dyn Adapter>)
}

impl Mapped {
    fn new(mapping: Mapping) -> Self {
        Self {
            spec: intern::spec(&mapping),
            mapping: Arc::new(mapping),
        }
    }

    /// What this platform puts beside a body it posts, signed with `secret`. For simulators.
    #[must_use]
    pub fn prove(&self, body: &[u8], secret: &Secret) -> Proof {
        self.mapping.signature.prove(body, secret)
    }
}

#[async_trait]
impl Adapter for Mapped {
    fn spec(&self) -> &'static AdapterSpec {
        self.spec
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        let map = self.mapping.originate.as_ref();
        map.map_or(Ok(()), |map| map.check(connection))
    }

    fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        let secrets = &connection.webhook_secrets;
        self.mapping.signature.verify(inbound, secrets)
    }

    fn decode(
        &self,
        payload: &[u8],
        connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        decode::decode(&self.mapping, payload, &connection.numbers)
    }

    fn split<'a>(&self, recorded: &'a [u8]) -> Vec<&'a [u8]> {
        form::split(recorded)
    }

    fn lacks(&self, capability: Capability, connection: &ConnectionContext) -> Option<String> {
        let map = self.mapping.originate.as_ref();
        let map = map.filter(|_| capability == Capability::Originate);
        let missing = map.and_then(|map| map.missing(connection));
        let why = |name| format!("The connection lacks the setting {name}; add it to place calls.");
        self.spec.why_not(capability).or_else(|| missing.map(why))
    }

    async fn originate(
        &self,
        session: &Session,
        asked: &Originate,
    ) -> Result<Originated, CommandError> {
        match &self.mapping.originate {
            Some(map) => originate::place(map, session, asked).await,
            None => Err(CommandError::not_supported(
                "The platform's mapping file has no [originate] section.",
            )),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the file is part of this build, and a test compiles it"
)]
fn built_in(text: &str) -> Mapped {
    compile(text).expect("a built-in mapping compiles")
}

macro_rules! embedded {
    ($(#[$doc:meta] $name:ident = $file:literal;)*) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl $name {
            /// The mapping file.
            pub const FILE: &'static str =
                include_str!(concat!("../../../../mappings/", $file));

            /// What was made of it.
            #[must_use]
            pub fn mapped() -> &'static Mapped {
                static MADE: LazyLock<Mapped> =
                    LazyLock::new(|| built_in($name::FILE));
                &MADE
            }
        }

        #[async_trait]
        impl Adapter for $name {
            fn spec(&self) -> &'static AdapterSpec {
                Self::mapped().spec()
            }

            fn verify<'a>(
                &self,
                inbound: &Inbound<'a>,
                connection: &ConnectionContext,
            ) -> Result<Cow<'a, [u8]>, Rejection> {
                Self::mapped().verify(inbound, connection)
            }

            fn decode(
                &self,
                payload: &[u8],
                connection: &ConnectionContext,
            ) -> Result<Decoded, DecodeError> {
                Self::mapped().decode(payload, connection)
            }

            fn split<'a>(&self, recorded: &'a [u8]) -> Vec<&'a [u8]> {
                form::split(recorded)
            }

            fn lacks(
                &self,
                capability: Capability,
                connection: &ConnectionContext,
            ) -> Option<String> {
                Self::mapped().lacks(capability, connection)
            }

            async fn originate(
                &self,
                session: &Session,
                asked: &Originate,
            ) -> Result<Originated, CommandError> {
                Self::mapped().originate(session, asked).await
            }
        }
    )*};
}

embedded! {
    /// Aircall, from `mappings/aircall.toml`.
    Aircall = "aircall.toml";
    /// 3CX, from `mappings/3cx.toml`.
    ThreeCx = "3cx.toml";
}
