//! Customers who reply by e-mail.

use black_box::{CUSTOMER, Engine, MANAGER, TempStore, TestServer, ticket};
use serde_json::json;

use crate::{
    fixture::{Fixture, SOON, texts, until},
    mailbox::{MailServer, REPLIES, header},
};

/// The inbound calls that the server answered with this status.
async fn wait_for_calls(server: &TestServer, status: u16, count: f64) {
    let name = format!("http_requests_total{{method=\"POST\",route=\"/api/ticket/inbound\",status=\"{status}\"");
    server.wait_for_metric(&name, count).await;
}

/// A ticket whose answer was mailed: its reference, and the mail.
async fn answered(server: &TestServer, mails: &MailServer) -> (String, String) {
    let reference = server.open().await;
    let answer = json!({
        "ticketRef": reference, "from": MANAGER, "message": format!("We look into {reference}."),
        "externalId": format!("SManswer{reference}"),
    });
    assert_eq!(server.inbound(&answer).await.status, 200);
    let mail = mails.wait_for(&format!("We look into {reference}.")).await;
    (reference, mail)
}

/// Starts a server that mails its customers.
async fn server_with_mail(fixture: &mut Fixture) -> (TempStore, TestServer, MailServer) {
    fixture.n8n_works().await;
    let (store, mails) = (TempStore::new(Engine::Sqlite).await, MailServer::start().await);
    let server = fixture
        .server_on(&store)
        .set("SMTP_URL", &mails.url())
        .set("MAIL_FROM", "Desk <desk@desk.example>")
        .set("MAIL_REPLY_TO", REPLIES)
        .set("MAIL_HOLD", "1s")
        .start()
        .await;
    (store, server, mails)
}

/// A reply to one of our mails.
struct Reply<'a> {
    id: &'a str,
    from: &'a str,
    /// Further header lines, each with its end.
    headers: &'a str,
    body: &'a str,
}

impl Reply<'_> {
    /// As a mail program writes it.
    fn to(&self, mail: &str) -> String {
        let id = header(mail, "Message-ID");
        format!(
            "Return-Path: <bounces@customer.example>\nFrom: {}\nTo: {}\nSubject: Re: {}\nDate: Mon, 13 Jan 2025 09:05:00 +0000\n\
             Message-ID: <{}@mail.customer.example>\nIn-Reply-To: {id}\nReferences: {}\n {id}\n{}MIME-Version: 1.0\n{}",
            self.from,
            header(mail, "Reply-To"),
            header(mail, "Subject"),
            self.id,
            header(mail, "References"),
            self.headers,
            self.body,
        )
    }
}

/// The customer's own address, with a name around it.
fn customer() -> String {
    let form = ticket();
    format!(
        "=?utf-8?q?Zo=C3=AB=2C_=3Cx=40other=2Eexample=3E?= <{}>",
        form["customerEmail"].as_str().unwrap()
    )
}

const TEXT: &str = "Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: quoted-printable\n\n\
    Thank you, it=92s fine now. 5 =80 back, please.\n\nOn Mon, 13 Jan 2025 at 09:01, Desk <desk@desk.example> wrote:\n\n\
    > We look into it.\n>\n> --\n> Desk\n";

/// HTML alone, beside a picture.
const HTML: &str = "Content-Type: multipart/related; boundary=x\n\n--x\nContent-Type: text/html; charset=utf-8\n\n\
    <style>p { margin: 0 }</style><p>And the caps?</p><p><img src=\"cid:logo\"></p>\
    <div>On Mon, 13 Jan 2025 at 09:01, Desk &lt;desk@desk.example&gt; wrote:</div>\n\
    <blockquote><p>We look into it.</p></blockquote>\n\n\
    --x\nContent-Type: image/png\nContent-ID: <logo>\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--x--\n";

/// What the customer added to our mail joins the thread, and the manager hears of it. A repeated mail does nothing.
pub(crate) async fn a_reply_by_mail(fixture: &mut Fixture) {
    let (_store, server, mails) = server_with_mail(fixture).await;
    let (reference, mail) = answered(&server, &mails).await;
    let from = customer();
    let plain = Reply {
        id: "plain",
        from: &from,
        headers: "",
        body: TEXT,
    }
    .to(&mail);
    fixture.mailbox.deliver(&plain);
    let ticket = until(&server, &reference, "the reply", |ticket| texts(ticket).len() == 3).await;
    assert_eq!(texts(&ticket)[2], "Thank you, it’s fine now. 5 € back, please.");
    let message = &ticket["messages"][2];
    assert_eq!(
        (&message["sender"], &message["channel"]),
        (&json!("customer"), &json!("email"))
    );
    let told = fixture.twilio.wait_for(2, SOON).await.pop().unwrap();
    assert!(fixture.twilio.shown(&told).text.contains("Thank you, it’s fine now."));

    // The same mail to another of our addresses, and one of HTML alone.
    fixture.mailbox.deliver(&plain);
    fixture.mailbox.deliver(
        &Reply {
            id: "html",
            from: &from,
            headers: "",
            body: HTML,
        }
        .to(&mail),
    );
    let ticket = until(&server, &reference, "the second reply", |ticket| {
        texts(ticket).len() > 3
    })
    .await;
    assert_eq!(texts(&ticket)[3..], ["And the caps?"]);
    fixture.mailbox.wait_until_read().await;
    server.end().await;
}

