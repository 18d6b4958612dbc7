//! Messages that are not for customers: what steers the server, and answers.

use diesel::{insert_into, prelude::*};
use ticket_domain::{
    ExternalId, QuestionId,
    ports::{ControlMessage, Existing},
};

use super::{super::engine::Connection, answers, messages};
use crate::{
    failure::Failure,
    prepared::prepared,
    rows::ControlRow,
    schema::{control_messages, questions, tickets},
    types::Stored,
};

/// Records a control message. Returns what its external id is already.
pub(crate) fn record(connection: &mut Connection, control: &ControlMessage) -> Result<Option<Existing>, Failure> {
    messages::lock_id(connection, control.external_id.as_ref())?;
    if let Some(known) = messages::known(connection, control.external_id.as_ref())? {
        return Ok(Some(known));
    }
    let Some(external_id) = &control.external_id else {
        return Ok(None);
    };
    insert_into(control_messages::table)
        .values((
            control_messages::external_id.eq(external_id.as_str()),
            control_messages::kind.eq(control.kind.as_str()),
            control_messages::ticket_id.eq(control.ticket.map(Stored)),
            control_messages::reply.eq(&*control.reply),
            control_messages::at.eq(Stored(control.at)),
        ))
        .execute(connection)?;
    Ok(None)
}

/// What an external id is, if it is no message: an answer or a control message.
pub(crate) fn no_message(connection: &mut Connection, id: &ExternalId) -> Result<Option<Existing>, Failure> {
    let answered = questions::table
        .filter(questions::answered_by.eq(id.as_str()))
        .select(questions::id);
    if let Some(question) = prepared(answered).get_result::<QuestionId>(connection).optional()? {
        return Ok(Some(Existing::Answer(answers::picked(connection, question)?)));
    }
    let control = control_messages::table
        .left_join(tickets::table)
        .filter(control_messages::external_id.eq(id.as_str()))
        .select((
            control_messages::kind,
            tickets::reference.nullable(),
            control_messages::reply,
        ));
    let control: Option<ControlRow> = prepared(control).get_result(connection).optional()?;
    Ok(control.map(|row| row.try_into().map(Existing::Control)).transpose()?)
}
