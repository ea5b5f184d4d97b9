//! The Asterisk adapter against recorded streams of two versions, against hostile bytes, and its
//! live connections against servers that misbehave in ways a real PBX cannot be made to.

mod decode;
mod fake;
mod live;
mod records;
mod relay;
mod settings;
mod users;
