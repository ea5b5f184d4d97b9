//! The Dialpad adapter against its fixtures, against hostile bytes and against itself.

mod asking;
mod calls;
mod decode;
mod records;
mod stand;
mod subscriptions;
mod users;
mod verify;
