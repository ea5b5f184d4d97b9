//! The part of the store that remembers requests which came with a key of their client's: being
//! carried out by somebody, or with the answer that was given. What makes two requests the same
//! and what an answer is, is not decided here ([`crate::idempotency`]).

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use uuid::Uuid;

use super::StoreResult;

/// A request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Whose it is; all zeros when it belongs to no app.
    pub app: AppId,
    /// Hash of who asked for what under which key; unique within the app.
    pub id: [u8; 32],
    /// Hash of what was asked for in particular.
    pub digest: [u8; 32],
    /// Who carries it out: made anew for each attempt.
    pub owner: Uuid,
}

/// What came of claiming a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has it: it is for the owner to carry out, and no other's until the time given.
    Yours,
    /// Somebody carries it out.
    Busy,
    /// The key stands for a request with another digest.
    Different,
    /// It was carried out; the answer that was kept.
    Answered(String),
}

/// The port.
#[async_trait]
pub trait IdempotencyStore {
    /// Claims a request for its owner until a time. Of several at once one gets it. What expired
    /// is as if it had never been.
    async fn claim_request(
        &self,
        request: &KeyedRequest,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Claim>;

    /// Keeps the answer until a time. False when the request is no longer its owner's.
    async fn keep_answer(
        &self,
        request: &KeyedRequest,
        answer: &str,
        until: Timestamp,
    ) -> StoreResult<bool>;

    /// Lets go of a claim of this owner, so that the key is free. No error when it is not there or
    /// was answered.
    async fn release_request(&self, request: &KeyedRequest) -> StoreResult<()>;

    /// Deletes what expired, at most so many; says how many.
    async fn forget_requests(&self, now: Timestamp, limit: u32) -> StoreResult<u64>;
}
