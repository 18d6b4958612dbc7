//! The tables as diesel knows them. A test compares them with what the migrations make.

diesel::table! {
    tickets (id) {
        number -> BigInt,
        id -> Binary,
        reference -> Text,
        customer_name -> Text,
        customer_phone -> Text,
        customer_email -> Text,
        subject -> Text,
        priority -> Text,
        status -> Text,
        customer_key -> Text,
        reader_key -> Text,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        last_sender -> Text,
    }
}

diesel::table! {
    messages (id) {
        id -> Binary,
        ticket_id -> Nullable<Binary>,
        seq -> Nullable<BigInt>,
        sender -> Text,
        channel -> Text,
        from_phone -> Nullable<Text>,
        body -> Text,
        media_url -> Nullable<Text>,
        external_id -> Nullable<Text>,
        created_at -> BigInt,
        question_id -> Nullable<Binary>,
    }
}

diesel::table! {
    notifications (id) {
        id -> Binary,
        ticket_id -> Binary,
        seq -> BigInt,
        event -> Text,
        payload -> Binary,
        addressed -> Bool,
        state -> Text,
        due_at -> Nullable<BigInt>,
        scheduled_at -> BigInt,
        lease -> Nullable<Binary>,
        failures -> BigInt,
        tried_at -> Nullable<BigInt>,
        probed_at -> Nullable<BigInt>,
        released -> Bool,
        last_error -> Nullable<Text>,
        external_id -> Nullable<Text>,
        settled_at -> Nullable<BigInt>,
        created_at -> BigInt,
        progress -> Text,
        route -> Text,
        round -> BigInt,
    }
}

diesel::table! {
    idempotency_keys (key) {
        key -> Text,
        digest -> Binary,
        ticket_id -> Binary,
        expires_at -> BigInt,
        message_id -> Nullable<Binary>,
    }
}

diesel::table! {
    questions (id) {
        id -> Binary,
        of_phone -> Text,
        choices -> Text,
        text -> Text,
        is_run -> Bool,
        begun_at -> BigInt,
        asked_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        answered_by -> Nullable<Text>,
        answered_with -> Nullable<Binary>,
        attached -> Nullable<BigInt>,
    }
}

diesel::table! {
    earlier_ids (external_id, notification_id) {
        external_id -> Text,
        notification_id -> Binary,
    }
}

diesel::table! {
    receipts (external_id) {
        external_id -> Text,
        status -> Text,
        error_code -> Nullable<BigInt>,
        at -> BigInt,
    }
}

diesel::table! {
    trail (id) {
        id -> Binary,
        at -> BigInt,
        ticket_id -> Nullable<Binary>,
        act -> Text,
        was -> Nullable<Text>,
        became -> Nullable<Text>,
        subject -> Nullable<Binary>,
        amount -> Nullable<BigInt>,
    }
}

diesel::joinable!(messages -> tickets (ticket_id));
diesel::joinable!(notifications -> tickets (ticket_id));
diesel::joinable!(idempotency_keys -> tickets (ticket_id));
diesel::joinable!(idempotency_keys -> messages (message_id));
diesel::joinable!(trail -> tickets (ticket_id));
diesel::joinable!(messages -> questions (question_id));
diesel::joinable!(questions -> tickets (answered_with));
diesel::joinable!(earlier_ids -> notifications (notification_id));
diesel::allow_tables_to_appear_in_same_query!(
    tickets,
    messages,
    notifications,
    idempotency_keys,
    questions,
    earlier_ids,
    receipts,
    trail,
);
