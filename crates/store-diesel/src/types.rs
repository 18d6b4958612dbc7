//! SQL types that both engines share, and the domain's own types as their values.
//!
//! An id is `uuid` on Postgres and 16 bytes on SQLite, a moment is `timestamptz` there and microseconds since 1970 here.
//! Reading gives the domain's types directly; writing wraps them in [`Stored`].

use std::fmt::{self, Debug, Display};

use diesel::{
    Queryable,
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    query_builder::QueryId,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{BigInt, Binary, SqlOrd, SqlType, Uuid as PgUuid},
    sqlite::{Sqlite, SqliteValue},
};
use ticket_domain::{AuditEntryId, FileId, LeaseToken, MessageId, NotificationId, QuestionId, TicketId, Timestamp};
use uuid::Uuid;

/// An id.
#[derive(Debug, Clone, Copy, QueryId, SqlType)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951), sqlite_type(name = "Binary"))]
#[allow(unreachable_pub, reason = "the tables' columns are public")]
pub struct Id;

/// A moment, exact to the microsecond.
#[derive(Debug, Clone, Copy, QueryId, SqlType)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185), sqlite_type(name = "Long"))]
#[allow(unreachable_pub, reason = "the tables' columns are public")]
pub struct Moment;

impl SqlOrd for Moment {}

/// A value as a column takes it, nullable or not. The domain's own types can't be expressions of diesel: both the trait and
/// the type are others' there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Id)]
#[diesel(sql_type = Moment)]
pub(crate) struct Stored<T: Debug>(pub(crate) T);

impl<T: Debug + Display> Display for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// Has [`Stored`] be written and read as what it holds.
macro_rules! stored {
    ($($sql:ty),+) => {$(
        impl<T: Debug + ToSql<$sql, DB>, DB: Backend> ToSql<$sql, DB> for Stored<T> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl<T: Debug + FromSql<$sql, DB>, DB: Backend> FromSql<$sql, DB> for Stored<T> {
            fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                T::from_sql(value).map(Self)
            }
        }
    )+};
}
stored!(Id, Moment);

impl ToSql<Id, Pg> for Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<PgUuid, Pg>::to_sql(self, out)
    }
}

impl FromSql<Id, Pg> for Uuid {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        FromSql::<PgUuid, Pg>::from_sql(value)
    }
}

impl ToSql<Id, Sqlite> for Uuid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

impl FromSql<Id, Sqlite> for Uuid {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let bytes: Vec<u8> = FromSql::<Binary, Sqlite>::from_sql(value)?;
        Ok(Self::from_slice(&bytes)?)
    }
}

/// Has an id of the domain be a value of [`Id`], as its [`Uuid`] is.
macro_rules! id {
    ($($type:ident),+) => {
        $(
            impl<DB: Backend> ToSql<Id, DB> for $type
            where
                Uuid: ToSql<Id, DB>,
            {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                    self.0.to_sql(out)
                }
            }

            impl<DB: Backend> FromSql<Id, DB> for $type
            where
                Uuid: FromSql<Id, DB>,
            {
                fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
                    Uuid::from_sql(value).map(Self)
                }
            }

            impl<DB: Backend> Queryable<Id, DB> for $type
            where
                Self: FromSql<Id, DB>,
            {
                type Row = Self;

                fn build(row: Self) -> deserialize::Result<Self> {
                    Ok(row)
                }
            }
        )+
    };
}
id!(
    AuditEntryId,
    LeaseToken,
    MessageId,
    NotificationId,
    QuestionId,
    TicketId,
    FileId
);

/// Postgres counts from the year 2000: so many microseconds after 1970.
const PG_EPOCH: i64 = 946_684_800_000_000;

/// A time beyond what Postgres can hold.
#[derive(Debug, thiserror::Error)]
#[error("the time is out of range")]
struct OutOfRange;

impl ToSql<Moment, Pg> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let micros = self.unix_micros().checked_sub(PG_EPOCH).ok_or(OutOfRange)?;
        ToSql::<BigInt, Pg>::to_sql(&micros, &mut out.reborrow())
    }
}

impl FromSql<Moment, Pg> for Timestamp {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let micros: i64 = FromSql::<BigInt, Pg>::from_sql(value)?;
        Ok(Self::from_unix_micros(micros.checked_add(PG_EPOCH).ok_or(OutOfRange)?)?)
    }
}

impl ToSql<Moment, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.unix_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<Moment, Sqlite> for Timestamp {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let micros: i64 = FromSql::<BigInt, Sqlite>::from_sql(value)?;
        Ok(Self::from_unix_micros(micros)?)
    }
}

impl<DB: Backend> Queryable<Moment, DB> for Timestamp
where
    Self: FromSql<Moment, DB>,
{
    type Row = Self;

    fn build(row: Self) -> deserialize::Result<Self> {
        Ok(row)
    }
}
