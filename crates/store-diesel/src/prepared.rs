//! Statements that a connection prepares once and then only runs.
//!
//! diesel keeps no UPDATE, no INSERT of several rows and nothing that is written by hand, since it can't know how many
//! different ones there will be. Such a statement is parsed and planned again each time, on Postgres in a round trip of its
//! own.

use std::marker::PhantomData;

use diesel::{
    QueryResult, RunQueryDsl, Selectable,
    backend::Backend,
    dsl::SqlTypeOf,
    expression::expression_types::Untyped,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};

/// A statement that stays prepared for as long as its connection lives. It is known by its text.
pub(crate) struct Prepared<Q>(Q);

/// Has the connection keep `statement`, of which there must be only one, or a few that differ. It must give rows, and they
/// must be loaded: `execute` hands diesel a reference, and by that it is prepared again.
pub(crate) fn prepared<Q>(statement: Q) -> Prepared<Q> {
    Prepared(statement)
}

/// Updates a row by a prepared statement, and gives a column of it; `None` if there is no such row.
macro_rules! update_one {
    ($connection:expr, $row:expr, $set:expr, $column:expr) => {
        $crate::prepared::prepared(diesel::update($row).set($set).returning($column))
            .get_result($connection)
            .optional()
    };
}
pub(crate) use update_one;

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> RunQueryDsl<C> for Prepared<Q> {}

/// A statement by hand, and the types of its columns.
pub(crate) struct Typed<Q, T>(Q, PhantomData<T>);

/// The same for a statement by hand whose rows are read in the order of their columns, which are `T`. By name, each
/// column of each row would be looked for among all.
pub(crate) fn typed<T, Q: Query<SqlType = Untyped>>(statement: Q) -> Prepared<Typed<Q, T>> {
    Prepared(Typed(statement, PhantomData))
}

/// The columns of `R`, as [`typed`] takes them; they are the same for both engines.
pub(crate) type Columns<R> = SqlTypeOf<<R as Selectable<Pg>>::SelectExpression>;

impl<DB: Backend, Q: QueryFragment<DB>, T> QueryFragment<DB> for Typed<Q, T> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }
}

impl<Q, T> Query for Typed<Q, T> {
    type SqlType = T;
}
