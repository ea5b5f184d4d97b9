//! The Dialpad adapter against its fixtures, against hostile bytes and against itself.

mod decode;
mod records;
mod verify;
