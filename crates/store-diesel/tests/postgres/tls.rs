//! What `check` says of TLS, of parameters and of privileges, as libpq and a real server word it. `with-postgres` has a
//! certificate for 127.0.0.1, asks members of `tls_required` for TLS and those of `certificate_required` for a certificate,
//! and admits none of `not_admitted`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
};

use diesel::{RunQueryDsl, sql_query};
use store_diesel::postgres::{Schema, check, testing::TestDatabase};
use tokio::task::spawn_blocking;

use crate::fixture::connection;

const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/certificates");

async fn checked(url: &str) -> Result<Schema, String> {
    let url = url.to_owned();
    let checked = spawn_blocking(move || check(&url, true)).await.unwrap();
    checked.map_err(|error| error.to_string())
}

/// A user of the test's own, in a role that `with-postgres` knows or in none.
struct User {
    name: String,
    database: TestDatabase,
}

impl User {
    async fn of(database: TestDatabase, role: Option<&str>) -> Self {
        let name = database.name().replace("test_", "user_");
        let mut server = connection(database.server_url()).await;
        let membership = role.map(|role| format!("IN ROLE {role}")).unwrap_or_default();
        for sql in role
            .map(|role| {
                format!(
                    "DO $$ BEGIN CREATE ROLE {role}; \
                     EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                )
            })
            .into_iter()
            .chain([format!("CREATE ROLE {name} LOGIN {membership}")])
        {
            sql_query(sql).execute(&mut server).unwrap();
        }
        Self { name, database }
    }

    fn url(&self, query: &str) -> String {
        let (_, place) = self.database.url().rsplit_once('@').unwrap();
        format!("postgres://{}@{place}?{query}", self.name)
    }

    async fn drop(self) {
        let mut server = connection(self.database.server_url()).await;
        drop(self.database);
        sql_query(format!("DROP ROLE {}", self.name))
            .execute(&mut server)
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_or_what_is_wrong_with_it_is_told() {
    let database = TestDatabase::create_empty().await;
    let url = |query: &str| format!("{}?{query}", database.url());
    let trusted = format!("sslrootcert={CERTIFICATES}/authority.pem");
    for query in [
        "sslmode=require".to_owned(),
        format!("sslmode=verify-ca&{trusted}"),
        format!("sslmode=verify-full&{trusted}"),
    ] {
        assert!(checked(&url(&query)).await.is_ok(), "{query}");
    }
    let elsewhere = url(&format!("sslmode=verify-full&{trusted}&hostaddr=127.0.0.1"));
    let elsewhere = elsewhere.replacen("127.0.0.1", "db.example", 1);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    fs::copy(format!("{CERTIFICATES}/key.pem"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    for (url, advice) in [
        (
            url(&format!("sslmode=verify-full&sslrootcert={CERTIFICATES}/none.pem")),
            "sslrootcert names no file",
        ),
        (
            url(&format!("sslmode=verify-full&sslrootcert={CERTIFICATES}/make")),
            "sslrootcert names no file",
        ),
        (
            url(&format!("sslmode=verify-ca&sslrootcert={CERTIFICATES}/untrusted.pem")),
            "is not signed by any that sslrootcert names",
        ),
        (elsewhere, "is for another host name"),
        (url("sslmode=require&sslrootcert=system"), "verify-full only"),
        (
            url(&format!("sslmode=require&sslcert={CERTIFICATES}/make&sslkey=/none")),
            "sslcert names no certificate",
        ),
        (
            url(&format!(
                "sslmode=require&sslcert={CERTIFICATES}/good.pem&sslkey={}",
                key.display()
            )),
            "sslkey names no private key",
        ),
        (url("sslmode=no-verify"), "no-verify is require"),
        (url("sslmode=disabled"), "sslmode in the database's URL must be disable"),
    ] {
        let said = checked(&url).await.unwrap_err();
        assert!(said.contains(advice), "{url}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_wants_or_lacks_is_told() {
    for (role, query, advice) in [
        ("tls_required", "sslmode=disable", "set sslmode=require"),
        ("certificate_required", "sslmode=require", "set sslcert and sslkey"),
        ("not_admitted", "sslmode=require", "does not admit this client"),
    ] {
        let user = User::of(TestDatabase::create_empty().await, Some(role)).await;
        let said = checked(&user.url(query)).await.unwrap_err();
        assert!(said.contains(advice) && !said.contains(&user.name), "{said}");
        user.drop().await;
    }

    let user = User::of(TestDatabase::create_empty().await, None).await;
    let mut server = connection(user.database.server_url()).await;
    for (attribute, advice) in [
        ("CONNECTION LIMIT 0", "takes no more connections"),
        ("NOLOGIN", "is not permitted to log in"),
    ] {
        sql_query(format!("ALTER ROLE {} {attribute}", user.name))
            .execute(&mut server)
            .unwrap();
        let said = checked(&user.url("")).await.unwrap_err();
        assert!(said.contains(advice) && !said.contains(&user.name), "{said}");
    }
    user.drop().await;

    // A server without TLS answers the first eight bytes, which ask for it, with N.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
        client.write_all(b"N").unwrap();
    });
    let said = checked(&format!("postgres://u@{address}/d?sslmode=require"))
        .await
        .unwrap_err();
    assert!(said.contains("it offers none"), "{said}");
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_of_another_library_is_named() {
    for (query, name, advice) in [
        ("pgbouncer=true", "pgbouncer", "DATABASE_DIRECT_URL"),
        ("schema=public", "schema", "options=-csearch_path%3DNAME"),
        ("connection_limit=1", "connection_limit", "DATABASE_POOL_SIZE"),
        ("ssl=1", "ssl", "sslmode=require"),
        ("sslaccept=strict", "sslaccept", "sslmode=require"),
        ("application=desk", "application", "remove it"),
    ] {
        let said = checked(&format!("postgres://u:hunter2@127.0.0.1:1/d?{query}"))
            .await
            .unwrap_err();
        assert!(
            said.contains(&format!("does not know: {name};")) && said.contains(advice),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// The way that is advised in the place of `schema`.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_may_lie_in_another_schema() {
    let database = TestDatabase::create().await;
    database.execute("CREATE SCHEMA desk").await;
    let url = format!("{}?options=-csearch_path%3Ddesk", database.url());
    assert!(matches!(checked(&url).await, Ok(Schema::Pending(1..))));
    crate::fixture::connect(&url, 1).await.unwrap();
    assert_eq!(checked(&url).await, Ok(Schema::UpToDate));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_migrate_is_told() {
    let user = User::of(TestDatabase::create().await, None).await;
    for (grant, advice) in [
        ("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "GRANT CREATE ON SCHEMA"),
        ("GRANT CREATE ON SCHEMA public TO", "the tables belong to another user"),
    ] {
        let grantee = if grant.ends_with("TO") { user.name.as_str() } else { "" };
        user.database
            .execute(&format!(
                "{grant} {grantee}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
                user.name
            ))
            .await;
        let said = checked(&user.url("")).await.unwrap_err();
        assert!(said.contains(advice), "{said}");
        // Past a pooler the other address migrates.
        let url = user.url("");
        let reached = spawn_blocking(move || check(&url, false)).await.unwrap();
        assert!(reached.is_ok(), "{reached:?}");
    }
    let owner = &user.name;
    user.database
        .execute(&format!(
            "ALTER TABLE __diesel_schema_migrations OWNER TO {owner}; ALTER TABLE tickets OWNER TO {owner}"
        ))
        .await;
    assert_eq!(checked(&user.url("")).await, Ok(Schema::UpToDate));
    user.drop().await;
}
