//! Opens tickets.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{Context, KEY_LIFE};
use crate::{
    AccessKey, AccessKeys, Channel, Content, EventKind, IdempotencyKey, Message, MessageId, Priority, Sender, Status,
    Ticket, TicketId, TicketRef, TicketRequest, Timestamp, Visibility,
    ports::{ExistingTicket, Idempotency, OpenResult, Opening, StoreError, TicketStore},
    values::partly_redacted_debug,
};

/// After this many openings the day's tickets are counted again, because the count decides the length of references. With
/// a few processes, the tickets that they don't know of each other stay far below the sixth of 10,000 that matters.
const RECOUNT_AFTER: u32 = 64;

/// After this many taken references in a row, references get one more digit. At the fill that is allowed, that happens
/// once in 200 tickets; it also bounds the search.
const WIDEN_AFTER: u8 = 3;

/// How long a request without a key is recognised when it is sent again.
const DOUBLE_CLICK: Duration = Duration::from_mins(1);

/// Opens tickets.
pub struct OpenTicket {
    store: Arc<dyn TicketStore>,
    context: Context,
    day: Mutex<Day>,
}

/// The number of tickets opened today.
#[derive(Clone, Copy)]
struct Day {
    begins: Timestamp,
    opened: u64,
    until_recount: u32,
}

/// A ticket that was opened, by this request or an identical one before.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedTicket {
    /// Its id.
    pub id: TicketId,
    /// Its reference.
    pub reference: TicketRef,
    /// The customer's link, with the key.
    pub url: String,
    /// Whether an identical request had opened it before.
    pub replayed: bool,
}

partly_redacted_debug!(OpenedTicket, shows id, reference, replayed; hides url);

/// Why a ticket was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// A file joined another message, or was cleared away.
    #[error("an upload is gone")]
    UploadGone,
    /// The store failed.
    #[error("the ticket could not be stored")]
    Store(#[from] StoreError),
}

/// Every drawn reference is taken, which can't happen by chance.
#[derive(Debug, thiserror::Error)]
#[error("no free reference was found in {0} draws")]
struct NoFreeReference(u8);

impl OpenTicket {
    /// Opens tickets in `store`.
    pub fn new(store: Arc<dyn TicketStore>, context: Context) -> Self {
        let never = Day {
            begins: context.clock.now().midnight(),
            opened: 0,
            until_recount: 0,
        };
        Self {
            store,
            context,
            day: Mutex::new(never),
        }
    }

    /// Stores a ticket with its first message and notification. The same `key` with the same request returns the same
    /// ticket for 24 hours. Without a key, the same customer, subject and message from the same `caller` return the same
    /// ticket for 60 seconds.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyReused`] if `key` belongs to another request; [`OpenError::UploadGone`] if a file can't join;
    /// [`OpenError::Store`] if the store fails.
    pub async fn open(
        &self,
        request: TicketRequest,
        key: Option<IdempotencyKey>,
        caller: Option<IpAddr>,
    ) -> Result<OpenedTicket, OpenError> {
        let now = self.context.clock.now();
        let idempotency = match key {
            Some(key) => Idempotency {
                key,
                digest: request.digest(),
                expires_at: now.plus(KEY_LIFE),
            },
            None => double_click(&request, caller, now),
        };
        let digest = idempotency.digest;
        let digits = TicketRef::digits_for(self.opened_today(now).await?);
        let draws = WIDEN_AFTER * (TicketRef::MAX_DIGITS - TicketRef::MIN_DIGITS + 1);
        for draw in 0..draws {
            let reference = TicketRef::draw(now.date(), digits + draw / WIDEN_AFTER, self.context.random.bits());
            let opening = self.opening(request.clone(), reference, idempotency.clone(), now);
            let (id, customer_key) = (opening.ticket.id, opening.ticket.keys.customer.clone());
            match self.store.open(opening).await? {
                OpenResult::Opened => {
                    self.context.wake.wake();
                    let url = self.context.links.for_customer(reference, &customer_key);
                    return Ok(OpenedTicket {
                        id,
                        reference,
                        url,
                        replayed: false,
                    });
                }
                OpenResult::ReferenceTaken => {}
                OpenResult::AlreadyOpened(precedent) => return self.replay(&precedent, digest),
                OpenResult::UploadGone => return Err(OpenError::UploadGone),
            }
        }
        Err(StoreError::Failed(Arc::new(NoFreeReference(draws))).into())
    }

