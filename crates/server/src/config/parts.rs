//! Reads each variable.

use std::{
    net::IpAddr,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use http_actix::OperatorToken;
use notify_n8n::Receiver;
use secrecy::{ExposeSecret, SecretString};
use ticket_domain::{Access, Address, NOTIFY_SLOW_RETRIES_MAX, OperatorName, Phone, RetrySchedule};
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::{Agents, Database, LogFormat, variables::Variables};

/// The number of the first manager.
const DEFAULT_AGENT_PHONE: &str = "+919655716000";

pub(super) fn host(vars: &mut Variables<'_>) -> String {
    vars.text("HOST").unwrap_or_else(|| "::".into())
}

pub(super) fn port(vars: &mut Variables<'_>) -> u16 {
    u16::try_from(vars.number("PORT", 0, 65_535, 8080)).unwrap_or(8080)
}

pub(super) fn base_url(vars: &mut Variables<'_>, port: u16) -> Option<Url> {
    let text = vars.text("BASE_URL").or_else(|| {
        vars.warn("BASE_URL is not set: ticket links will name localhost, which works on this machine only");
        (port != 0).then(|| format!("http://localhost:{port}"))
    })?;
    let is_base = |url: &Url| {
        let has_user = !url.username().is_empty() || url.password().is_some();
        !has_user && url.query().is_none() && url.fragment().is_none()
    };
    let url = web_address(&text).filter(is_base);
    if url.is_none() {
        vars.fault(
            "BASE_URL",
            "must be an address such as https://tickets.example.com, without a user, ? or #",
        );
    }
    url
}

fn web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

pub(super) fn database(vars: &mut Variables<'_>, here: &Path) -> Database {
    const VARIABLE: &str = "DATABASE_URL";
    const DIRECT: &str = "DATABASE_DIRECT_URL";
    let pool_size = vars.number("DATABASE_POOL_SIZE", 1, 100, 8);
    let url = vars
        .secret(VARIABLE)
        .unwrap_or_else(|| "sqlite://data/tickets.db".to_owned().into());
    let direct = vars.secret(DIRECT);
    let mut database = Database::parse(url, here, pool_size).unwrap_or_else(|| {
        vars.fault(VARIABLE, Database::WANTED);
        Database::Sqlite(here.join("data/tickets.db"))
    });
    match &mut database {
        Database::Postgres { direct: unset, .. } => {
            if direct.as_ref().is_some_and(|url| !Database::is_postgres(url)) {
                vars.fault(DIRECT, "must be an address that starts with postgres://");
            }
            *unset = direct;
        }
        Database::Sqlite(path) => {
            if direct.is_some() {
                vars.fault(DIRECT, "goes with a DATABASE_URL that starts with postgres://");
            }
            check_that_it_lasts(vars, path, here);
        }
    }
    database
}

/// On Railway, only a volume survives a deployment.
fn check_that_it_lasts(vars: &mut Variables<'_>, path: &Path, here: &Path) {
    let on_railway = vars.text("RAILWAY_ENVIRONMENT").is_some();
    let volume = vars.text("RAILWAY_VOLUME_MOUNT_PATH");
    let is_accepted = vars.word("ALLOW_EPHEMERAL", &[("1", true), ("0", false)], false);
    let on_volume = volume.is_some_and(|volume| plain(path).starts_with(plain(&here.join(volume))));
    if on_railway && !on_volume && !is_accepted {
        vars.fault(
            "DATABASE_URL",
            "names a file outside of RAILWAY_VOLUME_MOUNT_PATH, so the next deployment would erase every ticket; \
             attach a volume and put the file there, or use Postgres, or set ALLOW_EPHEMERAL=1 to accept the loss",
        );
    }
}

/// Resolves `.` and `..`. The path need not exist.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

pub(super) fn receiver(vars: &mut Variables<'_>) -> Option<Receiver> {
    const CREATED: &str = "N8N_TICKET_CREATED_WEBHOOK";
    const UPDATED: &str = "N8N_TICKET_UPDATED_WEBHOOK";
    const SECRET: &str = "N8N_SHARED_SECRET";
    let is_set = vars.is_set(CREATED);
    let created = webhook(vars, CREATED);
    let updated = webhook(vars, UPDATED);
    let secret = vars.secret(SECRET);
    if let Some(secret) = &secret {
        vars.warn_if_short(SECRET, secret);
        if secret.expose_secret().chars().any(char::is_control) {
            vars.fault(
                SECRET,
                "must be one line without control characters, since it travels in a header",
            );
        }
    }
    if !is_set {
        if vars.is_set(UPDATED) {
            vars.fault(CREATED, format!("must be set too when {UPDATED} is"));
        } else {
            vars.warn(format!("{CREATED} is not set: notifications wait, stored, until it is"));
        }
        return None;
    }
    if secret.is_none() {
        vars.fault(
            SECRET,
            format!("must be set when {CREATED} is; make one with `openssl rand -hex 32`"),
        );
    }
    let created = created?;
    Some(Receiver {
        updated: updated.unwrap_or_else(|| created.clone()),
        created,
        secret: secret?,
    })
}

fn webhook(vars: &mut Variables<'_>, variable: &str) -> Option<Url> {
    let text = vars.secret(variable)?;
    let url = web_address(text.expose_secret());
    match &url {
        None => vars.fault(
            variable,
            "must be an address such as https://n8n.example.com/webhook/ticket-created",
        ),
        Some(url) if url.path().contains("/webhook-test/") => vars.warn(format!(
            "{variable} is n8n's test address (/webhook-test/), which is alive for two minutes after \"Execute \
             workflow\" is pressed; the lasting one has /webhook/ in its place, once the workflow is active"
        )),
        Some(_) => {}
    }
    url
}

pub(super) fn inbound_keys(vars: &mut Variables<'_>) -> Vec<SecretString> {
    const VARIABLE: &str = "RAILWAY_INBOUND_SECRET";
    let Some(secrets) = vars.secret(VARIABLE) else {
        vars.warn(format!(
            "{VARIABLE} is not set: every inbound message will be refused with 401"
        ));
        return Vec::new();
    };
    one_or_two(vars, VARIABLE, &secrets)
}

/// Reads one secret, or two during rotation.
fn one_or_two(vars: &mut Variables<'_>, variable: &str, secrets: &SecretString) -> Vec<SecretString> {
    let secrets: Vec<SecretString> = secrets
        .expose_secret()
        .split(',')
        .map(|secret| secret.trim().to_owned().into())
        .collect();
    if secrets.len() > 2 || secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
        vars.fault(
            variable,
            "must be one secret, or two separated by a comma while rotating",
        );
    }
    for secret in &secrets {
        vars.warn_if_short(variable, secret);
    }
    secrets
}

