//! Notifications that did not arrive, and the trail of what was done about it.

use ticket_domain::ports::Clock;

use crate::inbox::testing::Desk;

#[actix_web::test]
async fn what_failed_is_sent_again() {
    let desk = Desk::open();
    let visitor = desk.sign_in().await;
    visitor
        .get("/inbox/notifications")
        .await
        .shows(&["Everything has been delivered."]);
    let ticket = desk.ticket().await;
    visitor
        .get("/inbox/notifications")
        .await
        .shows(&[">Waiting</span>", &ticket.to_string(), "Send again"]);
    desk.fail_notifications("n8n answered <503>").await;
    desk.clock.pass(7_200);
    let page = visitor.get("/inbox/notifications").await;
    page.shows(&[
        ">Failed</span>",
        "Given up 2 h ago, after 1 try.",
        ">2 h</time>",
        "Last try: n8n answered &lt;503&gt;",
        "1 notification failed</a>",
        "Send all that failed again",
    ]);
    let (_, action) = page.text.split_once("action=\"/inbox/notifications/0").unwrap();
    let path = format!("/inbox/notifications/0{}", action.split('"').next().unwrap());
    let page = visitor.act(&path, &[]).await;
    page.shows(&["The notification is on its way again.", ">Waiting</span>"]);
    page.lacks(&["Send all that failed again"]);
    for (missing, expected) in [("01946ba6-0000-7000-8000-000000000000", 303), ("nonsense", 404)] {
        let answer = visitor
            .post(&format!("/inbox/notifications/{missing}/redeliver"), &[])
            .await;
        assert_eq!(answer.status, expected, "{missing}");
    }
}

#[actix_web::test]
async fn what_waits_for_long_or_for_a_word_is_told() {
    let desk = Desk::with(|setup| setup.has_receiver = false);
    let visitor = desk.sign_in().await;
    let ticket = desk.ticket().await;
    visitor.get("/inbox").await.lacks(&["notification waits"]);
    desk.clock.pass(600);
    visitor
        .get("/inbox")
        .await
        .shows(&["1 notification waits</a>, up to 10 min"]);
    desk.store.hold_unaddressed(desk.clock.now()).await.unwrap();
    let page = visitor.get("/inbox/notifications").await;
    page.shows(&[
        ">1 held</a>",
        ">Held</span>",
        "It goes out when you say so.",
        &ticket.to_string(),
    ]);
    let (_, action) = page.text.split_once("action=\"/inbox/notifications/0").unwrap();
    let path = format!("/inbox/notifications/0{}", action.split('"').next().unwrap());
    visitor
        .act(&path, &[])
        .await
        .shows(&["on its way again", ">Waiting</span>"]);
}

#[actix_web::test]
async fn all_that_failed_are_sent_again_at_once() {
    let desk = Desk::open();
    let visitor = desk.sign_in().await;
    for _ in 0..40 {
        desk.ticket().await;
    }
    desk.fail_notifications(&"it broke ".repeat(50)).await;
    let page = visitor.get("/inbox/notifications").await;
    page.shows(&["40 notifications failed for good.", "And 20 others."]);
    assert!(page.text.len() < 50 * 1024, "{}", page.text.len());
    let page = visitor.act("/inbox/notifications/redeliver", &[]).await;
    page.shows(&["40 notifications are on their way again."]);
    let page = visitor.act("/inbox/notifications/redeliver", &[]).await;
    page.shows(&["Nothing to send again"]);
    visitor
        .get("/inbox/trail")
        .await
        .shows(&["Had 40 notifications sent again that had failed"]);
}

#[actix_web::test]
async fn the_trail_tells_everything_that_was_done() {
    let desk = Desk::open();
    let visitor = desk.sign_in().await;
    visitor.get("/inbox/trail").await.shows(&["Nothing yet."]);
    let ticket = desk.ticket().await;
    let path = |what: &str| format!("/inbox/ticket/{ticket}/{what}");
    for number in 0..30 {
        desk.clock.pass(1);
        visitor
            .act(&path("reply"), &[("message", &format!("Answer {number}"))])
            .await;
        desk.clock.pass(1);
        let status = if number % 2 == 0 { "resolved" } else { "open" };
        visitor.act(&path("status"), &[("status", status)]).await;
    }
    let page = visitor.get("/inbox/trail").await;
    page.shows(&[
        "Wrote <a",
        "Status: Open → <b>Resolved</b>",
        &ticket.to_string(),
        ">Older</a>",
    ]);
    assert_eq!(page.text.matches("class=\"when\"").count(), 50);
    let (before, _) = page.text.split_once("\">Older</a>").unwrap();
    let older = visitor.get(before.rsplit_once("href=\"").unwrap().1).await;
    assert_eq!(older.text.matches("class=\"when\"").count(), 10);
    older.lacks(&[">Older</a>"]);
}
