//! Mail of this machine: a mailbox that n8n reads by IMAP, kept by Dovecot, and a mail server that takes what the ticket
//! server sends.

use std::{fmt::Write as _, fs, io, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use black_box::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{fixture::SOON, real_n8n::free_port};

/// Where customers reply to.
pub(crate) const REPLIES: &str = "replies@desk.example";

/// The mailbox's password.
const PASSWORD: &str = "imap-password-0123456789";

/// A mailbox with an IMAP server. The server ends when it is dropped.
pub(crate) struct Mailbox {
    folder: TempDir,
    port: u16,
    delivered: u32,
    _server: Child,
}

impl Mailbox {
    /// Starts the server and waits until it listens.
    pub(crate) async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
        let at = |name: &str| folder.path().join(name);
        for name in [
            "",
            "home",
            "home/Maildir",
            "home/Maildir/cur",
            "home/Maildir/new",
            "home/Maildir/tmp",
        ] {
            fs::create_dir_all(at(name)).unwrap();
            // Dovecot, where it is run by root, lets nobody of the system read mails as root.
            open_to_all(&at(name));
        }
        fs::write(at("dovecot.conf"), config(folder.path(), port)).unwrap();
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(at("dovecot.conf"));
        let path = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/bin:/bin";
        command.env("PATH", path).stdin(Stdio::null()).kill_on_drop(true);
        let server = command
            .spawn()
            .expect("dovecot starts; `make e2e-n8n` says how to install it");
        let listens = async || TcpStream::connect(("127.0.0.1", port)).await.ok();
        assert!(until(SOON, listens).await.is_some(), "dovecot does not listen");
        Self {
            folder,
            port,
            delivered: 0,
            _server: server,
        }
    }

    /// What n8n's credential says of it.
    pub(crate) fn credential(&self) -> Value {
        json!({ "user": "replies", "password": PASSWORD, "host": "127.0.0.1", "port": self.port, "secure": false })
    }

    /// A mail arrives.
    pub(crate) fn deliver(&mut self, mail: &str) {
        self.delivered += 1;
        let name = format!("{}.{}.test", self.delivered, std::process::id());
        let maildir = self.folder.path().join("home/Maildir");
        let (written, arrived) = (maildir.join("tmp").join(&name), maildir.join("new").join(&name));
        fs::write(&written, mail.replace('\n', "\r\n")).unwrap();
        open_to_all(&written);
        fs::rename(written, arrived).unwrap();
    }

    /// Waits until n8n has marked every mail as read.
    pub(crate) async fn wait_until_read(&self) {
        let maildir = self.folder.path().join("home/Maildir");
        let all_read = async || {
            let names = |folder| fs::read_dir(maildir.join(folder)).unwrap();
            let is_read = |entry: io::Result<fs::DirEntry>| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.split_once(":2,").is_some_and(|(_, flags)| flags.contains('S'))
            };
            (names("new").count() == 0 && names("cur").all(is_read)).then_some(())
        };
        assert!(until(SOON, all_read).await.is_some(), "mails stay unread");
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

/// A configuration of Dovecot 2.3 by which everything is in one folder, run by root or by anybody.
fn config(folder: &Path, port: u16) -> String {
    let is_root = rustix::process::geteuid().is_root();
    let id = |option: &str| {
        let output = std::process::Command::new("id").arg(option).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (user, group) = if is_root {
        ("nobody".into(), "nogroup".into())
    } else {
        (id("-un"), id("-gn"))
    };
    let folder = folder.display();
    let mut config = format!(
        "base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = {folder}/log\nprotocols = imap\n\
         listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nmail_location = maildir:~/Maildir\n\
         passdb {{\n driver = static\n args = password={PASSWORD}\n}}\n\
         userdb {{\n driver = static\n args = uid={user} gid={group} home={folder}/home\n}}\n\
         service imap-login {{\n inet_listener imap {{\n  port = {port}\n }}\n inet_listener imaps {{\n  port = 0\n }}\n"
    );
    if is_root {
        config += "}\n";
    } else {
        // What only root can do is left out.
        let _ = write!(
            config,
            " chroot =\n}}\nservice anvil {{\n chroot =\n}}\ndefault_internal_user = {user}\n\
             default_internal_group = {group}\ndefault_login_user = {user}\n"
        );
    }
    config
}

/// A mail server that takes every mail.
pub(crate) struct MailServer {
    address: String,
    mails: watch::Receiver<Vec<String>>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, mails) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move { converse(stream, &sender).await });
            }
        });
        Self { address, mails }
    }

    /// For `SMTP_URL`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Waits for the first mail with this text; returns it.
    pub(crate) async fn wait_for(&self, part: &str) -> String {
        let mut mails = self.mails.clone();
        let is_it = |mail: &&String| mail.contains(part);
        let seen = timeout(SOON, mails.wait_for(|mails| mails.iter().any(|mail| is_it(&mail)))).await;
        let seen = seen.unwrap_or_else(|_| panic!("no mail with {part:?}")).unwrap();
        seen.iter().find(is_it).unwrap().clone()
    }
}

/// Takes mails from one connection.
async fn converse(stream: TcpStream, mails: &watch::Sender<Vec<String>>) -> io::Result<()> {
    let mut stream = BufStream::new(stream);
    let (mut answer, mut mail, mut line) = ("220 desk.example\r\n", None::<String>, String::new());
    loop {
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        answer = match mail.as_mut() {
            Some(_) if line == ".\r\n" => {
                mails.send_modify(|mails| mails.extend(mail.take()));
                "250 ok\r\n"
            }
            Some(mail) => {
                *mail += line.strip_prefix('.').unwrap_or(&line);
                ""
            }
            None if line.starts_with("DATA") => {
                mail = Some(String::new());
                "354 go on\r\n"
            }
            None => "250 ok\r\n",
        };
    }
}

/// A header of a mail, unfolded.
pub(crate) fn header(mail: &str, name: &str) -> String {
    let (head, _) = mail.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    let mut lines = unfolded.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
}