pub(super) fn agents(vars: &mut Variables<'_>) -> Agents {
    const VARIABLE: &str = "AGENT_PHONE";
    const BACKUP: &str = "AGENT_PHONE_BACKUP";
    let text = vars.text(VARIABLE);
    let are_set = text.is_some();
    if !are_set {
        vars.warn(format!(
            "{VARIABLE} is not set: only the number that the documentation names counts as a manager's, and nobody is \
             asked which ticket a reply is for"
        ));
    }
    let text = text.unwrap_or_else(|| DEFAULT_AGENT_PHONE.into());
    let addresses: Option<Vec<Address>> = text.split(',').map(manager).collect();
    let addresses = addresses.unwrap_or_else(|| {
        vars.fault(
            VARIABLE,
            "must be numbers such as +919655716000, with + and country code, or WhatsApp user ids such as \
             US.13491208655302741918, separated by commas",
        );
        Vec::new()
    });
    let number = addresses.iter().find_map(Address::phone);
    if number.is_none() && !addresses.is_empty() {
        vars.fault(
            VARIABLE,
            "must have a number as well: WhatsApp doesn't deliver to a user id",
        );
    }
    let backup = vars.text(BACKUP).and_then(|text| {
        let backup = international(&text);
        match &backup {
            None => vars.fault(
                BACKUP,
                "must be one number such as +919655716000, with + and country code",
            ),
            Some(_) if !are_set => vars.fault(VARIABLE, format!("must be set too when {BACKUP} is")),
            Some(backup) if number.as_ref().is_some_and(|number| number.identifies(backup)) => {
                vars.fault(BACKUP, format!("must be another number than the first of {VARIABLE}"));
            }
            Some(_) => {}
        }
        backup
    });
    Agents {
        addresses,
        are_set,
        backup,
    }
}

