//! A mail server in the place of the one that customers are mailed by.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::sleep,
};

use crate::{ServerOptions, fake_server::Journal, mail_text};

/// How the server reacts to a mail, once it is told the recipient.
#[derive(Debug, Clone, Copy)]
pub enum MailReaction {
    /// Accepts the mail.
    Accept,
    /// Refuses the recipient with this answer, such as `550 5.1.1 no such user`.
    Refuse(&'static str),
    /// Says nothing to the recipient.
    Hang,
    /// Accepts the mail, this long after it has come.
    AcceptAfter(Duration),
    /// Accepts the mail and closes the connection before it says so.
    DropAfterData,
}

/// A mail that was received, or an attempt to send one.
#[derive(Debug, Clone)]
pub struct ReceivedMail {
    /// The address in `MAIL FROM`.
    pub from: String,
    /// The address in `RCPT TO`.
    pub to: String,
    /// The headers in their order, unfolded and decoded.
    pub headers: Vec<(String, String)>,
    /// The plain text, decoded.
    pub text: String,
    /// The HTML, decoded.
    pub html: String,
    /// When its end had come.
    pub at: Instant,
    /// When the sender was told that the mail is accepted; `None` if it was not told.
    pub accepted_at: Option<Instant>,
}

impl ReceivedMail {
    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The `Message-ID`, without the angle brackets.
    pub fn id(&self) -> &str {
        self.header("Message-ID").trim_matches(['<', '>'])
    }

    /// The path and query of the first link to this page of the ticket in the text: its own page for an empty name.
    pub fn link(&self, page: &str) -> String {
        let links = self.text.split_whitespace();
        let mut paths = links.filter_map(|word| word.strip_prefix("https://desk.example"));
        let is_it = |path: &&str| {
            let name = path.split('?').next().unwrap_or_default();
            name.trim_start_matches("/ticket/")
                .split_once('/')
                .map_or("", |(_, page)| page)
                == page
        };
        paths.find(is_it).expect("a link").to_owned()
    }
}

#[derive(Default)]
struct Script {
    next: HashMap<String, VecDeque<MailReaction>>,
    default: Option<MailReaction>,
}

#[derive(Default)]
struct State {
    script: Mutex<Script>,
    received: Journal<ReceivedMail>,
    refused: Journal<String>,
}

impl State {
    fn reaction_to(&self, recipient: &str) -> MailReaction {
        let mut script = self.script.lock().unwrap();
        let next = script.next.get_mut(recipient).and_then(VecDeque::pop_front);
        next.or(script.default).unwrap_or(MailReaction::Accept)
    }

