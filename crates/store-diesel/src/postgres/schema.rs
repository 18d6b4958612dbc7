//! The tables as diesel knows them. A test compares them with what the migrations make.

diesel::table! {
    tickets (id) {
        number -> BigInt,
        id -> Uuid,
        reference -> Text,
        customer_name -> Text,
        customer_phone -> Text,
        customer_email -> Text,
        subject -> Text,
        priority -> Text,
        status -> Text,
        customer_key -> Text,
        reader_key -> Text,
        version -> Integer,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        last_sender -> Text,
    }
}

diesel::table! {
    messages (id) {
        id -> Uuid,
        ticket_id -> Nullable<Uuid>,
        seq -> Nullable<Integer>,
        sender -> Text,
        channel -> Text,
        from_phone -> Nullable<Text>,
        body -> Text,
        media_url -> Nullable<Text>,
        external_id -> Nullable<Text>,
        created_at -> Timestamptz,
        question_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    notifications (id) {
        id -> Uuid,
        ticket_id -> Uuid,
        seq -> Integer,
        event -> Text,
        payload -> Binary,
        addressed -> Bool,
        state -> Text,
        due_at -> Nullable<Timestamptz>,
        scheduled_at -> Timestamptz,
        lease -> Nullable<Uuid>,
        failures -> Integer,
        tried_at -> Nullable<Timestamptz>,
        probed_at -> Nullable<Timestamptz>,
        released -> Bool,
        last_error -> Nullable<Text>,
        external_id -> Nullable<Text>,
        settled_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        progress -> Text,
        route -> Text,
        round -> Integer,
    }
}

diesel::table! {
    idempotency_keys (key) {
        key -> Text,
        digest -> Binary,
        ticket_id -> Uuid,
        expires_at -> Timestamptz,
        message_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    questions (id) {
        id -> Uuid,
        of_phone -> Text,
        choices -> Text,
        text -> Text,
        is_run -> Bool,
        begun_at -> Timestamptz,
        asked_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
        answered_by -> Nullable<Text>,
        answered_with -> Nullable<Uuid>,
        attached -> Nullable<BigInt>,
    }
}

diesel::table! {
    earlier_ids (external_id, notification_id) {
        external_id -> Text,
        notification_id -> Uuid,
    }
}

diesel::table! {
    receipts (external_id) {
        external_id -> Text,
        status -> Text,
        error_code -> Nullable<BigInt>,
        at -> Timestamptz,
    }
}

diesel::table! {
    trail (id) {
        id -> Uuid,
        at -> Timestamptz,
        ticket_id -> Nullable<Uuid>,
        act -> Text,
        was -> Nullable<Text>,
        became -> Nullable<Text>,
        subject -> Nullable<Uuid>,
        amount -> Nullable<BigInt>,
    }
}

diesel::joinable!(messages -> tickets (ticket_id));
diesel::joinable!(notifications -> tickets (ticket_id));
diesel::joinable!(idempotency_keys -> tickets (ticket_id));
diesel::joinable!(messages -> questions (question_id));
diesel::joinable!(questions -> tickets (answered_with));
diesel::joinable!(idempotency_keys -> messages (message_id));
diesel::joinable!(trail -> tickets (ticket_id));
diesel::joinable!(earlier_ids -> notifications (notification_id));
diesel::allow_tables_to_appear_in_same_query!(
    tickets,
    messages,
    notifications,
    idempotency_keys,
    questions,
    earlier_ids,
    receipts,
    trail,
);

#[cfg(test)]
mod tests {
    use diesel::{PgConnection, QueryableByName, RunQueryDsl, connection::Connection, sql_query, sql_types};

    use crate::postgres::testing::TestDatabase;

    /// Each table as it would stand above. What is found by its words is asked for by hand: diesel knows no `tsvector`.
    const TABLES: &str = "
        SELECT 'diesel::table! {' || chr(10) || '    ' || c.table_name || ' (' || (
            SELECT string_agg(column_name, ', ') FROM information_schema.table_constraints
            JOIN information_schema.key_column_usage USING (constraint_name, table_schema)
            WHERE constraint_type = 'PRIMARY KEY' AND table_constraints.table_name = c.table_name
        ) || ') {' || chr(10) || string_agg(
            '        ' || column_name || ' -> ' || CASE is_nullable WHEN 'YES' THEN 'Nullable<' ELSE '' END
            || CASE udt_name
                WHEN 'int8' THEN 'BigInt' WHEN 'int4' THEN 'Integer' WHEN 'uuid' THEN 'Uuid' WHEN 'text' THEN 'Text'
                WHEN 'timestamptz' THEN 'Timestamptz' WHEN 'bytea' THEN 'Binary' WHEN 'bool' THEN 'Bool'
                ELSE '?' || udt_name END
            || CASE is_nullable WHEN 'YES' THEN '>,' ELSE ',' END || chr(10), '' ORDER BY ordinal_position)
        || '    }' || chr(10) || '}' || chr(10) AS source
        FROM information_schema.columns c
        WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%' AND table_name <> 'ticket_search' GROUP BY c.table_name";

    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = sql_types::Text)]
        source: String,
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_is_what_the_migrations_make() {
        let database = TestDatabase::create().await;
        let mut connection = PgConnection::establish(database.url()).unwrap();
        let tables: Vec<Table> = sql_query(TABLES).load(&mut connection).unwrap();
        let here = include_str!("schema.rs");
        let declared = here.lines().filter(|line| *line == "diesel::table! {").count();
        assert_eq!(declared, tables.len());
        for table in tables {
            assert!(
                here.contains(&table.source),
                "is missing or different:\n{}",
                table.source
            );
        }
    }
}