/// A number with its country code, or a WhatsApp user id.
fn manager(entry: &str) -> Option<Address> {
    let user_id = || Address::lenient(entry).filter(Address::is_user_id);
    international(entry).map(Address::from).or_else(user_id)
}

pub(super) fn international(number: &str) -> Option<Phone> {
    number.parse().ok().filter(Phone::is_international)
}

/// Reads who may read tickets. `base_url` is where they are.
pub(super) fn access(vars: &mut Variables<'_>, base_url: Option<&Url>) -> Access {
    const VARIABLE: &str = "TICKET_ACCESS";
    let words = [("open", Access::Open), ("private", Access::Private)];
    let access = vars.word(VARIABLE, &words, Access::Open);
    if access == Access::Open && base_url.is_some_and(is_public) {
        vars.warn(format!(
            "{VARIABLE} is open and BASE_URL is public: whoever guesses a reference reads a customer's name, number, \
             address and messages. Set {VARIABLE}=private as soon as your website passes on the key in ticketUrl"
        ));
    }
    access
}

/// Whether an address may be reached from the internet: its host is neither a private or loopback address nor a name that
/// only private networks resolve.
fn is_public(url: &Url) -> bool {
    const PRIVATE_DOMAINS: [&str; 4] = [".localhost", ".local", ".internal", ".home.arpa"];
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.contains('.') && !PRIVATE_DOMAINS.iter().any(|domain| name.ends_with(domain))
        }
        Some(Host::Ipv4(ip)) => is_public_address(ip.into()),
        Some(Host::Ipv6(ip)) => is_public_address(ip.into()),
        None => false,
    }
}

