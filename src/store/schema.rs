//! The tables as diesel sees them: only types that SQLite and PostgreSQL share. A test holds this file against the tables
//! and columns that both migration trees really make.

diesel::table! {
    installation (only_one) {
        only_one -> Integer,
        id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    projects (name) {
        name -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    users (name) {
        name -> Text,
        password_hash -> Nullable<Text>,
        group_names -> Text,
        administrator -> Bool,
        active -> Bool,
        created_at -> Timestamp,
        password_changed_at -> Nullable<Timestamp>,
        person -> Nullable<Text>,
        email -> Nullable<Text>,
        slack -> Nullable<Text>,
    }
}

diesel::table! {
    login_failures (account) {
        account -> Text,
        failures -> Integer,
        last_at -> Timestamp,
    }
}

diesel::table! {
    setup_links (token_hash) {
        token_hash -> Text,
        created_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    sessions (id_hash) {
        id_hash -> Text,
        user_name -> Text,
        csrf -> Text,
        created_at -> Timestamp,
        last_seen_at -> Timestamp,
        authenticated_at -> Timestamp,
        expires_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
        ip -> Text,
        user_agent -> Text,
    }
}

diesel::table! {
    api_tokens (id) {
        id -> Text,
        token_hash -> Text,
        principal -> Text,
        label -> Text,
        scopes -> Nullable<Text>,
        created_at -> Timestamp,
        expires_at -> Nullable<Timestamp>,
        last_used_at -> Nullable<Timestamp>,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    definitions (id) {
        id -> Text,
        project -> Text,
        kind -> Text,
        name -> Text,
        job_id -> Nullable<Text>,
        revision -> BigInt,
        digest -> Text,
        updated_at -> Timestamp,
        deleted_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    revisions (definition_id, revision) {
        definition_id -> Text,
        revision -> BigInt,
        digest -> Text,
        source -> Text,
        canonical -> Text,
        author -> Text,
        message -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    vault_checks (key_version) {
        key_version -> Integer,
        nonce -> Binary,
        cipher -> Binary,
        created_at -> Timestamp,
    }
}

diesel::table! {
    secrets (path, version) {
        path -> Text,
        version -> BigInt,
        kind -> Text,
        nonce -> Binary,
        cipher -> Binary,
        key_version -> Integer,
        created_at -> Timestamp,
        created_by -> Text,
        deleted -> Bool,
    }
}

diesel::table! {
    blobs (id) {
        id -> Text,
        project -> Text,
        kind -> Text,
        name -> Text,
        sha256 -> Text,
        size -> BigInt,
        nonce -> Binary,
        cipher -> Binary,
        key_version -> Integer,
        created_at -> Timestamp,
        created_by -> Text,
    }
}

diesel::table! {
    host_keys (project, host, port, kind) {
        project -> Text,
        host -> Text,
        port -> Integer,
        kind -> Text,
        key_base64 -> Text,
        fingerprint -> Text,
        enrolled_by -> Text,
        enrolled_at -> Timestamp,
    }
}

diesel::table! {
    runs (number) {
        number -> BigInt,
        project -> Text,
        job_id -> Text,
        job_path -> Text,
        job_revision -> BigInt,
        state -> Text,
        requester -> Text,
        origin_word -> Text,
        origin -> Text,
        reason -> Text,
        plan_digest -> Text,
        environment -> Nullable<Text>,
        start_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        queued_at -> Nullable<Timestamp>,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        end_reason -> Text,
        approval_id -> Nullable<Text>,
        attempt -> Integer,
        lease_owner -> Nullable<Text>,
        lease_until -> Nullable<Timestamp>,
        fence -> BigInt,
        concurrency_key -> Nullable<Text>,
        log_bytes -> BigInt,
        log_truncated -> Bool,
        worked_ms -> BigInt,
    }
}

diesel::table! {
    run_plans (run) {
        run -> BigInt,
        plan -> Text,
    }
}

diesel::table! {
    run_options (run, name) {
        run -> BigInt,
        name -> Text,
        value -> Text,
        value_digest -> Text,
    }
}

diesel::table! {
    run_nodes (run, node) {
        run -> BigInt,
        node -> Text,
        position -> Integer,
    }
}

diesel::table! {
    run_steps (run, node, step_index, attempt) {
        run -> BigInt,
        node -> Text,
        step_index -> Integer,
        step_name -> Text,
        attempt -> Integer,
        state -> Text,
        exit_code -> Nullable<Integer>,
        message -> Text,
        started_at -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
        ticket -> Nullable<Text>,
        begun -> Bool,
    }
}

diesel::table! {
    approvals (id) {
        id -> Text,
        run -> BigInt,
        project -> Text,
        job_path -> Text,
        state -> Text,
        policy -> Text,
        need -> Text,
        plan_digest -> Text,
        requester -> Text,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        decided_at -> Nullable<Timestamp>,
        void_reason -> Nullable<Text>,
        known_as -> Text,
        thread -> Text,
        replaces -> Nullable<Text>,
        replaced_by -> Nullable<Text>,
        escalated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    break_glass (run) {
        run -> BigInt,
        project -> Text,
        job_path -> Text,
        policy -> Text,
        plan_digest -> Text,
        user_name -> Text,
        known_as -> Text,
        reason -> Text,
        created_at -> Timestamp,
        review_by -> Timestamp,
        reviewed_by -> Nullable<Text>,
        reviewed_at -> Nullable<Timestamp>,
        note -> Nullable<Text>,
        freezes -> Text,
        remind_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    delegations (id) {
        id -> Text,
        project -> Text,
        role -> Text,
        from_user -> Text,
        to_user -> Text,
        reason -> Text,
        created_at -> Timestamp,
        ends_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    approval_timers (approval, kind) {
        approval -> Text,
        kind -> Text,
        due_at -> Timestamp,
    }
}

diesel::table! {
    signatures (approval, user_name, verdict) {
        approval -> Text,
        user_name -> Text,
        verdict -> Text,
        reason -> Text,
        roles -> Text,
        digest -> Text,
        source -> Text,
        signed_at -> Timestamp,
        known_as -> Text,
        on_behalf_of -> Nullable<Text>,
    }
}

diesel::table! {
    pinned_jobs (user_name, project, job_id) {
        user_name -> Text,
        project -> Text,
        job_id -> Text,
        pinned_at -> Timestamp,
    }
}

diesel::table! {
    webhook_tokens (project, name) {
        project -> Text,
        name -> Text,
        nonce -> Binary,
        token_hash -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    events (id) {
        id -> Text,
        project -> Text,
        source -> Text,
        event_type -> Text,
        payload -> Text,
        headers -> Text,
        dedupe_key -> Text,
        received_at -> Timestamp,
        verdict -> Text,
        detail -> Text,
        run -> Nullable<BigInt>,
        depth -> Integer,
        matched -> Bool,
        match_claim -> Nullable<Text>,
        match_until -> Nullable<Timestamp>,
        awaits_labels -> Bool,
    }
}

diesel::table! {
    verdicts (event_id, definition_id, revision) {
        event_id -> Text,
        definition_id -> Text,
        revision -> BigInt,
        project -> Text,
        rule -> Text,
        live -> Bool,
        outcome -> Text,
        detail -> Text,
        criteria -> Text,
        guards -> Text,
        proposal -> Nullable<Text>,
        run -> Nullable<BigInt>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    enforcements (id) {
        id -> Text,
        event_id -> Text,
        definition_id -> Text,
        revision -> BigInt,
        project -> Text,
        rule -> Text,
        live -> Bool,
        action -> Text,
        rate_key -> Nullable<Text>,
        breaker_key -> Nullable<Text>,
        nodes -> Integer,
        run -> Nullable<BigInt>,
        created_at -> Timestamp,
        mark -> Nullable<Text>,
        marked_by -> Nullable<Text>,
        marked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    rule_claims (definition_id, live, key) {
        definition_id -> Text,
        live -> Bool,
        key -> Text,
        event_id -> Text,
        until -> Timestamp,
    }
}

diesel::table! {
    rule_states (definition_id, digest) {
        definition_id -> Text,
        digest -> Text,
        project -> Text,
        rule -> Text,
        live_revision -> Nullable<BigInt>,
        asked_by -> Nullable<Text>,
        asked_at -> Nullable<Timestamp>,
        promoted_by -> Nullable<Text>,
        promoted_at -> Nullable<Timestamp>,
        breaker -> Text,
        breaker_since -> Nullable<Timestamp>,
        breaker_reason -> Text,
        breaker_probe -> Nullable<Text>,
        changes -> BigInt,
    }
}

diesel::table! {
    event_tallies (project, day, source, event_type, rule, outcome) {
        project -> Text,
        day -> Text,
        source -> Text,
        event_type -> Text,
        rule -> Text,
        outcome -> Text,
        count -> BigInt,
    }
}

diesel::table! {
    backtests (id) {
        id -> Text,
        project -> Text,
        rule -> Text,
        definition_id -> Nullable<Text>,
        text -> Text,
        since -> Timestamp,
        until -> Timestamp,
        asked_by -> Text,
        asked_at -> Timestamp,
        state -> Text,
        looked_at -> BigInt,
        total -> BigInt,
        report -> Nullable<Text>,
        error -> Text,
        claim -> Nullable<Text>,
        claim_until -> Nullable<Timestamp>,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    idempotency (principal, key) {
        principal -> Text,
        key -> Text,
        route -> Text,
        request_digest -> Text,
        status -> Nullable<Integer>,
        body -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    audit (seq) {
        seq -> BigInt,
        at -> Timestamp,
        actor -> Text,
        source -> Text,
        action -> Text,
        resource -> Text,
        project -> Nullable<Text>,
        detail -> Text,
        previous -> Text,
        hash -> Text,
    }
}

diesel::table! {
    audit_head (only_one) {
        only_one -> Integer,
        seq -> BigInt,
        hash -> Text,
    }
}

diesel::table! {
    log_archives (run) {
        run -> BigInt,
        state -> Text,
        installation -> Text,
        objects -> Text,
        failed -> Integer,
        error -> Text,
        next_at -> Timestamp,
        stored_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    notices (id) {
        id -> Text,
        project -> Text,
        kind -> Text,
        approval -> Nullable<Text>,
        run -> Nullable<BigInt>,
        audience -> Text,
        actor -> Nullable<Text>,
        words -> Text,
        state -> Text,
        attempts -> Integer,
        next_at -> Timestamp,
        error -> Text,
        created_at -> Timestamp,
        rule -> Nullable<Text>,
        event -> Nullable<Text>,
        more -> Integer,
        gather_until -> Nullable<Timestamp>,
    }
}

diesel::table! {
    notice_deliveries (notice, channel, recipient) {
        notice -> Text,
        channel -> Text,
        recipient -> Text,
        state -> Text,
        attempts -> Integer,
        next_at -> Timestamp,
        sent_at -> Nullable<Timestamp>,
        error -> Text,
    }
}

diesel::table! {
    slack_presses (digest) {
        digest -> Text,
        pressed_at -> Timestamp,
    }
}

diesel::table! {
    slack_answers (run) {
        run -> BigInt,
        nonce -> Binary,
        cipher -> Binary,
        key_version -> Integer,
        until -> Timestamp,
    }
}

diesel::table! {
    source_states (definition_id, place) {
        definition_id -> Text,
        place -> Text,
        project -> Text,
        name -> Text,
        position_digest -> Text,
        position -> Text,
        next_at -> Nullable<Timestamp>,
        resting -> Bool,
        claim -> Nullable<Text>,
        claim_until -> Nullable<Timestamp>,
        failures -> Integer,
        error -> Text,
        failed_at -> Nullable<Timestamp>,
        event_at -> Nullable<Timestamp>,
        changes -> BigInt,
    }
}

diesel::table! {
    source_seen (definition_id, key) {
        definition_id -> Text,
        key -> Text,
        gone_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    event_labels (event_id, definition_id) {
        event_id -> Text,
        definition_id -> Text,
        project -> Text,
        enricher -> Text,
        revision -> BigInt,
        label -> Text,
        made_at -> Timestamp,
    }
}

diesel::table! {
    enricher_answers (key) {
        key -> Text,
        definition_id -> Text,
        label -> Text,
        until -> Timestamp,
    }
}

diesel::table! {
    enricher_calls (definition_id, since) {
        definition_id -> Text,
        since -> Timestamp,
        until -> Timestamp,
        calls -> BigInt,
    }
}

diesel::table! {
    taught_labels (definition_id, event_id) {
        definition_id -> Text,
        event_id -> Text,
        project -> Text,
        enricher -> Text,
        label -> Text,
        text -> Text,
        taught_by -> Text,
        taught_at -> Timestamp,
    }
}

diesel::joinable!(notice_deliveries -> notices (notice));
diesel::joinable!(sessions -> users (user_name));
diesel::joinable!(revisions -> definitions (definition_id));
diesel::joinable!(approvals -> runs (run));
diesel::joinable!(run_nodes -> runs (run));
diesel::joinable!(run_plans -> runs (run));
diesel::joinable!(run_options -> runs (run));
diesel::allow_tables_to_appear_in_same_query!(
    installation,
    projects,
    users,
    login_failures,
    setup_links,
    sessions,
    api_tokens,
    definitions,
    revisions,
    vault_checks,
    secrets,
    blobs,
    host_keys,
    runs,
    run_options,
    run_nodes,
    run_plans,
    run_steps,
    approval_timers,
    approvals,
    break_glass,
    delegations,
    signatures,
    log_archives,
    notices,
    notice_deliveries,
    slack_presses,
    slack_answers,
    pinned_jobs,
    webhook_tokens,
    events,
    verdicts,
    enforcements,
    rule_claims,
    rule_states,
    backtests,
    event_tallies,
    source_states,
    source_seen,
    event_labels,
    enricher_answers,
    enricher_calls,
    taught_labels,
    idempotency,
    audit,
    audit_head
);
