//! Reads everything back, through the API and from the fake n8n, and counts losses and duplicates.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use black_box::{FakeN8n, Received, ReceivedMail};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;

use crate::{
    clients::{Clients, Expected, form_of, is_answer, message_of},
    report::Counts,
};

/// When something was sent, and when that was confirmed.
type Try = (Instant, Option<Instant>);

/// How often n8n, or the mail server, may receive the same notification.
#[derive(Debug, Clone)]
pub(crate) enum Repeats {
    /// Once more for each of these moments, at which an attempt or the recording of its result may have been interrupted.
    OnceFor(Vec<Instant>),
    /// As often as it rejects it. An accepted notification is not sent again, unless its response was on its way at one of
    /// these moments, at which connections were cut.
    AsTheyFail(Vec<Instant>),
}

impl Repeats {
    /// How many of these attempts of one notification, oldest first, are too many.
    fn too_many(&self, tries: &[Try]) -> usize {
        let (last, _) = tries[tries.len() - 1];
        let too_many = tries.iter().enumerate().map(|(number, (sent, accepted))| {
            let later = tries.len() - 1 - number;
            let allowed = match self {
                Self::OnceFor(moments) => moments.iter().filter(|at| **at + BLUR >= *sent && **at <= last).count(),
                Self::AsTheyFail(moments) => {
                    let was_seen = accepted.is_some_and(|taken| {
                        let is_within = |at: &Instant| *at + BLUR >= *sent && *at <= taken + BLUR;
                        !moments.iter().any(is_within)
                    });
                    if was_seen { 0 } else { later }
                }
            };
            later.saturating_sub(allowed)
        });
        too_many.max().unwrap_or_default()
    }
}

/// Tolerance between a moment noted here and the same moment as n8n saw it.
const BLUR: Duration = Duration::from_millis(100);

/// Counts, and lists everything else that is wrong.
pub(crate) async fn audit(
    clients: &Clients,
    n8n: &FakeN8n,
    mails: Option<&[ReceivedMail]>,
    repeats: &Repeats,
) -> (Counts, Vec<String>) {
    let threads = threads(clients).await;
    let unmatched = unmatched(clients).await;
    let expected = clients.expected();
    let mut audit = Audit::default();
    audit.counts.acknowledged = expected.forms.len() + expected.messages.len() + expected.unmatched.len();
    audit.store(&expected, &threads, &unmatched);
    audit.sent(&threads, &n8n.received(), repeats);
    if let Some(mails) = mails {
        audit.mailed(&expected, mails, repeats);
    }
    (audit.counts, audit.faults)
}

/// The texts of each ticket, oldest first, by its reference.
type Threads = BTreeMap<String, Vec<Said>>;

struct Said {
    text: String,
    by_customer: bool,
}

/// Every ticket in the store.
async fn threads(clients: &Clients) -> Threads {
    let mut references: BTreeSet<String> = clients.expected().forms.values().cloned().collect();
    for ticket in pages(clients, "/api/tickets", "tickets").await {
        references.extend(ticket["ticketRef"].as_str().map(str::to_owned));
    }
    let read = stream::iter(references).map(async |reference| {
        let path = format!("/api/ticket/{reference}");
        let answer = clients.get(&path).await;
        (reference, answer)
    });
    let mut threads = Threads::new();
    let mut read = std::pin::pin!(read.buffer_unordered(8));
    while let Some((reference, answer)) = read.next().await {
        // An unreadable ticket counts as lost.
        if let Some((200, thread)) = answer {
            let messages = thread["messages"].as_array().cloned().unwrap_or_default();
            let said = messages.iter().map(|message| Said {
                text: text(&message["body"]),
                by_customer: message["sender"] == "customer",
            });
            threads.insert(reference, said.collect());
        }
    }
    threads
}

/// The numbers of the unmatched messages, each as often as it is stored.
async fn unmatched(clients: &Clients) -> Vec<u32> {
    let messages = pages(clients, "/api/unmatched", "messages").await;
    let numbers = messages
        .iter()
        .filter_map(|message| message_of(&text(&message["body"])));
    numbers.map(|(number, _)| number).collect()
}

