//! Follow-up tasks.

mod disposition;
mod telling;

pub use disposition::{
    CALLBACK, ESCALATED, TaskWish, kind_of_outcome, new_of_disposition, of_disposition,
};
pub use telling::{created, updated};
