//! Where the server is, how it is reached, and why it can't be.

use std::{sync::mpsc, thread, time::Duration};

use diesel::{Connection, ConnectionError, PgConnection};

/// How long the first connection may take, looking up the host's name included, for which libpq knows no limit.
const FIRST_CONNECTION: Duration = Duration::from_secs(5);

/// What a URL of a database starts with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// What libpq is told unless the URL says otherwise. Without it, a server that vanishes without a word holds a
/// connection for hours.
const PARAMETERS: [(&str, &str); 7] = [
    // Seconds, for each address of the host.
    ("connect_timeout", "3"),
    // Milliseconds that what was sent may stay unacknowledged.
    ("tcp_user_timeout", "3000"),
    // Seconds of silence before the server is asked whether it is still there, and how often.
    ("keepalives", "1"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "2"),
    // Who we are, for those who look at `pg_stat_activity`.
    ("fallback_application_name", "tickets"),
];

/// The URL of a database, with a password in it: it is never shown.
#[derive(Clone)]
pub(crate) struct Address(String);

impl Address {
    /// Adds to `url` what a network failure needs. The other form that libpq reads, `host=… user=…`, is none of ours.
    pub(crate) fn new(url: &str) -> Result<Self, ConnectError> {
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ConnectError::Unreadable);
        }
        let (base, query) = split_query(url);
        let given = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let added = PARAMETERS
            .iter()
            .filter(|(name, _)| !given(name))
            .map(|(name, value)| format!("{name}={value}"));
        let all: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(str::to_owned)
            .chain(added)
            .collect();
        Ok(Self(format!("{base}?{}", all.join("&"))))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Opens one connection, within 5 seconds.
    pub(crate) fn connect(&self) -> Result<PgConnection, ConnectError> {
        let (answer, answered) = mpsc::channel();
        let url = self.0.clone();
        // A thread of its own, which is left behind if it takes too long: nothing can interrupt the look-up of a name.
        thread::spawn(move || answer.send(PgConnection::establish(&url)));
        match answered.recv_timeout(FIRST_CONNECTION) {
            Ok(connected) => connected.map_err(|error| self.without_password(ConnectError::from(&error))),
            Err(_) => Err(ConnectError::Away),
        }
    }

    /// Where a password holds an `@`, what libpq takes for a parameter may be a part of it: it is not named.
    fn without_password(&self, error: ConnectError) -> ConnectError {
        match error {
            ConnectError::UnknownParameter { .. } if self.0.matches('@').count() > 1 => ConnectError::Unreadable,
            error => error,
        }
    }
}

/// The parts of a URL before and after its `?`. A password may hold one too.
fn split_query(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let after_password = match url[after_scheme..].find(['@', '/']) {
        Some(at) if url[after_scheme + at..].starts_with('@') => after_scheme + at + 1,
        _ => after_scheme,
    };
    match url[after_password..].find('?') {
        Some(at) => (&url[..after_password + at], &url[after_password + at + 1..]),
        None => (url, ""),
    }
}

/// Why a database can't be used. No message repeats anything of the URL: libpq quotes it, password and all, where it
/// can't read it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not a URL that libpq reads.
    #[error("the database's URL can't be read (expected: postgres://user:password@host:port/database)")]
    Unreadable,
    /// A parameter of the URL that libpq does not know. It is another library's, since they share this form of URL.
    #[error("the database's URL has a parameter that Postgres' own library does not know: {name}; {advice}")]
    UnknownParameter {
        /// Its name.
        name: Box<str>,
        /// What to do.
        advice: &'static str,
    },
    /// `sslmode` has a value that libpq does not know.
    #[error(
        "sslmode in the database's URL must be disable, allow, prefer, require, verify-ca or verify-full; what other \
         libraries call no-verify is require"
    )]
    UnknownSslMode,
    /// Its host's name leads nowhere.
    #[error("the database's host is unknown")]
    UnknownHost,
    /// Nobody answered within 5 seconds, or nobody listens.
    #[error("no database server answers")]
    Away,
    /// The server is starting, stopping or recovering.
    #[error("the database server is not ready yet")]
    NotReady,
    /// Wrong user or wrong password.
    #[error("the database server refuses the user name or the password")]
    WrongPassword,
    /// The server is there, the database is not.
    #[error("the database server has no database of this name")]
    NoSuchDatabase,
    /// Every connection is taken.
    #[error("the database server takes no more connections")]
    TooManyConnections,
    /// TLS is wanted on one side only, or the certificate is not trusted. The text says what to do.
    #[error("no secure connection to the database server: {0}")]
    Tls(&'static str),
    /// The server's rules refuse this client.
    #[error("the database server does not admit this client, user or database: its pg_hba.conf must")]
    NotAdmitted,
    /// Anything else that the server said, without names.
    #[error("the database server refuses the connection: {0}")]
    Refused(Box<str>),
    /// The schema could not be brought up to date.
    #[error("the database's schema can't be brought up to date")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The user can't bring the schema up to date. The text says what it lacks.
    #[error("the database's user can't bring the schema up to date: {0}")]
    MayNotMigrate(&'static str),
}

impl From<&ConnectionError> for ConnectError {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::BadConnection(message) => Self::of(message),
            ConnectionError::CouldntSetupConfiguration(_) => Self::Away,
            _ => Self::Unreadable,
        }
    }
}

