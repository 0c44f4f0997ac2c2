-- The way of an event: accepted, fanned out, delivered, recorded.
--
-- Locks: none that matter, every table is new. Safe to run again: no (it runs once, in one transaction).
--
-- Ids are UUIDv7 (RFC 9562): they sort by time, so they serve as the key of time-range partitions as well. A delivery's
-- id carries the millisecond of its event's id, so everything made for one event lies in one narrow range of the
-- primary keys of deliveries and attempts, and needs no index of its own.
--
-- There are no foreign keys between the growing tables: they doubled the cost of a delivery and make dropping a
-- partition scan its neighbours.

-- Ids ------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION uuid_v7_floor(at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;
COMMENT ON FUNCTION uuid_v7_floor(timestamptz) IS 'The smallest id of that millisecond: a bound for partitions and time filters.';

CREATE FUNCTION uuid_v7_time(id uuid) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT to_timestamp(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0) $$;
COMMENT ON FUNCTION uuid_v7_time(uuid) IS 'When a UUIDv7 was made, to the millisecond.';

CREATE FUNCTION delivery_id_of(event_id uuid) RETURNS uuid
    LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
    AS $$ SELECT (left(event_id::text, 15) || right(gen_random_uuid()::text, 21))::uuid $$;
COMMENT ON FUNCTION delivery_id_of(uuid) IS 'A new UUIDv7 with the millisecond of the event''s id and 74 random bits.';

-- What customers configured ---------------------------------------------------------------------------------------------

CREATE SEQUENCE webhook_revisions;
COMMENT ON SEQUENCE webhook_revisions IS 'Where revisions come from: one for all webhooks, so a revision is never given twice.';

CREATE TABLE webhooks (
    webhook_id          uuid        PRIMARY KEY,
    account_id          text        NOT NULL,
    name                text        NOT NULL,
    url                 text        NOT NULL,
    description         text        NOT NULL DEFAULT '',
    subscribed_events   text[]      NOT NULL,
    headers             json        NOT NULL DEFAULT '[]',
    metadata            json        NOT NULL DEFAULT '{}',
    max_concurrency     integer     CHECK (max_concurrency > 0),
    max_rate_per_second integer     CHECK (max_rate_per_second > 0),
    enabled             boolean     NOT NULL DEFAULT true,
    disabled_reason     text,
    disabled_at         timestamptz,
    failing_since       timestamptz,
    revision            bigint      NOT NULL DEFAULT nextval('webhook_revisions'),
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at          timestamptz,
    CHECK (enabled = (disabled_at IS NULL)),
    CHECK (enabled = (disabled_reason IS NULL))
);
COMMENT ON TABLE  webhooks IS 'A customer''s endpoint and what it wants to hear of. Grows with customers.';
COMMENT ON COLUMN webhooks.webhook_id IS 'UUIDv7, made by the daemon.';
COMMENT ON COLUMN webhooks.account_id IS 'Whose it is: the platform''s own name of the account.';
COMMENT ON COLUMN webhooks.name IS 'For people.';
COMMENT ON COLUMN webhooks.url IS 'Where to POST; normalised (A-labels, no default port).';
COMMENT ON COLUMN webhooks.description IS 'For people.';
COMMENT ON COLUMN webhooks.subscribed_events IS 'Event types, call.*, or *.';
COMMENT ON COLUMN webhooks.headers IS 'Custom headers as [[name, value], …], in the customer''s order.';
COMMENT ON COLUMN webhooks.metadata IS 'The platform''s own object, kept as given.';
COMMENT ON COLUMN webhooks.max_concurrency IS 'Requests at once; null: the configuration''s limit.';
COMMENT ON COLUMN webhooks.max_rate_per_second IS 'Requests a second; null: no limit.';
COMMENT ON COLUMN webhooks.enabled IS 'Disabled ones get no new deliveries; pending ones wait.';
COMMENT ON COLUMN webhooks.disabled_reason IS 'requested, gone (the receiver answered 410) or failing (see failing_since).';
COMMENT ON COLUMN webhooks.disabled_at IS 'Since when it is disabled.';
COMMENT ON COLUMN webhooks.failing_since IS 'Every attempt since then has failed; null after a success.';
COMMENT ON COLUMN webhooks.revision IS 'Grows with every change of this row or its secrets: what a daemon compares its copy with.';
COMMENT ON COLUMN webhooks.created_at IS 'When it was created.';
COMMENT ON COLUMN webhooks.updated_at IS 'When the customer last changed it.';
COMMENT ON COLUMN webhooks.changed_at IS 'When the row last changed for any reason: what the other daemons look for.';
COMMENT ON COLUMN webhooks.deleted_at IS 'Deleted, but kept for its history.';

CREATE INDEX webhooks_subscribed ON webhooks (account_id) WHERE enabled AND deleted_at IS NULL;
COMMENT ON INDEX webhooks_subscribed IS 'Fan-out: whom does an account''s event concern.';
CREATE INDEX webhooks_listed ON webhooks (account_id, webhook_id) WHERE deleted_at IS NULL;
COMMENT ON INDEX webhooks_listed IS 'Lists of the API.';
CREATE INDEX webhooks_changed ON webhooks (changed_at);
COMMENT ON INDEX webhooks_changed IS 'What other daemons changed.';

CREATE TABLE webhook_secrets (
    secret_id  uuid        PRIMARY KEY,
    webhook_id uuid        NOT NULL REFERENCES webhooks,
    sealed     bytea       NOT NULL,
    key_id     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz
);
COMMENT ON TABLE  webhook_secrets IS 'The secrets that sign for a webhook, sealed. More than one during a rotation.';
COMMENT ON COLUMN webhook_secrets.secret_id IS 'UUIDv7, made by the daemon; part of what the seal is bound to.';
COMMENT ON COLUMN webhook_secrets.webhook_id IS 'Whose secret.';
COMMENT ON COLUMN webhook_secrets.sealed IS 'AES-256-GCM: version, nonce, ciphertext, tag; bound to table, row, account and key id.';
COMMENT ON COLUMN webhook_secrets.key_id IS 'Which master key sealed it.';
COMMENT ON COLUMN webhook_secrets.created_at IS 'When it was made.';
COMMENT ON COLUMN webhook_secrets.expires_at IS 'End of the grace period of a replaced secret; null: the newest.';
CREATE INDEX webhook_secrets_of ON webhook_secrets (webhook_id);

-- The catalogue ---------------------------------------------------------------------------------------------------------

CREATE TABLE event_types (
    event_type  text        PRIMARY KEY,
    description text        NOT NULL DEFAULT '',
    sample      json,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE  event_types IS 'The event types that may be published. A platform adds its own.';
COMMENT ON COLUMN event_types.event_type IS 'Dotted lower-case name.';
COMMENT ON COLUMN event_types.description IS 'For people.';
COMMENT ON COLUMN event_types.sample IS 'A whole publish request, as an example.';
COMMENT ON COLUMN event_types.created_at IS 'When it was added.';

INSERT INTO event_types (event_type, description) VALUES
    ('call.started',       'A call began.'),
    ('call.ended',         'A call ended in the ordinary way.'),
    ('call.failed',        'A call could not be made or broke off.'),
    ('call.transcript',    'The transcript of a call is ready.'),
    ('call.recording',     'The recording of a call is ready.'),
    ('call.summary',       'The summary of a call is ready.'),
    ('calendar.created',   'An appointment was made.'),
    ('calendar.updated',   'An appointment was changed.'),
    ('calendar.cancelled', 'An appointment was cancelled.'),
    ('calendar.completed', 'An appointment took place.'),
    ('calendar.reminder',  'An appointment is near.');

-- Who may call the API --------------------------------------------------------------------------------------------------

CREATE TABLE api_keys (
    api_key_id   uuid        PRIMARY KEY,
    account_id   text,
    name         text        NOT NULL,
    hash         bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    hint         text        NOT NULL,
    permissions  text[]      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz,
    revoked_at   timestamptz,
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE  api_keys IS 'Keys of the API. The keys themselves are nowhere.';
COMMENT ON COLUMN api_keys.api_key_id IS 'UUIDv7, made by the daemon.';
COMMENT ON COLUMN api_keys.account_id IS 'The account it is bound to; null: a platform key, which acts for any account.';
COMMENT ON COLUMN api_keys.name IS 'For people.';
COMMENT ON COLUMN api_keys.hash IS 'SHA-256 of the key.';
COMMENT ON COLUMN api_keys.hint IS 'Its first characters, to recognise it by.';
COMMENT ON COLUMN api_keys.permissions IS 'publish, read, manage_webhooks, manage_keys.';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made.';
COMMENT ON COLUMN api_keys.last_used_at IS 'Last use, to the minute or so.';
COMMENT ON COLUMN api_keys.revoked_at IS 'Since when it is refused.';
COMMENT ON COLUMN api_keys.changed_at IS 'When the row last changed: what the other daemons look for.';
CREATE INDEX api_keys_changed ON api_keys (changed_at);

-- Daemons ---------------------------------------------------------------------------------------------------------------

CREATE TABLE instances (
    instance_id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text        NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_count bigint      NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE  instances IS 'One row a living daemon. Deleting the row ends all its leases.';
COMMENT ON COLUMN instances.instance_id IS 'The fencing token of the daemon''s leases: one term of one daemon, never used twice.';
COMMENT ON COLUMN instances.name IS 'Host and pid, for people.';
COMMENT ON COLUMN instances.started_at IS 'When this term began.';
COMMENT ON COLUMN instances.heartbeat_at IS 'Last sign of life, by the database''s clock.';
COMMENT ON COLUMN instances.heartbeat_count IS 'Grows with each sign of life: tells a dead daemon from a jump of the clock.';

-- Events ----------------------------------------------------------------------------------------------------------------

CREATE TABLE events (
    event_id    uuid        NOT NULL PRIMARY KEY,
    account_id  text        NOT NULL,
    event_type  text        NOT NULL,
    body        bytea       NOT NULL,
    traceparent text,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (event_id);
COMMENT ON TABLE  events IS 'What was accepted. Partitioned by day of the id; retention drops partitions.';
COMMENT ON COLUMN events.event_id IS 'UUIDv7, made by the daemon: its time is the partition.';
COMMENT ON COLUMN events.account_id IS 'Whose event.';
COMMENT ON COLUMN events.event_type IS 'Its type in the catalogue.';
COMMENT ON COLUMN events.body IS 'The bytes that every receiver gets. bytea: nothing may ever change a byte of it.';
COMMENT ON COLUMN events.traceparent IS 'W3C trace context of the publisher, if any.';
COMMENT ON COLUMN events.accepted_at IS 'When it was committed.';
-- Already compressed bodies do not shrink, small ones are not worth trying: lz4 costs a fraction of pglz.
ALTER TABLE events ALTER COLUMN body SET COMPRESSION lz4;
CREATE TABLE events_default PARTITION OF events DEFAULT;
COMMENT ON TABLE events_default IS 'Events whose day has no partition: only when a daemon''s clock is far off.';

CREATE TABLE idempotency_keys (
    account_id      text        NOT NULL,
    idempotency_key text        NOT NULL,
    event_id        uuid        NOT NULL,
    content_hash    bytea       NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, idempotency_key)
);
COMMENT ON TABLE  idempotency_keys IS 'Ids that publishers gave their events, kept for a window: a repeat gets the first answer.';
COMMENT ON COLUMN idempotency_keys.account_id IS 'Whose event.';
COMMENT ON COLUMN idempotency_keys.idempotency_key IS 'The publisher''s own id of the event.';
COMMENT ON COLUMN idempotency_keys.event_id IS 'The event that was stored for it.';
COMMENT ON COLUMN idempotency_keys.content_hash IS 'SHA-256 over type and content: tells a repeat from a conflict.';
COMMENT ON COLUMN idempotency_keys.created_at IS 'When it was first used.';
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- The delay queue -------------------------------------------------------------------------------------------------------

CREATE TABLE deliveries (
    delivery_id     uuid        PRIMARY KEY,
    event_id        uuid        NOT NULL,
    webhook_id      uuid        NOT NULL,
    account_id      text        NOT NULL,
    attempts_made   smallint    NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_owner     bigint,
    parked          boolean     NOT NULL DEFAULT false,
    CHECK (NOT (parked AND lease_owner IS NOT NULL))
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off
);
COMMENT ON TABLE  deliveries IS 'The delay queue: only what is not finished. A delivery leaves it in the commit that records its last attempt. Grows with the backlog.';
COMMENT ON COLUMN deliveries.delivery_id IS 'UUIDv7 with its event''s millisecond; what receivers see in X-Klen-Delivery-ID.';
COMMENT ON COLUMN deliveries.event_id IS 'What to deliver.';
COMMENT ON COLUMN deliveries.webhook_id IS 'Where to.';
COMMENT ON COLUMN deliveries.account_id IS 'Whose it is.';
COMMENT ON COLUMN deliveries.attempts_made IS 'Attempts on record.';
COMMENT ON COLUMN deliveries.next_attempt_at IS 'When the next attempt is due, by the database''s clock.';
COMMENT ON COLUMN deliveries.lease_owner IS 'The instance that is working on it; null: nobody.';
COMMENT ON COLUMN deliveries.parked IS 'Due, but its webhook has no room in its lane or is disabled: fetched by webhook, not by time, so that nobody walks over it.';

-- A delivery is born leased and deleted on success: it never enters these indexes unless it has to wait.
CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE lease_owner IS NULL AND NOT parked;
COMMENT ON INDEX deliveries_due IS 'What falls due, in order.';
CREATE INDEX deliveries_parked ON deliveries (webhook_id, next_attempt_at) WHERE lease_owner IS NULL AND parked;
COMMENT ON INDEX deliveries_parked IS 'What waits for room, by webhook.';

-- The record ------------------------------------------------------------------------------------------------------------

CREATE TABLE attempts (
    delivery_id      uuid        NOT NULL,
    attempt          smallint    NOT NULL,
    event_id         uuid        NOT NULL,
    webhook_id       uuid        NOT NULL,
    account_id       text        NOT NULL,
    decision         text        NOT NULL CHECK (decision IN ('delivered', 'retry', 'failed', 'cancelled')),
    error_class      text        NOT NULL DEFAULT 'none',
    status           smallint,
    message          text,
    started_at       timestamptz NOT NULL,
    duration_us      bigint      NOT NULL,
    next_attempt_at  timestamptz,
    remote_address   text,
    response_headers bytea,
    response_body    bytea,
    instance_id      bigint      NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
) PARTITION BY RANGE (delivery_id);
COMMENT ON TABLE  attempts IS 'Append-only: one row a POST, with what was decided; a delivery that is cancelled without a POST gets a row too. Partitioned by day of the delivery''s id.';
COMMENT ON COLUMN attempts.delivery_id IS 'Which delivery.';
COMMENT ON COLUMN attempts.attempt IS '1 for the first; no gaps.';
COMMENT ON COLUMN attempts.event_id IS 'What was delivered.';
COMMENT ON COLUMN attempts.webhook_id IS 'Where to.';
COMMENT ON COLUMN attempts.account_id IS 'Whose it is.';
COMMENT ON COLUMN attempts.decision IS 'delivered, retry, failed (none left) or cancelled.';
COMMENT ON COLUMN attempts.error_class IS 'none, http_status, timeout, … : one word for programs.';
COMMENT ON COLUMN attempts.status IS 'HTTP status; null: none came.';
COMMENT ON COLUMN attempts.message IS 'What went wrong, for the customer''s developer.';
COMMENT ON COLUMN attempts.started_at IS 'When the attempt began, by the database''s clock.';
COMMENT ON COLUMN attempts.duration_us IS 'Microseconds to its end.';
COMMENT ON COLUMN attempts.next_attempt_at IS 'When the next one was due; null: none.';
COMMENT ON COLUMN attempts.remote_address IS 'Address and port that were dialled.';
COMMENT ON COLUMN attempts.response_headers IS 'As received, cut at the limit.';
COMMENT ON COLUMN attempts.response_body IS 'Its first bytes, as received.';
COMMENT ON COLUMN attempts.instance_id IS 'Which daemon.';
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
COMMENT ON TABLE attempts_default IS 'Attempts whose day has no partition: only when a daemon''s clock is far off.';

-- Partitions ------------------------------------------------------------------------------------------------------------

CREATE FUNCTION make_partitions(days_ahead integer) RETURNS SETOF text
    LANGUAGE plpgsql
    AS $$
DECLARE
    parent text;
    day date;
    child text;
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    FOREACH parent IN ARRAY ARRAY['events', 'attempts'] LOOP
        FOR day IN SELECT generate_series(today - 1, today + days_ahead, interval '1 day')::date LOOP
            child := parent || '_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(child) IS NOT NULL;
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, parent,
                               uuid_v7_floor(day::timestamp AT TIME ZONE 'UTC'),
                               uuid_v7_floor((day + 1)::timestamp AT TIME ZONE 'UTC'));
                RETURN NEXT 'made ' || child;
            EXCEPTION WHEN check_violation THEN
                -- Rows of that day came before their partition did. They are as good where they are.
                NULL;
            END;
        END LOOP;
    END LOOP;
END $$;
COMMENT ON FUNCTION make_partitions(integer) IS 'Makes the missing partitions from yesterday to so many days ahead; returns what it made. A day that already has rows in the default partition stays there.';

CREATE FUNCTION drop_partitions(kept interval) RETURNS SETOF text
    LANGUAGE plpgsql
    AS $$
DECLARE
    child text;
    removed bigint;
    oldest timestamptz := date_trunc('day', now() - kept, 'UTC');
BEGIN
    FOR child IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('events'::regclass, 'attempts'::regclass) AND c.relname ~ '_\d{8}$'
          AND right(c.relname, 8) < to_char(oldest AT TIME ZONE 'UTC', 'YYYYMMDD')
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        RETURN NEXT 'dropped ' || child;
    END LOOP;
    -- The default partitions are never dropped: usually empty, so row by row is good enough.
    DELETE FROM events_default WHERE event_id < uuid_v7_floor(oldest);
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed > 0 THEN RETURN NEXT 'removed ' || removed || ' rows of events_default'; END IF;
    DELETE FROM attempts_default WHERE delivery_id < uuid_v7_floor(oldest);
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed > 0 THEN RETURN NEXT 'removed ' || removed || ' rows of attempts_default'; END IF;
END $$;
COMMENT ON FUNCTION drop_partitions(interval) IS 'Drops the partitions whose whole day is older than that; returns what it dropped.';

SELECT make_partitions(3);
