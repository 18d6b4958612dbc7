//! Reads everything back, through the API and from the fake n8n, and counts losses and duplicates.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use black_box::{FakeN8n, Received};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;

use crate::{
    clients::{Clients, Expected, form_of, message_of},
    report::Counts,
};

/// How often n8n may receive the same notification.
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
    fn too_many(&self, tries: &[&Received]) -> usize {
        let last = tries[tries.len() - 1].at;
        let too_many = tries.iter().enumerate().map(|(number, one)| {
            let later = tries.len() - 1 - number;
            let allowed = match self {
                Self::OnceFor(moments) => moments
                    .iter()
                    .filter(|at| **at + BLUR >= one.at && **at <= last)
                    .count(),
                Self::AsTheyFail(moments) => {
                    let was_seen = one.accepted_at.is_some_and(|taken| {
                        let is_within = |at: &Instant| *at + BLUR >= one.at && *at <= taken + BLUR;
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
pub(crate) async fn audit(clients: &Clients, n8n: &FakeN8n, repeats: &Repeats) -> (Counts, Vec<String>) {
    let threads = threads(clients).await;
    let unmatched = unmatched(clients).await;
    let expected = clients.expected();
    let mut audit = Audit::default();
    audit.counts.acknowledged = expected.forms.len() + expected.messages.len() + expected.unmatched.len();
    audit.store(&expected, &threads, &unmatched);
    audit.sent(&threads, &n8n.received(), repeats);
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
            self.counts.repeated += tries.len() - 1;
            if tries.iter().any(|again| again.body != tries[0].body) {
                self.fault(format!("{id} came with other bytes"));
            }
            if !tries.iter().any(|one| one.accepted_at.is_some()) {
                self.lost(format!("n8n took none of the {} tries of {id}", tries.len()));
            }
            let too_many = repeats.too_many(&tries);
            if too_many > 0 {
                self.doubled(1, format!("{id} came {} times, {too_many} too many", tries.len()));
            }
        }
        for (reference, said) in threads {
            let by_customer = said.iter().filter(|said| said.by_customer);
            let wanted: Vec<&str> = by_customer.map(|said| said.text.as_str()).collect();
            let sent = sent.get(reference).map_or(&[][..], Vec::as_slice);
            self.of_ticket(reference, &wanted, sent);
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
