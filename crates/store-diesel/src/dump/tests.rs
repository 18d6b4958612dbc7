//! A dump that is damaged, changed or something else altogether is never taken for a whole one.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, io::Write as _};

use sha2::{Digest as _, Sha256};
use ticket_domain::{
    ActorKind, EventKind, MessageStatus, Priority, Progress, Recipient, Sender, Stage, Status, Timestamp,
};

use super::{
    format::{Header, Reader, Writer},
    rows::Row,
    *,
};

const TICKET: &str = r#"{"tickets":{"number":7,"id":"00000000-0000-0000-0000-000000000001","reference":"T-20250115-1234","customer_name":"Zoë","customer_phone":"+15550001111","customer_email":"zoe@customer.example","subject":"Bottles","priority":"high","status":"open","customer_key":"00112233445566778899aabbccddeeff","reader_key":"ffeeddccbbaa99887766554433221100","version":1,"created_at":"2025-01-15T10:30:00.000001Z","updated_at":"2025-01-15T10:30:00.000001Z","last_sender":"manager"}}"#;

const RECEIPT: &str =
    r#"{"receipts":{"external_id":"SM-1","status":"read","error_code":null,"at":"2025-01-15T10:30:00.000001Z"}}"#;

const NOTIFICATION: &str = r#"{"notifications":{"id":"00000000-0000-0000-0000-000000000002","ticket_id":"00000000-0000-0000-0000-000000000001","seq":1,"event":"ticket.created","payload":"{}","addressed":true,"state":"waiting","due_at":"2025-01-15T10:30:30.000000Z","scheduled_at":"2025-01-15T10:30:00.000000Z","failed_attempts":0,"attempted_at":"2025-01-15T10:30:00.000000Z","probed_at":null,"released":false,"last_error":null,"external_id":null,"settled_at":null,"created_at":"2025-01-15T10:30:00.000000Z","progress":"sent","route":"text","round":0,"recipient":"manager"}}"#;

const AUDIT_ENTRY: &str = r#"{"audit_log":{"id":"00000000-0000-0000-0000-000000000003","at":"2025-01-15T10:30:00.000001Z","ticket_id":null,"action":"erase","old_value":null,"new_value":null,"target_id":null,"count":1,"actor":"program"}}"#;

fn row(line: &str) -> Row {
    serde_json::from_str(line).unwrap()
}

fn header() -> Header {
    let rows = Counts::from([(Table::Tickets, 1), (Table::Receipts, 1)]);
    Header::new(
        Timestamp::from_unix_micros(0).unwrap(),
        "20261130000000".to_owned(),
        rows,
    )
}

fn dump() -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
    for line in [TICKET, RECEIPT] {
        writer.row(&row(line)).unwrap();
    }
    let (dump, _) = writer.end().unwrap();
    let lines: Vec<&[u8]> = dump.split(|byte| *byte == b'\n').collect();
    let written = lines[1..3].iter().map(|line| row(std::str::from_utf8(line).unwrap()));
    assert_eq!(written.collect::<Vec<_>>(), [row(TICKET), row(RECEIPT)]);
    dump
}

/// A dump by hand, as `docs/dump-format.md` tells people to make one.
fn by_hand(lines: &[&str], rows: &str) -> Vec<u8> {
    let mut dump = lines.join("\n") + "\n";
    let digest = Sha256::digest(&dump);
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let trailer = format!("{{\"end\":{{\"rows\":{rows},\"sha256\":\"{}\"}}}}\n", digits.concat());
    dump.push_str(&trailer);
    dump.into_bytes()
}

const HEADER: &str = r#"{"format":"ticket-dump","version":1,"created_at":"2025-01-15T10:30:00.000001Z","program":"0.1.0","schema":"20261130000000"}"#;

fn zipped(dump: &[u8]) -> Vec<u8> {
    let mut out = compressed(Vec::new());
    out.write_all(dump).unwrap();
    out.finish().unwrap()
}

fn read(dump: &[u8]) -> Result<Vec<Row>, FormatError> {
    let mut reader = Reader::open(dump)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push(row);
    }
    Ok(rows)
}

fn error(dump: &[u8]) -> String {
    let error = read(dump).unwrap_err();
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[test]
fn a_dump_comes_back_compressed_or_not() {
    let expected = [row(TICKET), row(RECEIPT)];
    assert_eq!(read(&dump()).unwrap(), expected);
    assert_eq!(read(&zipped(&dump())).unwrap(), expected);
    let found = verify(&dump()[..], &mut |_| {}).unwrap();
    assert_eq!(found.rows(), header().rows);
}

#[test]
fn a_dump_that_was_cut_off_is_no_dump() {
    for whole in [dump(), zipped(&dump())] {
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        assert!(error(&whole[..whole.len() - 9]).contains("cut off"));
    }
}

#[test]
fn a_dump_in_which_one_bit_changed_is_no_dump() {
    let whole = dump();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert!(read(&damaged).is_err(), "{at}");
    }
    // Of a compressed file a few bits say nothing about what is in it.
    let (whole, expected) = (zipped(&dump()), read(&dump()).unwrap());
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert!(read(&damaged).map_or(true, |rows| rows == expected), "{at}");
    }
}

#[test]
fn lines_that_went_came_or_changed_places_are_found() {
    let whole = String::from_utf8(dump()).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for order in [&[0, 1, 3][..], &[0, 2, 1, 3], &[0, 1, 1, 2, 3], &[0, 3]] {
        let changed: Vec<&str> = order.iter().map(|line| lines[*line]).collect();
        let changed = changed.join("\n") + "\n";
        assert!(error(changed.as_bytes()).contains("checksum"), "{order:?}");
    }
    assert!(error(&[dump(), dump()].concat()).contains("goes on"));
    let rows = r#"{"tickets":2}"#;
    assert!(
        error(&by_hand(&[HEADER, TICKET], rows)).contains("checksum"),
        "its counts are wrong"
    );
}

