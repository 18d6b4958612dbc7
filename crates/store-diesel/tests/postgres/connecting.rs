//! A database that can't be used says why, soon, and without a secret.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use diesel::{RunQueryDsl, sql_query};
use store_diesel::postgres::{ConnectError, Schema, check, testing::TestDatabase};
use ticket_domain::ports::StoreHealth;
use tokio::task::spawn_blocking;

use crate::fixture::{connect, connection, everything};

const USER: &str = "secret_user";
const PASSWORD: &str = "hunter2%3F";

/// Why there is no connection, told within about 5 seconds.
async fn refusal(url: &str) -> ConnectError {
    let begun = Instant::now();
    let error = connect(url, 2).await.unwrap_err();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(5_500), "it took {took:?}");
    let said = everything(&error);
    for secret in [USER, "hunter2"] {
        assert!(!said.contains(secret), "{said}");
    }
    let url = url.to_owned();
    let checked = spawn_blocking(move || check(&url, true)).await.unwrap().unwrap_err();
    assert_eq!(checked.to_string(), error.to_string());
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_server_is_told_at_once() {
    // Nobody listens at a port that was just free.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(&format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/tickets")).await;
    assert!(matches!(error, ConnectError::Away), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_told_within_seconds() {
    // The system completes the handshake; nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = refusal(&format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/tickets")).await;
    assert!(matches!(error, ConnectError::Away), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_cant_be_read_is_not_repeated() {
    for url in [
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:port/tickets"),
        format!("postgres://{USER}:{PASSWORD}%zz@127.0.0.1/tickets"),
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1/tickets?%20=x"),
        format!("postgres://user:pass@word?{USER}=x@127.0.0.1/tickets"),
        format!("postgres://{USER}:{PASSWORD}@[::1/tickets"),
        format!("host=127.0.0.1 user={USER} password={PASSWORD}"),
        "postgres://h/d\0".to_owned(),
    ] {
        let error = refusal(&url).await;
        assert!(matches!(error, ConnectError::Unreadable), "{url}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_database_is_told() {
    let database = TestDatabase::create_empty().await;
    let absent = database.url().replace(database.name(), "hunter2_tickets");
    let error = refusal(&absent).await;
    assert!(matches!(error, ConnectError::NoSuchDatabase), "{error}");
}

/// `with-postgres` asks members of the role `password_required` for a password.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_the_right_one_does() {
    let database = TestDatabase::create_empty().await;
    let user = database.name().replace("test_", "user_");
    let mut server = connection(database.server_url()).await;
    for sql in [
        "DO $$ BEGIN CREATE ROLE password_required; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
        &format!("CREATE ROLE {user} LOGIN PASSWORD 'right' IN ROLE password_required"),
        &format!("ALTER DATABASE {} OWNER TO {user}", database.name()),
    ] {
        sql_query(sql).execute(&mut server).unwrap();
    }
    let (scheme, rest) = database.url().split_once("://").unwrap();
    let place = rest.rsplit_once('@').unwrap().1;
    let with = |user: &str, password: &str| format!("{scheme}://{user}:{password}@{place}");

    for (user, password) in [(user.as_str(), PASSWORD), (USER, PASSWORD)] {
        let error = refusal(&with(user, password)).await;
        assert!(matches!(error, ConnectError::WrongPassword), "{error}");
        assert!(!everything(&error).contains(user));
    }
    let store = connect(&with(&user, "right"), 1).await.unwrap();
    store.ping().await.unwrap();
    assert!(!format!("{store:?}").contains("right"));

    drop((store, database));
    sql_query(format!("DROP ROLE {user}")).execute(&mut server).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_tells_what_is_pending_and_changes_nothing() {
    let database = TestDatabase::create_empty().await;
    let url = database.url().to_owned();
    let checked = || {
        let url = url.clone();
        async { spawn_blocking(move || check(&url, true)).await.unwrap().unwrap() }
    };
    for _ in 0..2 {
        let schema = checked().await;
        assert!(matches!(schema, Schema::Pending(1..)), "{schema}");
    }
    connect(&url, 1).await.unwrap();
    assert_eq!(checked().await, Schema::UpToDate);
}