fn is_public_address(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // 100.64.0.0/10 is shared by the customers of a carrier, and by overlay networks.
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0b1100_0000 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

/// Reads tokens, each as `token` or `name:token`.
pub(super) fn operator_tokens(vars: &mut Variables<'_>) -> Vec<OperatorToken> {
    const VARIABLE: &str = "OPERATOR_TOKEN";
    let mut tokens: Vec<OperatorToken> = Vec::new();
    let entries = vars.secret(VARIABLE);
    for entry in entries.iter().flat_map(|entries| entries.expose_secret().split(',')) {
        let (name, secret) = match entry.split_once(':') {
            Some((name, secret)) => (Some(name.parse::<OperatorName>()), secret.trim()),
            None => (None, entry.trim()),
        };
        // The message repeats neither part, because the text before a colon may be part of a token.
        if let Some(Err(error)) = name {
            vars.fault(VARIABLE, format!("has an invalid name before a colon: it {error}"));
        }
        if secret.is_empty() {
            vars.fault(
                VARIABLE,
                "must be tokens separated by commas, each alone or as name:token",
            );
        }
        let name = name.and_then(Result::ok);
        let is_other = |token: &OperatorToken| token.name != name && token.secret.expose_secret() == secret;
        if tokens.iter().any(is_other) {
            vars.fault(VARIABLE, "must not give one token two names");
        }
        let secret = secret.into();
        vars.warn_if_short(VARIABLE, &secret);
        tokens.push(OperatorToken { name, secret });
    }
    if tokens.iter().filter(|token| token.name.is_none()).count() > 2 {
        vars.fault(
            VARIABLE,
            "must hold at most two tokens without a name, the second while rotating",
        );
    }
    tokens
}

pub(super) fn allowed_origins(vars: &mut Variables<'_>) -> Vec<String> {
    const VARIABLE: &str = "ALLOWED_ORIGINS";
    let Some(text) = vars.text(VARIABLE) else {
        return Vec::new();
    };
    let origins: Option<Vec<String>> = text.split(',').map(|origin| allowed_origin(origin.trim())).collect();
    origins.unwrap_or_else(|| {
        vars.fault(
            VARIABLE,
            "must be origins such as https://www.example.com, or https://*.example.com for its subdomains, without a \
             path, separated by commas",
        );
        Vec::new()
    })
}

/// Returns an origin, or a pattern whose host begins with `*.`.
fn allowed_origin(text: &str) -> Option<String> {
    let Some((scheme, domain)) = text.split_once("://*.") else {
        return web_origin(text);
    };
    let origin = web_origin(&format!("{scheme}://{domain}"))?;
    let has_name = Url::parse(&origin).is_ok_and(|url| url.domain().is_some());
    let (scheme, domain) = origin.split_once("://")?;
    has_name.then(|| format!("{scheme}://*.{domain}"))
}

/// Returns the origin as browsers write it.
fn web_origin(text: &str) -> Option<String> {
    let url = web_address(text)?;
    let origin = url.origin().ascii_serialization();
    (url.as_str().trim_end_matches('/') == origin && !origin.contains('*')).then_some(origin)
}

pub(super) fn trusted_proxy_hops(vars: &mut Variables<'_>) -> usize {
    let default = u32::from(vars.text("RAILWAY_ENVIRONMENT").is_some());
    vars.number("TRUSTED_PROXY_HOPS", 0, 16, default) as usize
}

pub(super) fn retry_schedule(vars: &mut Variables<'_>) -> RetrySchedule {
    let most = NOTIFY_SLOW_RETRIES_MAX;
    let slow_retries = vars.number("NOTIFY_SLOW_RETRIES", 0, most.into(), most.into());
    RetrySchedule::new(u8::try_from(slow_retries).unwrap_or(most))
}

pub(super) fn notification_retention(vars: &mut Variables<'_>) -> Option<Duration> {
    let days = vars.number("NOTIFICATION_RETENTION_DAYS", 0, 36_500, 30);
    (days > 0).then(|| Duration::from_hours(24 * u64::from(days)))
}

pub(super) fn ticket_retention(vars: &mut Variables<'_>) -> Option<Duration> {
    let days = vars.number("TICKET_RETENTION_DAYS", 0, 36_500, 0);
    (days > 0).then(|| Duration::from_hours(24 * u64::from(days)))
}

pub(super) fn notify_concurrency(vars: &mut Variables<'_>) -> u16 {
    // A real n8n takes 10 to 25 notifications a second; four at a time keep it busy without a queue in it.
    u16::try_from(vars.number("NOTIFY_CONCURRENCY", 1, 64, 4)).unwrap_or(4)
}

pub(super) fn log_format(vars: &mut Variables<'_>, on_terminal: bool) -> LogFormat {
    let default = if on_terminal { LogFormat::Text } else { LogFormat::Json };
    vars.word(
        "LOG_FORMAT",
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        default,
    )
}

pub(super) fn log_filter(vars: &mut Variables<'_>) -> String {
    const VARIABLE: &str = "RUST_LOG";
    let filter = vars.text(VARIABLE).unwrap_or_else(|| "info,actix_server=warn".into());
    if let Err(error) = filter.parse::<EnvFilter>() {
        vars.fault(
            VARIABLE,
            format!("must be a filter such as info or server=debug: {error}"),
        );
    }
    filter
}