/// An out-of-office reply and a bounce enter no thread and no inbox.
pub(crate) async fn automatic_mails(fixture: &mut Fixture) {
    let (_store, server, mails) = server_with_mail(fixture).await;
    let (reference, mail) = answered(&server, &mails).await;
    let from = customer();
    let headers = "Auto-Submitted:\n auto-replied\n";
    let away = Reply {
        id: "away",
        from: &from,
        headers,
        body: "\nI am away until Monday.\n",
    }
    .to(&mail);
    let bounce = Reply {
        id: "bounce",
        from: &from,
        headers: "",
        body: "\nNo such mailbox.\n",
    }
    .to(&mail);
    fixture.mailbox.deliver(&away);
    fixture
        .mailbox
        .deliver(&bounce.replace("<bounces@customer.example>", "<>"));
    // The answer is one such call, too.
    wait_for_calls(&server, 200, 3.0).await;
    assert_eq!(texts(&server.ticket(&reference).await).len(), 2);
    assert!((server.metric("messages_unmatched").await - 0.0).abs() < f64::EPSILON);
    server.end().await;
}

/// Whoever else replies to our mail, or names a ticket, waits in the inbox. The workflow takes that for success.
pub(crate) async fn a_stranger_s_mail(fixture: &mut Fixture) {
    let (_store, server, mails) = server_with_mail(fixture).await;
    let (reference, mail) = answered(&server, &mails).await;
    let from = format!("{CUSTOMER} <somebody@else.example>");
    let body = format!("\n{reference}: send me the bottles\n");
    fixture.mailbox.deliver(
        &Reply {
            id: "else",
            from: &from,
            headers: "",
            body: &body,
        }
        .to(&mail),
    );
    wait_for_calls(&server, 400, 1.0).await;
    assert_eq!(texts(&server.ticket(&reference).await).len(), 2);
    let unmatched = server.get_as_operator("/api/unmatched").await.json();
    let unmatched = unmatched["messages"].as_array().unwrap();
    assert_eq!(unmatched.len(), 1);
    assert_eq!(unmatched[0]["body"], body.trim());
    // Nobody is the manager because a mail says so.
    let from = format!("Manager <whatsapp:{MANAGER}>");
    fixture.mailbox.deliver(
        &Reply {
            id: "manager",
            from: &from,
            headers: "",
            body: "\n/list\n",
        }
        .to(&mail),
    );
    wait_for_calls(&server, 400, 2.0).await;
    assert_eq!(texts(&server.ticket(&reference).await).len(), 2);
    assert!(!fixture.n8n.log().contains("was refused"), "{}", fixture.n8n.log());
    server.end().await;
}

/// Mails that come while n8n is away, and while the server is.
pub(crate) async fn mails_in_an_outage(fixture: &mut Fixture) {
    let (store, server, mails) = server_with_mail(fixture).await;
    let (reference, mail) = answered(&server, &mails).await;
    let from = customer();
    let reply = |id: &str, body: &str| {
        Reply {
            id,
            from: &from,
            headers: "",
            body,
        }
        .to(&mail)
    };
    fixture.n8n.stop().await;
    fixture.mailbox.deliver(&reply("1", "\nWhile n8n is away.\n"));
    fixture.n8n_works().await;
    until(&server, &reference, "the first reply", |ticket| {
        texts(ticket).len() == 3
    })
    .await;

    server.end().await;
    fixture.mailbox.deliver(&reply("2", "\nWhile the server is away.\n"));
    fixture.mailbox.wait_until_read().await;
    let server = fixture.server_on(&store).start().await;
    let ticket = until(&server, &reference, "the second reply", |ticket| {
        texts(ticket).len() == 4
    })
    .await;
    assert_eq!(texts(&ticket)[2..], ["While n8n is away.", "While the server is away."]);

    // What the server refuses is shown, by its id.
    server.end().await;
    let other = fixture
        .server_on(&store)
        .set("RAILWAY_INBOUND_SECRET", "another-inbound-key-0123456789abcdef");
    let server = other.start().await;
    fixture.mailbox.deliver(&reply("3", "\nWith a wrong key.\n"));
    fixture
        .n8n
        .wait_for_log("The mail 3@mail.customer.example was refused: 401")
        .await;
    server.end().await;
}