async fn pages(clients: &Clients, path: &str, what: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = clients
            .operate(Method::GET, &format!("{path}?limit=100&after={after}"))
            .await;
        all.extend(page[what].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return all,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[derive(Default)]
struct Audit {
    counts: Counts,
    faults: Vec<String>,
}

impl Audit {
    /// Notes what is wrong; the first few say enough.
    fn fault(&mut self, what: String) {
        if self.faults.len() < 5 {
            self.faults.push(what);
        }
    }

    fn lost(&mut self, what: String) {
        self.counts.lost += 1;
        self.fault(what);
    }

    fn doubled(&mut self, count: usize, what: String) {
        self.counts.doubled += count;
        self.fault(what);
    }

    fn misplaced(&mut self, what: String) {
        self.counts.misplaced += 1;
        self.fault(what);
    }

    /// Compares what clients know with the store.
    fn store(&mut self, expected: &Expected, threads: &Threads, unmatched: &[u32]) {
        let mut forms: HashMap<u32, Vec<&str>> = HashMap::new();
        let mut messages: HashMap<u32, u32> = HashMap::new();
        for (reference, said) in threads {
            let Some(form) = said.first().and_then(|said| form_of(&said.text)) else {
                self.fault(format!("{reference} begins with no form"));
                continue;
            };
            forms.entry(form).or_default().push(reference);
            for said in &said[1..] {
                let Some((number, meant)) = message_of(&said.text) else {
                    self.fault(format!("{reference} holds what nobody sent"));
                    continue;
                };
                *messages.entry(number).or_default() += 1;
                if meant != form {
                    self.misplaced(format!(
                        "message {number} for form {meant} is in {reference}, of form {form}"
                    ));
                }
            }
        }
        for (form, reference) in &expected.forms {
            if !forms.get(form).is_some_and(|found| found.contains(&reference.as_str())) {
                self.lost(format!("form {form}, acknowledged as {reference}, is not there"));
            }
        }
        for message in expected
            .messages
            .keys()
            .filter(|message| !messages.contains_key(message))
        {
            self.lost(format!("message {message}, acknowledged, is in no thread"));
        }
        for message in unmatched {
            *messages.entry(*message).or_default() += 1;
        }
        for message in expected
            .unmatched
            .iter()
            .filter(|message| !messages.contains_key(message))
        {
            self.lost(format!("message {message}, stored as unmatched, is nowhere"));
        }
        for (form, found) in forms.iter().filter(|(_, found)| found.len() > 1) {
            self.doubled(found.len() - 1, format!("form {form} made {found:?}"));
        }
        for (message, count) in messages.iter().filter(|(_, count)| **count > 1) {
            self.doubled(1, format!("message {message} is there {count} times"));
        }
    }

    /// Compares what n8n received with the store.
    fn sent(&mut self, threads: &Threads, received: &[Received], repeats: &Repeats) {
        let mut by_id: BTreeMap<&str, Vec<&Received>> = BTreeMap::new();
        for received in received {
            by_id.entry(received.id()).or_default().push(received);
        }
        // The texts sent about each ticket, in the order of their first attempts. A question is about none.
        let firsts = by_id.values().map(|tries| tries[0]);
        let mut firsts: Vec<&Received> = firsts.filter(|first| first.json()["event"] != "question").collect();
        firsts.sort_by_key(|received| received.at);
        let mut sent: HashMap<String, Vec<String>> = HashMap::new();
        for first in firsts {
            let (reference, message) = (first.ticket_ref(), text(&first.json()["message"]));
            if !threads.contains_key(&reference) {
                self.fault(format!("n8n was told of {reference}, which is not there"));
            }
            sent.entry(reference).or_default().push(message);
        }
        for (id, tries) in by_id {
            if tries.iter().any(|again| again.body != tries[0].body) {
                self.fault(format!("{id} came with other bytes"));
            }
            if !tries.iter().any(|one| one.accepted_at.is_some()) {
                self.lost(format!("n8n took none of the {} tries of {id}", tries.len()));
            }
            self.repeated(id, tries.iter().map(|one| (one.at, one.accepted_at)), repeats);
        }
        for (reference, said) in threads {
            let by_customer = said.iter().filter(|said| said.by_customer);
            let wanted: Vec<&str> = by_customer.map(|said| said.text.as_str()).collect();
            let sent = sent.get(reference).map_or(&[][..], Vec::as_slice);
            self.of_ticket(reference, &wanted, sent);
        }
    }

    /// Counts what came more than once under the same id.
    fn repeated(&mut self, id: &str, tries: impl Iterator<Item = Try>, repeats: &Repeats) {
        let tries: Vec<Try> = tries.collect();
        self.counts.repeated += tries.len() - 1;
        let too_many = repeats.too_many(&tries);
        if too_many > 0 {
            self.doubled(1, format!("{id} came {} times, {too_many} too many", tries.len()));
        }
    }

    /// Compares what the mail server received with what customers have to be told: each form is confirmed by one mail, and
    /// each answer is in one.
    fn mailed(&mut self, expected: &Expected, mails: &[ReceivedMail], repeats: &Repeats) {
        let mut by_id: BTreeMap<&str, Vec<&ReceivedMail>> = BTreeMap::new();
        for mail in mails {
            by_id.entry(mail.id()).or_default().push(mail);
        }
        let (mut receipts, mut answers): (HashMap<&str, usize>, HashMap<u32, usize>) = (HashMap::new(), HashMap::new());
        for (id, tries) in &by_id {
            let mail = tries[0];
            if !tries.iter().any(|one| one.accepted_at.is_some()) {
                self.lost(format!(
                    "the mail server took none of the {} tries of {id}",
                    tries.len()
                ));
            }
            self.repeated(id, tries.iter().map(|one| (one.at, one.accepted_at)), repeats);
            let subject = mail.header("Subject");
            let is_receipt = !subject.starts_with("Re: ");
            // A receipt says how soon answers usually come, which changes.
            if !is_receipt && tries.iter().any(|again| again.text != mail.text) {
                self.fault(format!("the mail {id} came with another text"));
            }
            let mut words = subject.split(' ').filter(|_| is_receipt);
            if let Some(reference) = words.find(|word| word.starts_with("T-")) {
                *receipts.entry(reference).or_default() += 1;
            }
            for (number, form) in mail.text.lines().filter_map(message_of) {
                *answers.entry(number).or_default() += 1;
                let meant = expected.forms.get(&form);
                if !meant.is_some_and(|reference| subject.contains(reference)) {
                    self.misplaced(format!("message {number} for form {form} was mailed in {subject:?}"));
                }
            }
        }
        for (form, reference) in &expected.forms {
            let count = receipts.get(reference.as_str()).copied().unwrap_or_default();
            self.mailed_once(count, &format!("form {form}"));
        }
        for number in expected.messages.keys().filter(|number| is_answer(**number)) {
            let count = answers.get(number).copied().unwrap_or_default();
            self.mailed_once(count, &format!("message {number}"));
        }
    }

    fn mailed_once(&mut self, mails: usize, what: &str) {
        match mails {
            0 => self.lost(format!("no mail tells of {what}")),
            1 => {}
            more => self.doubled(more - 1, format!("{more} mails tell of {what}")),
        }
    }

    /// Each text of a customer has to be sent once, in order.
    fn of_ticket(&mut self, reference: &str, wanted: &[&str], sent: &[String]) {
        for text in wanted {
            match sent.iter().filter(|sent| sent == text).count() {
                0 => self.lost(format!("n8n was never told {text:?} of {reference}")),
                1 => {}
                more => self.doubled(more - 1, format!("{text:?} of {reference} has {more} notifications")),
            }
        }
        for text in sent.iter().filter(|text| !wanted.contains(&text.as_str())) {
            self.misplaced(format!("n8n was told {text:?} of {reference}, which is not in it"));
        }
        if sent.len() == wanted.len() && sent != wanted {
            self.fault(format!("n8n was told of {reference} in another order: {sent:?}"));
        }
    }
}
