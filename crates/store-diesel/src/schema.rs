//! The tables as diesel knows them. Tests of both engines compare them with what the migrations make.

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{BigInt, Bool, Text};

    tickets (id) {
        number -> BigInt,
        id -> Id,
        reference -> Text,
        customer_name -> Text,
        customer_phone -> Text,
        customer_email -> Text,
        subject -> Text,
        priority -> Text,
        status -> Text,
        customer_key -> Text,
        reader_key -> Text,
        version -> BigInt,
        created_at -> Moment,
        updated_at -> Moment,
        last_sender -> Text,
        notes -> BigInt,
        seen -> BigInt,
        unsubscribed -> Bool,
    }
}

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{BigInt, Nullable, Text};

    messages (id) {
        id -> Id,
        ticket_id -> Nullable<Id>,
        seq -> Nullable<BigInt>,
        sender -> Text,
        channel -> Text,
        from_address -> Nullable<Text>,
        body -> Text,
        media_url -> Nullable<Text>,
        external_id -> Nullable<Text>,
        created_at -> Moment,
        question_id -> Nullable<Id>,
        visibility -> Text,
        attachments -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};

    files (id) {
        id -> Id,
        message_id -> Nullable<Id>,
        seq -> Nullable<BigInt>,
        state -> Text,
        name -> Nullable<Text>,
        file_type -> Nullable<Text>,
        size -> Nullable<BigInt>,
        digest -> Nullable<Binary>,
        created_at -> Moment,
    }
}

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

    notifications (id) {
        id -> Id,
        ticket_id -> Nullable<Id>,
        seq -> Nullable<BigInt>,
        event -> Text,
        payload -> Binary,
        addressed -> Bool,
        state -> Text,
        due_at -> Nullable<Moment>,
        scheduled_at -> Moment,
        lease -> Nullable<Id>,
        failed_attempts -> BigInt,
        attempted_at -> Nullable<Moment>,
        probed_at -> Nullable<Moment>,
        released -> Bool,
        last_error -> Nullable<Text>,
        external_id -> Nullable<Text>,
        settled_at -> Nullable<Moment>,
        created_at -> Moment,
        progress -> Text,
        route -> Text,
        round -> BigInt,
        recipient -> Text,
        question_id -> Nullable<Id>,
    }
}

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{Binary, Nullable, Text};

    idempotency_keys (key) {
        key -> Text,
        digest -> Binary,
        ticket_id -> Id,
        expires_at -> Moment,
        message_id -> Nullable<Id>,
    }
}

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{BigInt, Nullable, Text};

    questions (id) {
        id -> Id,
        asked -> Text,
        choices -> Text,
        text -> Text,
        kind -> Text,
        sent_at -> Moment,
        asked_at -> Moment,
        closed_at -> Nullable<Moment>,
        answered_by -> Nullable<Text>,
        answered_with -> Nullable<Id>,
        attached -> Nullable<BigInt>,
        merged_into -> Nullable<Id>,
        answered_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{Nullable, Text};

    control_messages (external_id) {
        external_id -> Text,
        kind -> Text,
        ticket_id -> Nullable<Id>,
        reply -> Text,
        at -> Moment,
    }
}

diesel::table! {
    use crate::types::Id;
    use diesel::sql_types::Text;

    previous_external_ids (external_id, notification_id) {
        external_id -> Text,
        notification_id -> Id,
    }
}

diesel::table! {
    use crate::types::Moment;
    use diesel::sql_types::{BigInt, Nullable, Text};

    receipts (external_id) {
        external_id -> Text,
        status -> Text,
        error_code -> Nullable<BigInt>,
        at -> Moment,
    }
}

diesel::table! {
    use crate::types::{Id, Moment};
    use diesel::sql_types::{BigInt, Nullable, Text};

    audit_log (id) {
        id -> Id,
        at -> Moment,
        ticket_id -> Nullable<Id>,
        action -> Text,
        old_value -> Nullable<Text>,
        new_value -> Nullable<Text>,
        target_id -> Nullable<Id>,
        count -> Nullable<BigInt>,
        actor -> Text,
    }
}

diesel::table! {
    use crate::types::Moment;
    use diesel::sql_types::Text;

    contacts (user_id) {
        user_id -> Text,
        phone -> Text,
        seen_at -> Moment,
    }
}

