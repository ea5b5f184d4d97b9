//! The CallVoip adapter against its fixtures, against hostile bytes and against a stand-in of the
//! API.

mod records;
mod verify;
