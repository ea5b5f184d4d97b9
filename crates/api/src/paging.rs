//! Pages of lists: limit with offset, as the predecessor had it, and a cursor beside it that
//! stays right while calls come in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use switchhook_domain::Timestamp;
use switchhook_domain::id::CallId;
use switchhook_engine::store::{CallCursor, MediaCursor};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::params::Params;
use crate::problem::{Code, Problem};

/// The page size when none is asked for.
pub(crate) const DEFAULT_LIMIT: u64 = 50;
/// The largest page.
pub(crate) const MAX_LIMIT: u64 = 100;
/// The furthest offset.
pub(crate) const MAX_OFFSET: u64 = 100_000;
/// The first byte of a cursor: its version.
const CURSOR_VERSION: u8 = 1;

/// Where a page lies in its list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Pagination {
    /// The most entries of this page, as asked for.
    #[schema(example = 50)]
    pub(crate) limit: u32,
    /// How many entries were passed over; 0 when a cursor was used.
    pub(crate) offset: u32,
    /// How many match in all, counted up to 10,000.
    #[schema(example = 123)]
    pub(crate) total: u64,
    /// True when there are more.
    pub(crate) has_more: bool,
    /// Pass this as `cursor` for the next page; null on the last, and on lists without cursors.
    pub(crate) next_cursor: Option<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    pub(crate) limit: u32,
    pub(crate) offset: u32,
    pub(crate) after: Option<CallCursor>,
}

impl Paging {
    /// Reads `limit`, `offset` and, where the route has one, `cursor`.
    pub(crate) fn read(params: &Params) -> Result<Self, Problem> {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let limit = small(params.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?);
        let offset = small(params.number("offset", 0, 0..=MAX_OFFSET)?);
        let after = params.one("cursor")?.map(read_cursor).transpose()?;
        if after.is_some() && params.one("offset")?.is_some() {
            let problem = "cannot be given together with cursor; use one of them";
            return Err(Problem::parameter("offset", problem));
        }
        Ok(Self {
            limit,
            offset,
            after,
        })
    }

    /// Where to go on in a list of recordings or voicemails.
    pub(crate) fn media_after(self) -> Option<MediaCursor> {
        self.after
            .map(|CallCursor { sort_at, id }| MediaCursor { sort_at, id: id.0 })
    }

    /// The description of a page of such a list.
    pub(crate) fn describe_media(self, total: u64, next: Option<MediaCursor>) -> Pagination {
        let next = next.map(|MediaCursor { sort_at, id }| CallCursor {
            sort_at,
            id: CallId(id),
        });
        Pagination {
            limit: self.limit,
            offset: self.offset,
            total,
            has_more: next.is_some(),
            next_cursor: next.map(write_cursor),
        }
    }

    /// The description of a page of a list that has no cursors.
    pub(crate) fn describe(self, shown: usize, total: u64) -> Pagination {
        let seen = u64::from(self.offset).saturating_add(shown as u64);
        let has_more = shown > 0 && seen < total;
        Pagination {
            limit: self.limit,
            offset: self.offset,
            total,
            has_more,
            next_cursor: None,
        }
    }
}

/// Writes a position. Opaque to clients: version, microseconds, id, and a check that tells a
/// changed one from one of ours (no secret: the position is checked against the app anyway).
pub(crate) fn write_cursor(cursor: CallCursor) -> String {
    let mut bytes = [0_u8; 27];
    bytes[0] = CURSOR_VERSION;
    bytes[1..9].copy_from_slice(&cursor.sort_at.as_microsecond().to_be_bytes());
    bytes[9..25].copy_from_slice(cursor.id.0.as_bytes());
    let check = check(&bytes[..25]).to_be_bytes();
    bytes[25..].copy_from_slice(&check);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(text: &str) -> Result<CallCursor, Problem> {
    decode(text).ok_or_else(|| {
        let detail = "The cursor is not one of ours. Pass pagination.next_cursor on unchanged, or \
                      start again without it.";
        Problem::new(Code::InvalidCursor, detail).at("cursor")
    })
}

fn decode(text: &str) -> Option<CallCursor> {
    let bytes: [u8; 27] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (body, given) = bytes.split_at(25);
    if body[0] != CURSOR_VERSION || check(body).to_be_bytes() != given {
        return None;
    }
    let micros = i64::from_be_bytes(body[1..9].try_into().ok()?);
    let sort_at = Timestamp::from_microsecond(micros).ok()?;
    Some(CallCursor {
        sort_at,
        id: CallId(Uuid::from_slice(&body[9..25]).ok()?),
    })
}

/// Fletcher's checksum.
fn check(bytes: &[u8]) -> u16 {
    let (low, high) = bytes.iter().fold((0_u16, 0_u16), |(low, high), byte| {
        let low = (low + u16::from(*byte)) % 255;
        (low, (high + low) % 255)
    });
    high << 8 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> CallCursor {
        CallCursor {
            sort_at: Timestamp::from_microsecond(1_795_312_358_086_123).unwrap(),
            id: CallId(Uuid::from_u128(7)),
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        assert_eq!(decode(&write_cursor(cursor())), Some(cursor()));
    }

    #[test]
    fn a_changed_cursor_is_refused() {
        let good = write_cursor(cursor());
        for bad in [
            "",
            "abc",
            &good[1..],
            &format!("{good}A"),
            &good.replace('A', "B"),
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
