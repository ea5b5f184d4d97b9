//! The agents of each app, in memory: who it is that a platform speaks of is asked for every
//! notification, so the answer must cost no query. A roster is read when its app is first heard
//! of, at once after a change made here, and otherwise at most [`FRESH`] after somebody else's
//! change: one small read an app and second, however many notifications come.
//!
//! What may be changed and how is said in [`edit`]; tokens of embedded panels in [`token`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use switchhook_domain::agent::{Agent, Names, Place, Roster};
use switchhook_domain::id::{AppId, IdMint, UserId};
use switchhook_domain::signal::{CallFact, Fact, LegFact, Signal};

use crate::ports::{Clock, Entropy};
use crate::store::{FoldInput, Store, StoreResult};

pub mod edit;
pub(crate) mod own;
pub mod token;

pub use edit::{
    AgentFault, Draft, Edit, Mapping, Matched, Missing, NewIdentity, Outcome, on_record,
};
pub use token::{MAX_MINUTES, NewToken, TOKEN_PREFIX};

/// How long a roster is believed without asking.
pub const FRESH: Duration = Duration::from_millis(900);
/// How often a change is tried again when somebody else was faster.
const TRIES: u32 = 20;
/// The most rosters remembered.
const MAX_ROSTERS: usize = 10_000;

#[derive(Clone)]
struct Known {
    roster: Arc<Roster>,
    version: u64,
    asked: Instant,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    known: Mutex<HashMap<AppId, Known>>,
}

/// The agents of all apps. Cheap to clone.
#[derive(Clone)]
pub struct Agents {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agents").finish_non_exhaustive()
    }
}