impl ConnectError {
    /// What libpq's words mean. It has no codes for this; its own words are never translated in the library that we
    /// compile in.
    pub(crate) fn of(message: &str) -> Self {
        if message.starts_with("could not translate host name") {
            return Self::UnknownHost;
        }
        if let Some(name) = unknown_parameter(message) {
            let advice = advice_on(name);
            return Self::UnknownParameter {
                name: name.into(),
                advice,
            };
        }
        if message.starts_with("invalid sslmode value") {
            return Self::UnknownSslMode;
        }
        let tls = TLS.iter().find(|(words, _)| message.contains(words));
        // Whatever else is said before the server was reached is about the URL, and quotes it.
        if !message.starts_with("connection to server") {
            return tls.map_or(Self::Unreadable, |(_, advice)| Self::Tls(advice));
        }
        let said = message.split_once("failed: ").map_or("", |(_, said)| said);
        let has = |words: &str| said.contains(words);
        // Before TLS: after a wrong password libpq tries again without it, and the server may refuse that.
        if has("password authentication failed") || has("no password supplied") || is_absent(said, "role") {
            Self::WrongPassword
        } else if is_absent(said, "database") {
            Self::NoSuchDatabase
        } else if let Some((_, advice)) = tls {
            Self::Tls(advice)
        } else if has("too many") || has("remaining connection slots") {
            Self::TooManyConnections
        } else if has("the database system is") {
            Self::NotReady
        } else if has("pg_hba.conf") {
            Self::NotAdmitted
        } else if has("SSL") || has("certificate") {
            Self::Tls("check sslmode and the other parameters that begin with ssl")
        } else if has("FATAL:") {
            Self::Refused(without_quotations(said))
        } else {
            // "Connection refused", "timeout expired", or the operating system's words, such as "No route to host".
            Self::Away
        }
    }
}

/// What libpq and the server say of TLS, and what to do. The first that fits counts.
const TLS: [(&str, &str); 10] = [
    (
        "server does not support SSL",
        "it offers none; where only a private network is between, set sslmode=disable",
    ),
    // A rule of pg_hba.conf; Postgres before version 14 says "SSL off".
    (
        "no encryption",
        "it admits encrypted connections only; set sslmode=require",
    ),
    ("SSL off", "it admits encrypted connections only; set sslmode=require"),
    ("weak sslmode", "sslrootcert=system goes with sslmode=verify-full only"),
    (
        "root certificate file",
        "sslmode asks to verify its certificate, and sslrootcert names no file of trusted certificates that can be read; \
         set it to the file that the provider offers, or to system with sslmode=verify-full",
    ),
    (
        "certificate verify failed",
        "its certificate has expired, or is not signed by any that sslrootcert names",
    ),
    (
        "does not match host name",
        "its certificate is for another host name; put that into the URL, or set sslmode=verify-ca",
    ),
    (
        "valid client certificate",
        "it wants a client certificate; set sslcert and sslkey",
    ),
    ("certificate file", "sslcert names no certificate that can be read"),
    (
        "private key file",
        "sslkey names no private key that can be read, by its owner alone",
    ),
];

