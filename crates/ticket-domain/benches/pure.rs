//! What every request computes before the store is asked: `cargo bench -p ticket-domain`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ticket_domain::{
    Customer, Managers, Match, TextMatch, Ticket, TicketDetails, TicketRef, TicketRequest, references_in,
    resolve_ticket, testing::TicketBuilder,
};

/// A form as people fill it in: spaces around it, a number with signs in it, accents, several lines.
const FORM: [&str; 6] = [
    "  Zoë Quuxley ",
    "+1 (555) 000-1111",
    "zoe.quuxley@customer.example",
    "Order 1234 came damaged",
    "I received damaged bottles in my last order.\r\nTwo of the six were broken and the box was wet. Could you send new \
     ones before the weekend, or give me the money back? Thank you very much.",
    "high",
];

/// What a manager writes. The reference stands near its end.
const REPLY: &str = "Thanks for the call. The customer of yesterday's T-shirt order is content, and for \
                     T-20250115-1234 we send new bottles today.";

fn request() -> TicketRequest {
    let [name, phone, email, subject, message, priority] = black_box(FORM);
    TicketRequest {
        details: TicketDetails {
            customer: Customer {
                name: name.parse().unwrap(),
                phone: phone.parse().unwrap(),
                email: email.parse().unwrap(),
            },
            subject: subject.parse().unwrap(),
            priority: priority.parse().unwrap(),
        },
        message: message.parse().unwrap(),
    }
}

fn ticket() -> Ticket {
    TicketBuilder::new("T-20250115-1234").details(request().details).build()
}

fn benches(criterion: &mut Criterion) {
    criterion.bench_function("parse a form", |bencher| bencher.iter(request));

    let parsed = request();
    criterion.bench_function("digest of a form", |bencher| {
        bencher.iter(|| black_box(&parsed).digest());
    });

    criterion.bench_function("parse a reference", |bencher| {
        bencher.iter(|| black_box("t-20250115-1234").parse::<TicketRef>().unwrap());
    });

    // The longest text that an inbound message may have.
    let long = REPLY.repeat(16_000 / REPLY.len());
    for (name, text) in [
        ("references in a reply", REPLY),
        ("references in 16,000 characters", &long),
    ] {
        assert_eq!(references_in(text).len(), 1);
        criterion.bench_function(name, |bencher| bencher.iter(|| references_in(black_box(text))));
    }

    let managers = Managers::new(vec!["+15550000000".parse().unwrap(), "+919655716000".parse().unwrap()]);
    let from = "+919655716000".parse().unwrap();
    criterion.bench_function("which ticket", |bencher| {
        bencher.iter_batched(
            || TextMatch::One(Match::Ticket(Box::new(ticket()))),
            |in_text| resolve_ticket(&from, &managers, Match::None, Match::None, in_text),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(all, benches);
criterion_main!(all);
