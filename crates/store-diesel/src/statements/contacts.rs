//! Numbers and user ids of the same person.

use async_trait::async_trait;
use diesel::{alias, delete, insert_into, prelude::*, upsert::excluded};
use ticket_domain::{
    Address, Phone, Timestamp,
    ports::{Contacts, KnownContact, StoreError},
};

use super::super::{
    customer_data::securely,
    engine::{Connection, Store},
};
use crate::{failure::Failure, prepared::prepared, rows::ContactRow, schema::contacts, types::Stored};

#[async_trait]
impl Contacts for Store {
    async fn contacts_of(&self, address: Address) -> Result<Vec<KnownContact>, StoreError> {
        self.db.read(move |connection| contacts_of(connection, &address)).await
    }

    async fn learn(&self, contact: KnownContact) -> Result<(), StoreError> {
        self.db.write(move |connection| learn(connection, &contact)).await
    }

    async fn forget(&self, phone: Phone) -> Result<(), StoreError> {
        self.db.write(move |connection| forget(connection, &phone)).await
    }

    async fn forget_unseen(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.db.write(move |connection| forget_unseen(connection, since)).await
    }
}

pub(crate) fn contacts_of(connection: &mut Connection, address: &Address) -> Result<Vec<KnownContact>, Failure> {
    let same = alias!(contacts as same);
    let numbers = same
        .filter(same.field(contacts::user_id).eq(address.as_str()))
        .select(same.field(contacts::phone));
    let rows: Vec<ContactRow> = contacts::table
        .filter(contacts::phone.eq(address.as_str()).or(contacts::phone.eq_any(numbers)))
        .order(contacts::user_id)
        .select(ContactRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(KnownContact::try_from).collect::<Result<_, _>>()?)
}

pub(crate) fn learn(connection: &mut Connection, contact: &KnownContact) -> Result<(), Failure> {
    let pair = insert_into(contacts::table)
        .values(ContactRow::new(contact))
        .on_conflict(contacts::user_id)
        .do_update()
        .set((
            contacts::phone.eq(excluded(contacts::phone)),
            contacts::seen_at.eq(excluded(contacts::seen_at)),
        ))
        .returning(contacts::user_id);
    prepared(pair).get_result::<String>(connection)?;
    Ok(())
}

pub(crate) fn forget(connection: &mut Connection, phone: &Phone) -> Result<(), Failure> {
    securely(connection, |connection| {
        delete(contacts::table.filter(contacts::phone.eq(phone.as_str()))).execute(connection)?;
        Ok(())
    })
}

pub(crate) fn forget_unseen(connection: &mut Connection, since: Timestamp) -> Result<u64, Failure> {
    securely(connection, |connection| {
        let old = delete(contacts::table.filter(contacts::seen_at.lt(Stored(since))));
        Ok(old.execute(connection)? as u64)
    })
}