diesel::joinable!(messages -> tickets (ticket_id));
diesel::joinable!(files -> messages (message_id));
diesel::joinable!(notifications -> tickets (ticket_id));
diesel::joinable!(idempotency_keys -> tickets (ticket_id));
diesel::joinable!(idempotency_keys -> messages (message_id));
diesel::joinable!(messages -> questions (question_id));
diesel::joinable!(questions -> tickets (answered_with));
diesel::joinable!(notifications -> questions (question_id));
diesel::joinable!(control_messages -> tickets (ticket_id));
diesel::joinable!(audit_log -> tickets (ticket_id));
diesel::joinable!(previous_external_ids -> notifications (notification_id));
diesel::allow_tables_to_appear_in_same_query!(
    tickets,
    messages,
    files,
    notifications,
    idempotency_keys,
    questions,
    control_messages,
    previous_external_ids,
    receipts,
    audit_log,
    contacts,
);

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use diesel::{
        Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::Text,
    };
    use diesel_migrations::MigrationHarness;

    use crate::{postgres::testing::TestDatabase, sqlite::MIGRATIONS};

    /// Each column as it would stand above. Postgres' own types tell its kind.
    const POSTGRES: &str = "
        SELECT table_name::text AS table_name, '        ' || column_name || ' -> '
            || CASE is_nullable WHEN 'YES' THEN 'Nullable<' ELSE '' END
            || CASE udt_name
                WHEN 'int8' THEN 'BigInt' WHEN 'uuid' THEN 'Id' WHEN 'text' THEN 'Text' WHEN 'timestamptz' THEN 'Moment'
                WHEN 'bytea' THEN 'Binary' WHEN 'bool' THEN 'Bool' ELSE '?' || udt_name END
            || CASE is_nullable WHEN 'YES' THEN '>,' ELSE ',' END AS line
        FROM information_schema.columns
        -- What is found by its words is asked for by hand: diesel knows no `tsvector`.
        WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%' AND table_name <> 'ticket_search'
        ORDER BY table_name, ordinal_position";

    /// The same; there a CHECK tells it.
    const SQLITE: &str = "
        SELECT t.name AS table_name, '        ' || c.name || ' -> ' || iif(c.\"notnull\", '', 'Nullable<')
            || CASE
                WHEN instr(t.sql, 'CHECK (' || c.name || ' IN (0, 1))') THEN 'Bool'
                WHEN instr(t.sql, 'CHECK (length(' || c.name || ') = 16)') THEN 'Id'
                WHEN instr(t.sql, 'CHECK (' || c.name || ' BETWEEN -62167219200000000 AND 253402300799999999)') THEN 'Moment'
                WHEN c.type = 'INTEGER' THEN 'BigInt' WHEN c.type = 'TEXT' THEN 'Text' WHEN c.type = 'BLOB' THEN 'Binary'
                ELSE '?' || c.type END
            || iif(c.\"notnull\", ',', '>,') AS line
        FROM pragma_table_list l JOIN sqlite_schema t ON t.name = l.name, pragma_table_info(t.name) c
        WHERE l.schema = 'main' AND l.strict AND l.name NOT IN ('sqlite_schema', 'search_pending')
        ORDER BY t.name, c.cid";

    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        table_name: String,
        #[diesel(sql_type = Text)]
        line: String,
    }

    fn compare(columns: Vec<Column>) {
        let mut tables: HashMap<String, Vec<String>> = HashMap::new();
        for Column { table_name, line } in columns {
            tables.entry(table_name).or_default().push(line);
        }
        let here = include_str!("schema.rs");
        let declared = here.lines().filter(|line| *line == "diesel::table! {").count();
        assert_eq!(declared, tables.len());
        for (table, lines) in tables {
            let (_, rest) = here.split_once(&format!("\n    {table} (")).unwrap();
            let (_, rest) = rest.split_once("{\n").unwrap();
            let (columns, _) = rest.split_once("\n    }\n").unwrap();
            assert_eq!(columns, lines.join("\n"), "{table}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_is_what_the_migrations_of_postgres_make() {
        let database = TestDatabase::create().await;
        let mut connection = PgConnection::establish(database.url()).unwrap();
        compare(sql_query(POSTGRES).load(&mut connection).unwrap());
    }

    #[test]
    fn it_is_what_the_migrations_of_sqlite_make() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        compare(sql_query(SQLITE).load(&mut connection).unwrap());
    }
}
