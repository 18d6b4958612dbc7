//! Who sent a message: everything that is known of them.

use std::time::Duration;

use super::{ReceiveReply, Reply};
use crate::{
    Address, Email, Person, Phone,
    ports::{KnownContact, StoreError},
};

/// How exactly it is known when a number and a user id came together last. A known pair costs no write in between.
const SEEN_TO: Duration = Duration::from_hours(24);

impl ReceiveReply {
    /// Gathers the addresses of a message's sender, and remembers a number and a user id that come together.
    pub(super) async fn sender(&self, reply: &Reply) -> Result<Person, StoreError> {
        let given = reply.from.iter().chain(&reply.from_user_id).cloned();
        let number = reply.from.as_ref().and_then(Address::phone);
        let number = number.filter(Phone::is_international).map(|phone| phone.canonical());
        let user_id = reply.from_user_id.clone().filter(|id| id.phone().is_none());
        let known = match (number, user_id) {
            (Some(phone), Some(user_id)) => self.learned(phone, user_id).await?,
            // A number alone says who it is, unless a manager is known by a user id.
            (Some(phone), None) if self.managers.have_user_ids() => self.contacts.contacts_of(phone.into()).await?,
            (Some(_), None) => Vec::new(),
            (None, Some(user_id)) => self.contacts.contacts_of(user_id).await?,
            (None, None) => match &reply.from {
                Some(from) if from.phone().is_none() && from.as_str().parse::<Email>().is_err() => {
                    self.contacts.contacts_of(from.clone()).await?
                }
                Some(_) | None => Vec::new(),
            },
        };
        let known = known
            .into_iter()
            .flat_map(|contact| [Address::from(contact.phone), contact.user_id]);
        Ok(Person::new(given.chain(known)))
    }

    /// Remembers a pair, and returns everything that is known of its number.
    async fn learned(&self, phone: Phone, user_id: Address) -> Result<Vec<KnownContact>, StoreError> {
        let now = self.context.clock.now();
        let known = self.contacts.contacts_of(phone.clone().into()).await?;
        let is_recent = |contact: &KnownContact| contact.user_id == user_id && now.since(contact.seen_at) < SEEN_TO;
        if !known.iter().any(is_recent) {
            let contact = KnownContact {
                user_id,
                phone,
                seen_at: now,
            };
            self.contacts.learn(contact).await?;
        }
        Ok(known)
    }
}