#[test]
fn what_is_no_dump_is_named() {
    for (content, said) in [
        (&b""[..], "cut off after line 0"),
        (b"SQLite format 3\0 and so on", "server copy --from sqlite://"),
        (b"a text\n", "not a backup"),
        (b"{\"format\":\"other\",\"version\":1}\n", "not a backup"),
        (b"\xff\xfe\n", "not a backup"),
        (b"{\"format\":\"ticket-dump\",\"version\":2}\n", "newer version"),
    ] {
        assert!(error(content).contains(said), "{}", error(content));
        assert!(error(&zipped(content)).len() > 10);
    }
}

#[test]
fn a_line_that_is_no_row_is_named_and_not_shown() {
    for (from, to) in [
        ("\"number\":7", "\"number\":\"secret\""),
        ("\"number\":7", "\"number\":7,\"secret\":1"),
        ("\"subject\":\"Bottles\",", ""),
        ("tickets", "secrets"),
    ] {
        let said = error(&by_hand(&[HEADER, RECEIPT, &TICKET.replacen(from, to, 1)], "{}"));
        assert!(
            said.contains("line 3 can't be read") && !said.contains("secret"),
            "{said}"
        );
    }
}

#[test]
fn a_value_that_the_domain_refuses_is_named_and_not_shown() {
    for (from, to, column) in [
        ("+15550001111", "secret", "tickets.customer_phone"),
        ("\"Bottles\"", "\"Bottles \"", "tickets.subject"),
        ("manager", "nobody", "tickets.last_sender"),
        ("\"version\":1", "\"version\":-1", "tickets.version"),
    ] {
        let said = error(&by_hand(&[HEADER, &TICKET.replacen(from, to, 1)], "{}"));
        assert!(said.contains("line 2, the row with number 7"), "{said}");
        assert!(said.contains(column) && !said.contains("secret"), "{said}");
    }
}

/// A variant that is added to one of the domain's enums is in dumps at once.
#[test]
fn a_column_takes_every_word_of_its_enum_and_no_other() {
    for (line, column, words) in [
        (TICKET, "priority", Priority::words().collect::<Vec<_>>()),
        (TICKET, "status", Status::words().collect()),
        (TICKET, "last_sender", Sender::words().collect()),
        (NOTIFICATION, "event", EventKind::words().collect()),
        (NOTIFICATION, "state", Stage::words().collect()),
        (NOTIFICATION, "progress", Progress::words().collect()),
        (NOTIFICATION, "recipient", Recipient::words().collect()),
        (RECEIPT, "status", MessageStatus::words().collect()),
        (
            AUDIT_ENTRY,
            "actor",
            ActorKind::words().chain(["operator:zoe"]).collect(),
        ),
    ] {
        let checked = |word: &str| {
            let mut line: BTreeMap<Table, serde_json::Value> = serde_json::from_str(line).unwrap();
            for row in line.values_mut() {
                row[column] = word.into();
            }
            row(&serde_json::to_string(&line).unwrap()).check()
        };
        for word in words {
            assert!(checked(word).is_ok(), "{column}: {word}");
        }
        let refused = checked("nobody").unwrap_err().to_string();
        assert!(refused.contains(column), "{refused}");
    }
}

/// A column that came into the schema later has in an older dump what the migration gave it.
#[test]
fn an_absent_field_is_a_default() {
    let older = TICKET.replace(",\"last_sender\":\"manager\"", "");
    let read = read(&by_hand(&[HEADER, &older], r#"{"tickets":1}"#)).unwrap();
    assert_eq!(read, [row(&TICKET.replace("\"manager\"", "\"customer\""))]);
    let receipt = RECEIPT.replace("\"error_code\":null,", "");
    assert_eq!(row(&receipt), row(RECEIPT));
}

#[test]
fn a_lease_is_handed_back() {
    let Row::Notifications(mut notification) = row(NOTIFICATION) else {
        unreachable!()
    };
    let due_at = notification.due_at;
    notification.hand_back();
    assert_eq!(notification.due_at, due_at, "nobody held it");
    notification.lease = Some(notification.id);
    notification.hand_back();
    assert_eq!(
        (notification.lease, notification.due_at),
        (None, notification.attempted_at)
    );
    notification.lease = Some(notification.id);
    let released = notification.attempted_at;
    notification.due_at = Some(notification.created_at);
    notification.hand_back();
    assert_eq!(notification.due_at, released.min(Some(notification.created_at)));
}

#[test]
fn two_dumps_are_told_apart_whatever_their_order() {
    let summary = |lines: &[&str]| {
        let mut summary = Summary::default();
        for line in lines {
            summary.add(&row(line)).unwrap();
        }
        summary
    };
    let whole = summary(&[TICKET, RECEIPT]);
    assert_eq!(whole.difference(&summary(&[RECEIPT, TICKET])), None);
    for (other, table) in [
        (summary(&[TICKET]), Table::Receipts),
        (summary(&[TICKET, RECEIPT, RECEIPT]), Table::Receipts),
        (summary(&[TICKET, &RECEIPT.replace("SM-1", "SM-2")]), Table::Receipts),
        (summary(&[&TICKET.replace("high", "low"), RECEIPT]), Table::Tickets),
    ] {
        assert_eq!(whole.difference(&other), Some(table));
    }
}
