//! What stands on the tables and slows their filling down: foreign keys, indexes, triggers. All of it is taken down, and
//! put up again by the catalogue's own words, so that it is afterwards what it was before.

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types,
};

/// In the order in which they are taken down, and the other way round put up.
const PARTS: &str = "
    WITH ours AS (SELECT unnest($1::regclass[]) AS oid),
    keys AS (
        SELECT con.oid, con.conrelid::regclass AS of, con.conname, con.contype, con.conindid
        FROM pg_constraint con JOIN ours ON ours.oid = con.conrelid WHERE con.contype IN ('f', 'p', 'u')
    )
    SELECT 1 AS kind, format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname) AS down,
        format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.tgrelid::regclass,
            CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, t.tgname) AS up
    FROM pg_trigger t JOIN ours ON ours.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    UNION ALL
    SELECT CASE contype WHEN 'f' THEN 2 WHEN 'u' THEN 4 ELSE 5 END,
        format('ALTER TABLE %s DROP CONSTRAINT %I', of, conname),
        format('ALTER TABLE %s ADD CONSTRAINT %I %s', of, conname, pg_get_constraintdef(oid))
    FROM keys
    UNION ALL
    SELECT 3, format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN ours ON ours.oid = i.indrelid
    WHERE NOT EXISTS (SELECT FROM keys WHERE keys.conindid = i.indexrelid AND keys.contype <> 'f')
    ORDER BY kind, down";

/// What sorting may take, and comparing what rows refer to.
pub(super) const ROOM: &str = "SET LOCAL maintenance_work_mem = '256MB'";

/// What an index of words may take. Its words are gathered in a tree, which is the slower the less of it the processor has
/// at hand: with 256 MB it takes 1.8 times as long as with 8.
const LITTLE_ROOM: &str = "SET LOCAL maintenance_work_mem = '8MB'";

const TRIGGER: i32 = 1;
const FOREIGN_KEY: i32 = 2;

#[derive(QueryableByName)]
struct Part {
    #[diesel(sql_type = sql_types::Integer)]
    kind: i32,
    #[diesel(sql_type = sql_types::Text)]
    down: String,
    #[diesel(sql_type = sql_types::Text)]
    up: String,
}

/// What was taken down.
pub(super) struct Structure {
    parts: Vec<Part>,
}

impl Structure {
    /// Takes it down, of these tables. Nothing but these tables may refer to them.
    pub(super) fn take_down(connection: &mut PgConnection, tables: &[&str]) -> QueryResult<Self> {
        let parts: Vec<Part> = sql_query(PARTS)
            .bind::<sql_types::Array<sql_types::Text>, _>(tables)
            .load(connection)?;
        for part in &parts {
            connection.batch_execute(&part.down)?;
        }
        Ok(Self { parts })
    }

    /// Makes the indexes; `tell` hears before each which one it is, the first being 1, and of how many.
    pub(super) fn put_up_indexes(
        &self,
        connection: &mut PgConnection,
        tell: &mut dyn FnMut(u32, u32),
    ) -> QueryResult<()> {
        let is_index = |part: &&Part| !matches!(part.kind, TRIGGER | FOREIGN_KEY);
        let indexes: Vec<&Part> = self.parts.iter().rev().filter(is_index).collect();
        let all = u32::try_from(indexes.len()).unwrap_or(u32::MAX);
        for (number, part) in (1..).zip(indexes) {
            tell(number, all);
            if part.up.contains(" USING gin ") {
                connection.batch_execute(&format!("{LITTLE_ROOM}; {}; {ROOM}", part.up))?;
            } else {
                connection.batch_execute(&part.up)?;
            }
        }
        Ok(())
    }

    /// Puts up the foreign keys, for which every reference is looked at, and then the triggers.
    pub(super) fn put_up_the_rest(&self, connection: &mut PgConnection) -> QueryResult<()> {
        for kind in [FOREIGN_KEY, TRIGGER] {
            for part in self.parts.iter().filter(|part| part.kind == kind) {
                connection.batch_execute(&part.up)?;
            }
        }
        Ok(())
    }
}
