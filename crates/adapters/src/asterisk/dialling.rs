//! A dial attempt: whom it calls, how far it got, and whether the PBX dials by itself.

use switchhook_domain::cause::Cause;
use switchhook_domain::phone::{NumberKind, PhoneNumber};
use switchhook_domain::signal::{CallFact, LegFact, LegKind, Party};

use super::causes::reason_of;
use super::channel::{Channel, dialled_number};
use super::facts::Told;
use super::happening::{DialAttempt, DialStage};

impl Told<'_> {
    pub(super) fn dialled(&mut self, attempt: &DialAttempt<'_>) {
        let DialAttempt {
            caller,
            peer,
            stage,
            dialstring,
            ..
        } = attempt;
        let kind = self.kind(peer);
        if caller.is_none() && *stage != DialStage::Begun {
            // The PBX dials by itself, and the device has reacted: the conversation begins here.
            // Before it has, this may be the call-back of a failed transfer that nobody sees.
            let party = self.party(peer, kind, false);
            self.leg(
                peer,
                LegFact::Seen {
                    kind,
                    origin: true,
                    party,
                },
            );
            self.originated(peer, kind);
        }
        if kind == LegKind::Helper {
            return;
        }
        match stage {
            DialStage::Begun if kind == LegKind::External => {
                self.called_outside(caller.as_ref(), peer, dialstring);
            }
            DialStage::Ringing => self.leg(peer, LegFact::Rang),
            DialStage::Answered => self.leg(peer, LegFact::Answered),
            DialStage::Failed(failure) => {
                if let Some(reason) = reason_of(*failure) {
                    self.leg(peer, LegFact::Cause(Cause::reason(reason)));
                }
            }
            DialStage::Begun | DialStage::Underway => {}
        }
    }

    /// The PBX calls an agent first, directly or through a Local channel: the other side it shows
    /// on the agent's phone is the one that is called next. An agent who declines never gets there.
    fn originated(&mut self, peer: &Channel<'_>, kind: LegKind) {
        let number = PhoneNumber::parse(&peer.connected.number, self.setting.plan);
        if kind != LegKind::External && number.kind == NumberKind::Public {
            self.call(CallFact::Dialled(number));
        }
    }

    /// Who is called outside, and which number of ours is shown there.
    fn called_outside(
        &mut self,
        caller: Option<&Channel<'_>>,
        peer: &Channel<'_>,
        dialstring: &str,
    ) {
        let plan = self.setting.plan;
        let written = dialled_number(dialstring, peer.endpoint());
        let guessed = [peer.caller.number.as_ref(), peer.exten.as_ref()];
        let dialled = written.or_else(|| {
            guessed
                .into_iter()
                .find(|text| text.bytes().any(|byte| byte.is_ascii_digit()))
        });
        if let Some(number) = dialled {
            let number = Some(PhoneNumber::parse(number, plan));
            let name = peer.caller_name(plan);
            self.leg(
                peer,
                LegFact::Party(Party {
                    number,
                    name,
                    ..Party::default()
                }),
            );
        }
        // The first half of a Local channel only dials when the PBX was told to call an agent
        // through it; the second half dials for any caller.
        let ours = caller.is_some_and(|caller| {
            self.kind(caller) == LegKind::Agent || caller.name.ends_with(";1")
        });
        let shown = PhoneNumber::parse(&peer.connected.number, plan);
        if ours && shown.kind == NumberKind::Public {
            self.call(CallFact::Line(shown));
        }
    }
}
