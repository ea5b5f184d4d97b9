//! Phone platforms: how to believe, understand and reach each of them.
//!
//! An adapter is a stateless translator from one platform's notifications to the platform-neutral
//! [`Signal`](switchhook_domain::signal::Signal)s of the domain. The contract is
//! [`Adapter`](switchhook_engine::adapter::Adapter); read its documentation first. Everything an
//! adapter knows about its platform stays inside its own folder: no other crate names a vendor's
//! field.
//!
//! # Adding a platform
//! 1. One folder (or file) here with a unit struct that implements `Adapter`.
//! 2. One line in [`mod@registry`].
//! 3. Fixtures in `fixtures/<platform>/<scenario>/`: notifications in the order received, a
//!    `story.md` that says what happened, and a `record.json` with what the call record must say.
//! 4. A page `docs/adapters/<platform>.md`.
//!
//! The test `registry` fails until all four are there and until every capability the adapter
//! claims is shown by its fixtures.
//!
//! What also lives here: [`simulate`], which plays platforms for tests and the demo. What does
//! not: joining, ordering and deciding (domain), HTTP and storage (elsewhere).

pub mod asterisk;
pub mod callvoip;
pub mod dialpad;
mod flat;
pub mod generic;
mod json;
pub mod mapped;
pub mod oauth;
pub mod oidc;
pub mod registry;
pub mod ringcentral;
mod signed;
pub mod simulate;
mod upgrade;
#[allow(
    dead_code,
    reason = "the adapters that use all of it are being written"
)]
mod vendor;
pub mod wildix;
pub mod zammad;

pub use registry::{Registry, registry};
pub use switchhook_domain::signal::{UNDATED, date_undated};
