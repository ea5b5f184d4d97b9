//! The Wildix adapter against its fixtures, against hostile bytes, against a stand-in of the PBX
//! and against an SQS-compatible server.

mod control;
mod records;
mod users;
mod verify;
