//! The mail server's address.

use std::{fmt, net::IpAddr};

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// A mail server that takes mails to customers.
#[derive(Clone)]
pub struct MailServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    /// User and password.
    pub(crate) credentials: Option<(String, SecretString)>,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// From the first byte on.
    Implicit,
    /// By STARTTLS, and otherwise there is no mail.
    StartTls,
    /// Not at all: the server is on this machine.
    Loopback,
}

/// The text is no mail server's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address such as smtps://user:password@mail.example.com:465, or smtp:// for STARTTLS on port 587; special characters in the password are written as %40 for @, %2F for /"
)]
pub struct MailServerError;

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

impl MailServer {
    /// Reads `smtps://user:password@host:465` or `smtp://user:password@host:587`; user, password and port may be absent.
    ///
    /// # Errors
    ///
    /// [`MailServerError`] for anything else.
    pub fn parse(url: &SecretString) -> Result<Self, MailServerError> {
        let url = Url::parse(url.expose_secret()).map_err(|_| MailServerError)?;
        // Schemes that the standard does not know have unparsed hosts.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MailServerError)?;
        let host = Host::parse(host).map_err(|_| MailServerError)?;
        let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        let (port, encryption) = match url.scheme() {
            "smtps" => (465, Encryption::Implicit),
            "smtp" if is_loopback(&host) => (587, Encryption::Loopback),
            "smtp" => (587, Encryption::StartTls),
            _ => return Err(MailServerError),
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => return Err(MailServerError),
            (user, Some(password)) => Some((decoded(user)?, decoded(password)?.into())),
        };
        if has_more {
            return Err(MailServerError);
        }
        Ok(Self {
            host: match host {
                Host::Ipv6(address) => address.to_string(),
                host => host.to_string(),
            },
            port: url.port().unwrap_or(port),
            encryption,
            credentials,
        })
    }

    /// Host and port, for messages.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::from(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(*address).is_loopback(),
    }
}

/// Reads `%40` as `@`.
fn decoded(text: &str) -> Result<String, MailServerError> {
    // A form's decoder reads `+` as a blank, which it is not here.
    let text = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(text.as_bytes()).next();
    let decoded = decoded.map(|(_, value)| value.into_owned());
    decoded
        .filter(|value| !value.contains('\u{fffd}') && !value.contains(char::is_control))
        .ok_or(MailServerError)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed = (String, Encryption, Option<(String, String)>);

    fn parsed(url: &str) -> Result<Parsed, MailServerError> {
        let server = MailServer::parse(&url.into())?;
        let credentials = server.credentials.as_ref();
        let credentials = credentials.map(|(user, password)| (user.clone(), password.expose_secret().to_owned()));
        Ok((server.address(), server.encryption, credentials))
    }

    #[test]
    fn an_address_names_host_encryption_and_credentials() {
        let with = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, address, encryption, credentials) in [
            (
                "smtps://desk:se%40cret@mail.example.com",
                "mail.example.com:465",
                Encryption::Implicit,
                with("desk", "se@cret"),
            ),
            (
                "smtp://a%40b.example:x+y%2B%26&z%3D=@mail.example.com:2525/",
                "mail.example.com:2525",
                Encryption::StartTls,
                with("a@b.example", "x+y+&&z=="),
            ),
            ("smtp://localhost:25", "localhost:25", Encryption::Loopback, None),
            ("smtp://127.0.0.1", "127.0.0.1:587", Encryption::Loopback, None),
            ("smtp://[::1]:1025", "::1:1025", Encryption::Loopback, None),
            ("smtps://localhost", "localhost:465", Encryption::Implicit, None),
        ] {
            assert_eq!(parsed(url), Ok((address.into(), encryption, credentials)), "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp:mail.example.com",
            "smtps://user@mail.example.com",
            "smtps://:password@mail.example.com",
            "smtps://mail.example.com/inbox",
            "smtps://mail.example.com?tls=none",
            "smtps://mail.example.com:99999",
            "smtps://u:p%0Aq@mail.example.com",
            "smtps://u:p%ff@mail.example.com",
        ] {
            assert_eq!(parsed(url), Err(MailServerError), "{url}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let server = MailServer::parse(&"smtps://desk:secret@mail.example.com".into()).unwrap();
        assert!(!format!("{server:?}").contains("secret"));
    }
}