    /// Speaks with one client until it leaves.
    async fn converse(self: Arc<Self>, mut stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.split();
        let mut reader = BufReader::new(reader);
        let (mut from, mut to, mut reaction) = (String::new(), String::new(), MailReaction::Accept);
        writer.write_all(b"220 mail.example ESMTP\r\n").await?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let verb = line.split([' ', ':']).next().unwrap_or_default().trim().to_uppercase();
            let answer = match verb.as_str() {
                "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES",
                "AUTH" if line.trim() != format!("AUTH PLAIN {}", FakeSmtp::credentials()) => {
                    "535 5.7.8 wrong password"
                }
                "AUTH" => "235 2.7.0 welcome",
                "MAIL" => {
                    from = address_in(&line);
                    "250 2.1.0 ok"
                }
                "RCPT" => {
                    to = address_in(&line);
                    reaction = self.reaction_to(&to);
                    match reaction {
                        MailReaction::Refuse(answer) => {
                            self.refused.push(to.clone());
                            answer
                        }
                        MailReaction::Hang => {
                            self.refused.push(to.clone());
                            // Until the client leaves.
                            return reader.read_to_end(&mut Vec::new()).await.map(drop);
                        }
                        _ => "250 2.1.5 ok",
                    }
                }
                "DATA" => {
                    writer.write_all(b"354 go on\r\n").await?;
                    let Some(mail) = read_mail(&mut reader).await? else {
                        return Ok(());
                    };
                    let index = self.received.push(parsed(&from, &to, &mail));
                    match reaction {
                        MailReaction::DropAfterData => return Ok(()),
                        MailReaction::AcceptAfter(delay) => sleep(delay).await,
                        _ => {}
                    }
                    writer.write_all(b"250 2.0.0 queued\r\n").await?;
                    let accepted = Some(Instant::now());
                    self.received.change(|mails| mails[index].accepted_at = accepted);
                    continue;
                }
                "NOOP" | "RSET" => "250 2.0.0 ok",
                "QUIT" => return writer.write_all(b"221 2.0.0 bye\r\n").await,
                _ => "502 5.5.1 unknown",
            };
            writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
}

fn address_in(line: &str) -> String {
    let rest = line.split_once('<').map_or("", |(_, rest)| rest);
    rest.split('>').next().unwrap_or_default().to_owned()
}

/// Reads a mail to its end; `None` if the client leaves before.
async fn read_mail(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<String>> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        if line == ".\r\n" {
            return Ok(Some(mail));
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn parsed(from: &str, to: &str, mail: &str) -> ReceivedMail {
    let (headers, body) = mail_text::split(mail);
    let part = |kind| mail_text::part(&headers, body, kind).unwrap_or_default();
    ReceivedMail {
        from: from.to_owned(),
        to: to.to_owned(),
        text: part("text/plain"),
        html: part("text/html"),
        headers,
        at: Instant::now(),
        accepted_at: None,
    }
}

/// A mail server that reacts as scripted, and records all mails. Unscripted, it accepts everything.
pub struct FakeSmtp {
    address: SocketAddr,
    state: Arc<State>,
    /// Ends the listener and all connections when it is gone.
    running: Mutex<Option<watch::Sender<()>>>,
}

impl FakeSmtp {
    /// The user and the password that it knows. It demands none.
    pub const USER: (&str, &str) = ("desk", "mail-password-0123456789");

    /// Starts it on a free port.
    pub fn start() -> Self {
        let state = Arc::<State>::default();
        let (address, running) = serve(SocketAddr::from(([127, 0, 0, 1], 0)), &state);
        Self {
            address,
            state,
            running: Mutex::new(Some(running)),
        }
    }

    fn credentials() -> String {
        let (user, password) = Self::USER;
        openssl::base64::encode_block(format!("\0{user}\0{password}").as_bytes())
    }

    /// Its URL without user and password.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Its URL with this user and password.
    pub fn url_for(&self, (user, password): (&str, &str)) -> String {
        format!("smtp://{user}:{password}@{}", self.address)
    }

    /// Reacts this way to all mails from now on that have no reaction of their own.
    pub fn always(&self, reaction: MailReaction) {
        self.state.script.lock().unwrap().default = Some(reaction);
    }

    /// Reacts this way to the next mail to this address that has no reaction yet.
    pub fn then(&self, to: &str, reaction: MailReaction) {
        let mut script = self.state.script.lock().unwrap();
        script.next.entry(to.to_owned()).or_default().push_back(reaction);
    }

    /// Stops listening and ends all connections.
    pub async fn go_away(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(running) = running {
            running.send_replace(());
            running.closed().await;
        }
    }

    /// Listens again on the same port.
    pub fn come_back(&self) {
        *self.running.lock().unwrap() = Some(serve(self.address, &self.state).1);
    }

    /// All mails so far, oldest first.
    pub fn received(&self) -> Vec<ReceivedMail> {
        self.state.received.look(<[ReceivedMail]>::to_vec)
    }

    /// The mails to this address so far, oldest first.
    pub fn to(&self, address: &str) -> Vec<ReceivedMail> {
        let all = self.received().into_iter();
        all.filter(|mail| mail.to == address).collect()
    }

    /// How many mails to this address were refused or not answered.
    pub fn refused(&self, address: &str) -> usize {
        let is_it = |to: &&String| *to == address;
        self.state.refused.look(|refused| refused.iter().filter(is_it).count())
    }

    /// Waits until `count` mails to this address were received in all.
    pub async fn wait_for(&self, address: &str, count: usize, timeout: Duration) -> Vec<ReceivedMail> {
        let of = |mails: &[ReceivedMail]| mails.iter().filter(|mail| mail.to == address).count();
        let what = format!("{count} mails to {address}");
        let is_enough = |mails: &[ReceivedMail]| of(mails) >= count;
        self.state.received.wait_for(timeout, &what, is_enough).await;
        self.to(address)
    }
}

fn serve(address: SocketAddr, state: &Arc<State>) -> (SocketAddr, watch::Sender<()>) {
    let listener = listen(address).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (running, stopped) = watch::channel(());
    let state = state.clone();
    tokio::spawn(async move {
        let mut ends = stopped.clone();
        loop {
            tokio::select! {
                _ = ends.changed() => return,
                accepted = listener.accept() => {
                    let (stream, _) = accepted.expect("a connection");
                    let (state, mut ends) = (state.clone(), stopped.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            _ = ends.changed() => {}
                            _ = state.converse(stream) => {}
                        }
                    });
                }
            }
        }
    });
    (address, running)
}

/// On a port where connections may not be over for the system yet.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(128)
}

impl ServerOptions {
    /// Mails customers by this mail server, answers a second after the last one.
    #[must_use]
    pub fn mailing(self, smtp: &FakeSmtp) -> Self {
        self.set("SMTP_URL", &smtp.url_for(FakeSmtp::USER))
            .set("MAIL_FROM", "Acme Support <support@acme.example>")
            .set("MAIL_REPLY_TO", "replies@acme.example")
            .set("MAIL_HOLD", "1s")
    }
}