impl Agents {
    /// The agents of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let known = Mutex::default();
        Self {
            inner: Arc::new(Inner {
                store,
                clock,
                entropy,
                known,
            }),
        }
    }

    /// The roster of an app, at most [`FRESH`] old. One caller asks the database; the others take
    /// what is known meanwhile.
    ///
    /// # Errors
    /// When the roster was never read and the database is away.
    pub async fn roster(&self, app: AppId) -> StoreResult<Arc<Roster>> {
        let known = {
            let mut all = self.all();
            match all.get_mut(&app) {
                Some(known) if known.asked.elapsed() < FRESH => return Ok(known.roster.clone()),
                Some(known) => {
                    known.asked = Instant::now();
                    Some(known.clone())
                }
                None => None,
            }
        };
        match known {
            None => Ok(self.read(app).await?.roster),
            Some(known) => Ok(self
                .newest(app, &known)
                .await
                .map_or(known.roster, |newest| newest.roster)),
        }
    }

    /// The roster of an app as it is now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn latest(&self, app: AppId) -> StoreResult<Arc<Roster>> {
        let known = self.all().get(&app).cloned();
        Ok(match known {
            None => self.read(app).await?.roster,
            Some(known) => self.newest(app, &known).await?.roster,
        })
    }

    async fn newest(&self, app: AppId, known: &Known) -> StoreResult<Known> {
        if self.inner.store.roster_version(app).await? == known.version {
            return Ok(known.clone());
        }
        self.read(app).await
    }

    async fn read(&self, app: AppId) -> StoreResult<Known> {
        let asked = Instant::now();
        let stored = self.inner.store.roster(app).await?;
        let read = Known {
            roster: Arc::new(Roster::new(stored.agents)),
            version: stored.version,
            asked,
        };
        let mut all = self.all();
        if all.len() >= MAX_ROSTERS {
            all.clear();
        }
        // What was read earlier never replaces what was read later.
        let known = all.entry(app).or_insert_with(|| read.clone());
        if known.version < read.version {
            *known = read.clone();
        }
        Ok(read)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<AppId, Known>> {
        self.inner
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the roster of an app: `edit` is done to the latest there is, and again when
    /// somebody else was faster. All of it happens, or nothing.
    ///
    /// # Errors
    /// What the edit finds at fault, or [`AgentFault::Store`].
    pub async fn change<T, F>(&self, app: AppId, edit: F) -> Result<T, AgentFault>
    where
        F: Fn(&mut Edit) -> Result<T, AgentFault>,
    {
        for _ in 0..TRIES {
            let stored = self.inner.store.roster(app).await?;
            let now = self.inner.clock.now();
            let mint = IdMint::new(now, self.inner.entropy.random());
            let mut draft = Edit::new(stored.agents, now, mint);
            let outcome = edit(&mut draft)?;
            let change = draft.into_change();
            if change.put.is_empty() && change.delete.is_empty() {
                return Ok(outcome);
            }
            let seen = stored.version;
            if self.inner.store.change_roster(app, seen, &change).await? {
                self.read(app).await?;
                return Ok(outcome);
            }
        }
        Err(AgentFault::Busy)
    }

    /// What a change would come to; nothing is stored. The ids of what it would make are made up.
    ///
    /// # Errors
    /// What the edit finds at fault, or [`AgentFault::Store`].
    pub async fn preview<T, F>(&self, app: AppId, edit: F) -> Result<T, AgentFault>
    where
        F: FnOnce(&mut Edit) -> Result<T, AgentFault>,
    {
        let stored = self.inner.store.roster(app).await?;
        let now = self.inner.clock.now();
        let mint = IdMint::new(now, self.inner.entropy.random());
        edit(&mut Edit::new(stored.agents, now, mint))
    }

    /// The agent of a person with an account: linked by hand, or else by the same e-mail address.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn of_person(
        &self,
        app: AppId,
        user: UserId,
        email: Option<&str>,
    ) -> StoreResult<Option<Agent>> {
        let roster = self.roster(app).await?;
        let linked = roster.by_user(user);
        let same = || {
            let agent = roster.by_email(email?)?;
            agent.user_id.is_none().then_some(agent)
        };
        let found = linked.or_else(same).filter(|agent| agent.active);
        Ok(found.cloned())
    }

    /// Hands the fold the roster, after having learnt from what the platform says. A database
    /// that is away is the commit's affair: then nothing new is said of agents.
    pub(crate) async fn attend(&self, app: AppId, fold: &mut FoldInput) {
        let Ok(roster) = self.roster(app).await else {
            return;
        };
        let place = Place {
            platform: &fold.platform,
            connection: fold.connection_id,
        };
        let learnt = learnt(&roster, place, &fold.signals);
        if learnt.is_empty() {
            fold.roster = Some(roster);
            return;
        }
        let told = self
            .change(app, |edit| {
                for (user, email) in &learnt {
                    edit.learn(place, user, email);
                }
                Ok(())
            })
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "cannot note whom a platform's user is");
        }
        // The e-mail address itself names the agent where it could not be noted.
        fold.roster = self.roster(app).await.ok();
    }
}

/// Platform users whose e-mail address is an agent's own, and who are nobody's yet: user id and
/// address.
fn learnt(roster: &Roster, place: Place<'_>, signals: &[Signal]) -> Vec<(String, String)> {
    if roster.agents().is_empty() {
        return Vec::new();
    }
    let mut learnt: Vec<(String, String)> = Vec::new();
    for names in signals.iter().filter_map(names) {
        let (Some(user), Some(email)) = (names.user_id, names.email) else {
            continue;
        };
        let by_address = roster
            .find(place, names)
            .is_some_and(|found| found.identity.is_none());
        if by_address && learnt.iter().all(|(known, _)| known != user) {
            learnt.push((user.to_owned(), email.to_owned()));
        }
    }
    learnt
}

/// Who is named by a signal.
fn names(signal: &Signal) -> Option<Names<'_>> {
    match &signal.fact {
        Fact::Leg {
            fact: LegFact::Party(party) | LegFact::Seen { party, .. },
            ..
        }
        | Fact::Call(CallFact::Requested { agent: party, .. }) => Some(Names {
            extension: party.extension.as_deref(),
            user_id: party.user_id.as_deref(),
            email: party.email.as_deref(),
        }),
        Fact::Presence(report) => Some(Names {
            extension: report.extension.as_deref(),
            user_id: report.user_id.as_deref(),
            email: report.email.as_deref(),
        }),
        Fact::Call(_) | Fact::Leg { .. } | Fact::Snapshot { .. } | Fact::Message(_) => None,
    }
}
