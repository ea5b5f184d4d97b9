//! Requests that came with a key, in the reference store.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_engine::store::{Claim, IdempotencyStore, KeyedRequest, StoreResult};

use super::{MemoryStore, micros};

/// A request, its answer if it has one, and when it is forgotten.
#[derive(Debug)]
pub(super) struct Known {
    request: KeyedRequest,
    answer: Option<String>,
    expires_at: Timestamp,
}

#[async_trait]
impl IdempotencyStore for MemoryStore {
    async fn claim_request(
        &self,
        request: &KeyedRequest,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Claim> {
        let mut all = self.all();
        let known = all.keyed_requests.get(&(request.app, request.id));
        if let Some(known) = known.filter(|known| known.expires_at > micros(now)) {
            return Ok(match &known.answer {
                _ if known.request.digest != request.digest => Claim::Different,
                Some(answer) => Claim::Answered(answer.clone()),
                None => Claim::Busy,
            });
        }
        let known = Known {
            request: request.clone(),
            answer: None,
            expires_at: micros(until),
        };
        all.keyed_requests.insert((request.app, request.id), known);
        Ok(Claim::Yours)
    }

    async fn keep_answer(
        &self,
        request: &KeyedRequest,
        answer: &str,
        until: Timestamp,
    ) -> StoreResult<bool> {
        let mut all = self.all();
        let known = all.keyed_requests.get_mut(&(request.app, request.id));
        let Some(known) = known.filter(|known| known.is_open(request)) else {
            return Ok(false);
        };
        known.answer = Some(answer.to_owned());
        known.expires_at = micros(until);
        Ok(true)
    }

    async fn release_request(&self, request: &KeyedRequest) -> StoreResult<()> {
        let mut all = self.all();
        let place = (request.app, request.id);
        let known = all.keyed_requests.get(&place);
        if known.is_some_and(|known| known.is_open(request)) {
            all.keyed_requests.remove(&place);
        }
        Ok(())
    }

    async fn forget_requests(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        let mut all = self.all();
        let over = all.keyed_requests.iter();
        let over = over.filter(|(_, known)| known.expires_at <= micros(now));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let over: Vec<_> = over.map(|(place, _)| *place).take(limit).collect();
        for place in &over {
            all.keyed_requests.remove(place);
        }
        Ok(over.len() as u64)
    }
}

impl Known {
    fn is_open(&self, request: &KeyedRequest) -> bool {
        self.request.owner == request.owner && self.answer.is_none()
    }
}
