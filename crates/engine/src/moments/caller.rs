//! Who the caller is: somebody chooses a contact for a call, or writes down a new one. What people
//! say counts more than what the directory finds, and the directory is not asked again.

use switchhook_domain::call::{Call, ContactView};
use switchhook_domain::contact::{Certainty, Contact, ContactNumber};
use switchhook_domain::id::{CallId, ContactId, IdMint};
use switchhook_domain::moment::Deed;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::Direction;

use super::{Found, MomentFault, Moments, Writer, checked};
use crate::store::App;

/// The most numbers of one contact.
const MAX_NUMBERS: usize = 20;
/// The longest name, organisation or address, in characters.
const MAX_TEXT: usize = 200;
/// The longest note, in characters.
const MAX_NOTE: usize = 2000;

/// A caller who is in no directory yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewCaller {
    /// Name, not empty.
    pub name: String,
    /// Organisation.
    pub organisation: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Pinned note.
    pub note: Option<String>,
}

impl Moments {
    /// Says who the caller is; `None`: nobody of the directory. `remember` adds the caller's
    /// number to the contact.
    ///
    /// # Errors
    /// [`MomentFault`].
    pub async fn choose(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        (contact, remember): (Option<ContactId>, bool),
    ) -> Result<Found, MomentFault> {
        let found = self.for_writer(app, id, writer).await?;
        let chosen = match contact {
            None if remember => {
                let problem = "needs a contact; name one in `contact_id`";
                return Err(MomentFault::field("remember", problem));
            }
            None => None,
            Some(id) => {
                let contact = self.store.contact(app.id, id).await?;
                Some(contact.ok_or(MomentFault::UnknownContact)?)
            }
        };
        if let Some(contact) = chosen.as_ref().filter(|_| remember) {
            self.remember(app, &found.call, contact).await?;
        }
        self.link(app, id, writer, chosen.as_ref()).await
    }

    /// Makes a contact of a caller, with the number they called from, and links it.
    ///
    /// # Errors
    /// [`MomentFault`].
    pub async fn take_in(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        new: NewCaller,
    ) -> Result<Found, MomentFault> {
        let member = |text: Option<String>, name, most| {
            text.map_or(Ok(None), |text| checked(&text, name, most))
        };
        let name = checked(&new.name, "name", MAX_TEXT)?;
        let name = name.ok_or_else(|| MomentFault::field("name", "must not be empty"))?;
        let email = member(new.email, "email", MAX_TEXT)?;
        let is_bad = |email: &String| !email.contains('@') || email.contains(' ');
        if email.as_ref().is_some_and(is_bad) {
            return Err(MomentFault::field("email", "must be an e-mail address"));
        }
        let organisation = member(new.organisation, "organisation", MAX_TEXT)?;
        let note = member(new.note, "note", MAX_NOTE)?;
        let found = self.for_writer(app, id, writer).await?;
        let number = outside(app, &found.call);
        let mint = IdMint::new(self.now(), self.intake.entropy().random());
        let contact = Contact {
            id: ContactId(mint.uuid()),
            name,
            organisation,
            email,
            note,
            url: None,
            numbers: number.into_iter().map(unlabelled).collect(),
        };
        let contacts = std::slice::from_ref(&contact);
        self.store.put_contacts(app.id, contacts).await?;
        self.link(app, id, writer, Some(&contact)).await
    }

    async fn link(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        contact: Option<&Contact>,
    ) -> Result<Found, MomentFault> {
        let by = writer.author.name.as_deref().unwrap_or("a person");
        let view = contact.map(|contact| view(contact, by));
        self.change(app, id, writer, None, |found| {
            let moment = found.state.moment.as_ref();
            let chosen = moment.is_some_and(|moment| moment.contact_chosen);
            let who = |view: &Option<ContactView>| view.as_ref().map(|contact| contact.id);
            let same = chosen && who(&found.state.contact) == who(&view);
            Ok((!same).then(|| Deed::Contact(view.clone()).into()))
        })
        .await
    }

    /// Adds the caller's number to a contact, once.
    async fn remember(&self, app: &App, call: &Call, contact: &Contact) -> Result<(), MomentFault> {
        let Some(number) = outside(app, call) else {
            let problem = "cannot be done: the caller's number is not known";
            return Err(MomentFault::field("remember", problem));
        };
        let mut known = contact.numbers.iter();
        if known.any(|known| known.number.canonical() == number.canonical()) {
            return Ok(());
        }
        if contact.numbers.len() >= MAX_NUMBERS {
            let problem = format!("cannot be done: the contact has {MAX_NUMBERS} numbers already");
            return Err(MomentFault::field("remember", problem));
        }
        let mut contact = contact.clone();
        contact.numbers.push(unlabelled(number));
        let contacts = std::slice::from_ref(&contact);
        Ok(self.store.put_contacts(app.id, contacts).await?)
    }
}

fn unlabelled(number: PhoneNumber) -> ContactNumber {
    ContactNumber {
        number,
        label: None,
    }
}

/// The number of the other side, when it is one that can be kept.
pub(super) fn outside(app: &App, call: &Call) -> Option<PhoneNumber> {
    let number = match call.direction {
        Some(Direction::Outbound) => call.to_number.as_ref(),
        _ => call.from_number.as_ref(),
    };
    let plan = NumberPlan::for_country(&app.country).unwrap_or_default();
    let number = PhoneNumber::parse(number?, &plan);
    number.canonical().is_some().then_some(number)
}

fn view(contact: &Contact, by: &str) -> ContactView {
    ContactView {
        id: contact.id,
        name: contact.name.clone(),
        organisation: contact.organisation.clone(),
        note: contact.note.clone(),
        url: contact.url.clone(),
        certainty: Certainty::Certain,
        percent: 100,
        why: format!("chosen by {by}"),
        total: 1,
    }
}