/// The name of a parameter that libpq does not know, from its own words.
fn unknown_parameter(message: &str) -> Option<&str> {
    let name = message
        .strip_prefix("invalid URI query parameter: \"")?
        .trim_end()
        .strip_suffix('"')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

/// What to do about a parameter of another library.
fn advice_on(parameter: &str) -> &'static str {
    match parameter {
        "pgbouncer" | "statement_cache_size" | "prepared_statements" => {
            "remove it, and set DATABASE_DIRECT_URL to the address without the pooler"
        }
        "schema" | "currentSchema" | "search_path" => "write options=-csearch_path%3DNAME instead",
        "connection_limit" | "pool_size" | "pool_timeout" | "max" => {
            "remove it; DATABASE_POOL_SIZE says how many connections there may be"
        }
        "ssl" | "sslaccept" | "tls" => "write sslmode=require or sslmode=verify-full instead",
        _ => "remove it",
    }
}

/// Whether the server said that it has no such role or database.
fn is_absent(said: &str, kind: &str) -> bool {
    said.lines()
        .any(|line| line.contains(&format!("{kind} \"")) && line.ends_with("does not exist"))
}

/// The first line of what a server said, each quotation replaced by `"…"`: they hold names.
fn without_quotations(said: &str) -> Box<str> {
    let line = said.lines().next().unwrap_or_default().trim_start_matches("FATAL:");
    let parts: Vec<&str> = line
        .trim()
        .split('"')
        .enumerate()
        .map(|(n, part)| if n % 2 == 0 { part } else { "…" })
        .collect();
    parts.join("\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_network_failure_needs_is_added_unless_it_is_given() {
        let added = |url: &str| Address::new(url).unwrap().0;
        let url = added("postgres://u:p@h/d");
        for (name, value) in PARAMETERS {
            assert!(url.contains(&format!("{name}={value}")), "{url}");
        }
        assert!(url.starts_with("postgres://u:p@h/d?connect_timeout=3&"), "{url}");
        let url = added("postgres://u:p?x@h/d?sslmode=require&connect_timeout=9");
        assert!(
            url.starts_with("postgres://u:p?x@h/d?sslmode=require&connect_timeout=9&tcp_user_timeout=3000&"),
            "{url}"
        );
        assert_eq!(url.matches("connect_timeout=").count(), 1);
        assert!(added("postgres:///d?host=/tmp/a@b").starts_with("postgres:///d?host=/tmp/a@b&connect_timeout=3"));
    }

    #[test]
    fn the_servers_words_are_understood_and_names_left_out() {
        let server = |said: &str| {
            ConnectError::of(&format!(
                "connection to server at \"h\" (::1), port 5432 failed: {said}"
            ))
        };
        for (message, expected) in [
            (
                "FATAL:  password authentication failed for user \"bob\"",
                "refuses the user name or the password",
            ),
            (
                "FATAL:  role \"bob\" does not exist",
                "refuses the user name or the password",
            ),
            (
                "fe_sendauth: no password supplied",
                "refuses the user name or the password",
            ),
            ("FATAL:  database \"bob\" does not exist", "no database of this name"),
            ("FATAL:  sorry, too many clients already", "takes no more connections"),
            ("FATAL:  the database system is starting up", "not ready yet"),
            (
                "FATAL:  no pg_hba.conf entry for host \"::1\", user \"bob\", SSL off",
                "set sslmode=require",
            ),
            (
                "FATAL:  no pg_hba.conf entry for host \"::1\", user \"bob\", SSL encryption",
                "does not admit this client",
            ),
            (
                "FATAL:  role \"bob\" is not permitted to log in",
                "refuses the connection: role \"…\" is not permitted to log in",
            ),
            (
                "Connection refused\n\tIs the server running on that host",
                "no database server answers",
            ),
            ("No route to host", "no database server answers"),
            (
                "FATAL:  user \"bob\" is asleep",
                "refuses the connection: user \"…\" is asleep",
            ),
        ] {
            let said = server(message).to_string();
            assert!(said.contains(expected), "{message}: {said}");
            assert!(!said.contains("bob"), "{said}");
        }
        for message in [
            "invalid port number: \"s3cret\"",
            "unexpected character \"x\" in position 3 in URI (expected \":\" or \"/\"): \"postgres://bob:s3cret@h\"",
            "missing \"=\" after \"s3cret\" in connection info string",
        ] {
            assert!(
                matches!(ConnectError::of(message), ConnectError::Unreadable),
                "{message}"
            );
        }
        let unknown = ConnectError::of("could not translate host name \"h\" to address: Name or service not known");
        assert!(matches!(unknown, ConnectError::UnknownHost));
    }
}
