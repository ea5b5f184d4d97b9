//! The platforms with flat events: the generic webhook, Zammad's CTI, and those made from mapping
//! files.

mod originate;
mod records;
mod simulate;
mod validate;
mod verify;
