//! RingCentral: what is believed and understood, and what is asked of the stand-in.

mod asked;
mod decode;
mod live;
mod records;
mod signed_in;
mod socket;
mod socket_ends;
mod subscribed;
mod users;
mod verify;
mod world;