    fn opening(
        &self,
        request: TicketRequest,
        reference: TicketRef,
        idempotency: Idempotency,
        now: Timestamp,
    ) -> Opening {
        let context = &self.context;
        let ticket = Ticket {
            id: TicketId(context.new_id(now)),
            reference,
            details: request.details,
            status: Status::Open,
            keys: AccessKeys {
                customer: AccessKey::from_random(context.random.bytes()),
                reader: AccessKey::from_random(context.random.bytes()),
            },
            version: 1,
            notes: 0,
            created_at: now,
            updated_at: now,
        };
        let links = context.attachment_links(&ticket, &request.attachments, now);
        let notifications =
            context.notifications_with(EventKind::Created, &ticket, request.message.as_str(), &links, now);
        let message = Message {
            id: MessageId(context.new_id(now)),
            sender: Sender::Customer,
            channel: Channel::Web,
            from: None,
            content: Content::from(request.message),
            attachments: request
                .attachments
                .into_iter()
                .map(|upload| upload.attachment)
                .collect(),
            visibility: Visibility::Public,
            external_id: None,
            created_at: now,
        };
        Opening {
            attachments: context.new_attachments(&ticket, &links, now),
            ticket,
            message,
            notifications,
            idempotency: Some(idempotency),
        }
    }

    fn replay(&self, precedent: &ExistingTicket, digest: [u8; 32]) -> Result<OpenedTicket, OpenError> {
        if precedent.digest != digest {
            return Err(OpenError::KeyReused);
        }
        Ok(OpenedTicket {
            id: precedent.id,
            reference: precedent.reference,
            url: self
                .context
                .links
                .for_customer(precedent.reference, &precedent.access_key),
            replayed: true,
        })
    }

    /// Returns about how many tickets were opened today.
    async fn opened_today(&self, now: Timestamp) -> Result<u64, StoreError> {
        let begins = now.midnight();
        if let Some(opened) = self.day().count_on(begins) {
            return Ok(opened);
        }
        let counted = self.store.opened_since(begins).await;
        let mut day = self.day();
        match &counted {
            Ok(opened) => {
                *day = Day {
                    begins,
                    opened: *opened,
                    until_recount: RECOUNT_AFTER,
                }
            }
            Err(_) => day.until_recount = 0,
        }
        counted
    }

    fn day(&self) -> MutexGuard<'_, Day> {
        self.day.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes one ticket of a request that is sent twice without a key. Who corrects only the priority in between sends the
/// same request.
fn double_click(request: &TicketRequest, caller: Option<IpAddr>, now: Timestamp) -> Idempotency {
    let mut same = request.clone();
    same.details.priority = Priority::default();
    let digest = same.digest();
    let mut content = Sha256::new_with_prefix(digest);
    content.update(caller.map_or_else(String::new, |caller| caller.to_string()));
    Idempotency {
        key: IdempotencyKey::of_content(content.finalize().into()),
        digest,
        expires_at: now.plus(DOUBLE_CLICK),
    }
}

impl Day {
    /// Counts one more ticket. Returns `None` on another day, or when it is time to recount: that caller recounts, while
    /// the others continue.
    fn count_on(&mut self, begins: Timestamp) -> Option<u64> {
        if self.begins != begins {
            return None;
        }
        if self.until_recount == 0 {
            self.until_recount = RECOUNT_AFTER;
            return None;
        }
        self.until_recount -= 1;
        self.opened += 1;
        Some(self.opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_recounts_while_the_others_go_on() {
        let begins = Timestamp::from_unix_micros(1_736_899_200_000_000).unwrap();
        let mut day = Day {
            begins,
            opened: 10,
            until_recount: 2,
        };
        let counts: Vec<_> = (0..5).map(|_| day.count_on(begins)).collect();
        assert_eq!(counts, [Some(11), Some(12), None, Some(13), Some(14)]);
        // On another day nobody knows how many there are until somebody has counted.
        let next = begins.plus(Duration::from_hours(24));
        assert_eq!([day.count_on(next), day.count_on(next)], [None, None]);
    }
}
