//! A call that moves from one party to another.
//!
//! Both events are told at the moment of the transfer, when the transferer's channels still are;
//! what becomes of the other parties is told by their own channels.

use switchhook_domain::signal::{CallFact, LegFact, LegKind, TransferKind};

use super::channel::Channel;
use super::facts::Told;
use super::happening::Happening;

impl Told<'_> {
    pub(super) fn transferred(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::BlindTransfer {
                transferer,
                exten,
                others,
                bridge,
            } => {
                let mut channels = vec![transferer];
                channels.extend(others);
                self.about(&channels, &bridge.iter().collect::<Vec<_>>());
                channels.into_iter().for_each(|channel| self.shown(channel));
                self.moved(transferer);
                let to = (!exten.is_empty()).then(|| exten.to_string());
                let from = Some(transferer.id.to_string());
                self.call(CallFact::Transferred {
                    kind: TransferKind::Blind,
                    from,
                    to,
                });
            }
            Happening::AttendedTransfer {
                legs,
                target,
                others,
                bridges,
                leaves,
            } => {
                let mut channels: Vec<&Channel<'_>> = legs.iter().chain(target).collect();
                channels.extend(others);
                self.about(&channels, &bridges.iter().collect::<Vec<_>>());
                channels.into_iter().for_each(|channel| self.shown(channel));
                if !leaves {
                    legs.iter().for_each(|leg| self.leg(leg, LegFact::Resumed));
                    return;
                }
                legs.iter().for_each(|leg| self.moved(leg));
                let from = legs.first().map(|leg| leg.id.to_string());
                let to = self.transfer_target(target.as_ref(), legs.last());
                self.call(CallFact::Transferred {
                    kind: TransferKind::Attended,
                    from,
                    to,
                });
            }
            _ => {}
        }
    }

    fn moved(&mut self, channel: &Channel<'_>) {
        self.leg(channel, LegFact::Resumed);
        self.leg(channel, LegFact::Moved);
    }

    /// Who took over: the target's extension or number. Before 18 the event does not name the
    /// target; then it is whom the transferer last talked to.
    fn transfer_target(
        &self,
        target: Option<&Channel<'_>>,
        second_leg: Option<&Channel<'_>>,
    ) -> Option<String> {
        let named = target.map(|target| match self.kind(target) {
            LegKind::Agent => target.endpoint().to_owned(),
            LegKind::Helper => target
                .endpoint()
                .split('@')
                .next()
                .unwrap_or_default()
                .to_owned(),
            LegKind::External | LegKind::Routing => target.caller.number.to_string(),
        });
        let last = || second_leg.map(|leg| leg.connected.number.to_string());
        named
            .filter(|text| !text.is_empty())
            .or_else(last)
            .filter(|text| !text.is_empty())
    }
}
