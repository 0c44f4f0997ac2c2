-- What the management API needs: deliveries to look through, resend and recover, health, operational events.
--
-- Locks: ACCESS EXCLUSIVE on the tables it alters, and it builds indexes on events and attempts: seconds a million rows.
-- Publishing stands still meanwhile. Safe to run again: no (it runs once, in one transaction).

-- Webhooks and their history --------------------------------------------------------------------------------------------

ALTER TABLE webhooks
    ADD COLUMN disabled_note       text,
    ADD COLUMN failing_reported_at timestamptz;
COMMENT ON COLUMN webhooks.disabled_note IS 'Why it was disabled, in the words of whoever did it.';
COMMENT ON COLUMN webhooks.failing_reported_at IS 'When webhook.failing was published for this series of failures; null: not yet.';

CREATE TABLE webhook_versions (
    webhook_id uuid        NOT NULL REFERENCES webhooks,
    revision   bigint      NOT NULL,
    url        text        NOT NULL,
    headers    json        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (webhook_id, revision)
);
COMMENT ON TABLE  webhook_versions IS 'What a webhook''s requests looked like, by revision: with an attempt''s row, its request headers can be written again as they were sent, without keeping them.';
COMMENT ON COLUMN webhook_versions.webhook_id IS 'Which webhook.';
COMMENT ON COLUMN webhook_versions.revision IS 'In force from this revision of the webhook on.';
COMMENT ON COLUMN webhook_versions.url IS 'As in webhooks.';
COMMENT ON COLUMN webhook_versions.headers IS 'As in webhooks.';
COMMENT ON COLUMN webhook_versions.created_at IS 'When it was written.';
INSERT INTO webhook_versions (webhook_id, revision, url, headers) SELECT webhook_id, 0, url, headers FROM webhooks;

ALTER TABLE webhook_secrets ADD COLUMN added_revision bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN webhook_secrets.added_revision IS 'Revision of the webhook with which it came: attempts of earlier revisions were not signed with it.';

CREATE TABLE senders (
    instance_id   bigint      PRIMARY KEY,
    header_prefix text        NOT NULL,
    user_agent    text        NOT NULL,
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE  senders IS 'What each daemon''s configuration put into its requests'' headers. Outlives the row in instances.';
COMMENT ON COLUMN senders.instance_id IS 'As in attempts.';
COMMENT ON COLUMN senders.header_prefix IS 'delivery.header_prefix.';
COMMENT ON COLUMN senders.user_agent IS 'Product and version.';
COMMENT ON COLUMN senders.seen_at IS 'When the maintenance last found the daemon in instances, or its begin: what retention goes by.';

-- Text is looked for whatever its case. In a database of locale C (as the service's own is) lower() knows ASCII alone, so
-- ICU's rules are used where the server has them.
CREATE FUNCTION fold_case(t text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(t) $$;
DO $$
BEGIN
    IF pg_encoding_to_char((SELECT encoding FROM pg_database WHERE datname = current_database())) = 'UTF8'
       AND EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') THEN
        CREATE OR REPLACE FUNCTION fold_case(t text) RETURNS text
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
            AS 'SELECT lower(t COLLATE "und-x-icu")';
    END IF;
END $$;
COMMENT ON FUNCTION fold_case(text) IS 'Without the difference between upper and lower case.';

-- Deliveries and attempts -----------------------------------------------------------------------------------------------

ALTER TABLE deliveries
    ADD COLUMN event_type    text     NOT NULL DEFAULT '',
    ADD COLUMN schedule_base smallint NOT NULL DEFAULT 0,
    ADD COLUMN manual        boolean  NOT NULL DEFAULT false,
    ADD COLUMN resume_at     timestamptz;
COMMENT ON COLUMN deliveries.event_type IS 'As the event''s.';
COMMENT ON COLUMN deliveries.schedule_base IS 'Attempts on record that do not count towards the schedule: manual ones, and those before it began anew. The schedule''s own number of the next attempt is attempts_made - schedule_base + 1.';
COMMENT ON COLUMN deliveries.manual IS 'The next attempt was asked for by hand: when it fails, nothing follows from it.';
COMMENT ON COLUMN deliveries.resume_at IS 'When the schedule''s next attempt is due, while a manual one is made; null: the schedule is over.';
UPDATE deliveries d SET event_type = e.event_type FROM events e WHERE e.event_id = d.event_id;

-- What is under way is kept apart from what waits: a few among a million would take long to find. The condition is always
-- true, and only a query that names the webhook implies it: without it the planner would take this index for a look-up
-- by delivery_id alone while the queue is nearly empty, and read all of it, dead entries included, for each delivery.
CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, (lease_owner IS NOT NULL), event_type, delivery_id)
    WHERE webhook_id IS NOT NULL;
COMMENT ON INDEX deliveries_of_webhook IS 'What a webhook still has to get, by state and type, newest first: lists, counts, cancelling.';

ALTER TABLE attempts
    ADD COLUMN event_type       text    NOT NULL DEFAULT '',
    ADD COLUMN manual           boolean NOT NULL DEFAULT false,
    ADD COLUMN signed_at        bigint,
    ADD COLUMN webhook_revision bigint  NOT NULL DEFAULT 0,
    ADD COLUMN superseded       boolean NOT NULL DEFAULT false;
COMMENT ON TABLE  attempts IS 'One row a POST, with what was decided; a delivery that is cancelled without a POST gets a row too. Nothing but superseded is ever changed. Partitioned by day of the delivery''s id.';
COMMENT ON COLUMN attempts.event_type IS 'As the event''s; empty when the event was gone already.';
COMMENT ON COLUMN attempts.manual IS 'Asked for by hand.';
COMMENT ON COLUMN attempts.signed_at IS 'Unix seconds in its headers; null: nothing was sent.';
COMMENT ON COLUMN attempts.webhook_revision IS 'Which revision of the webhook it was made with.';
COMMENT ON COLUMN attempts.superseded IS 'Was the delivery''s last one, until it was put into the queue again by hand. So a delivery is either in the queue, or has one row that is neither a retry nor superseded. Set in the commit that puts it there, and a guard that it is done once.';
UPDATE attempts a SET event_type = e.event_type FROM events e WHERE e.event_id = a.event_id;

-- Every list of a webhook's deliveries is a few walks along this index, newest first, one for each (decision, type).
CREATE INDEX attempts_of_webhook ON attempts (webhook_id, decision, event_type, delivery_id)
    WHERE decision <> 'retry' AND NOT superseded;
CREATE INDEX attempts_by_error ON attempts (webhook_id, error_class, event_type, delivery_id) WHERE error_class <> 'none';
COMMENT ON INDEX attempts_of_webhook IS 'A webhook''s finished deliveries by status and type, newest first.';
COMMENT ON INDEX attempts_by_error IS 'A webhook''s failed attempts by what went wrong, newest first.';

-- The condition: as with deliveries_of_webhook.
CREATE INDEX events_of_account ON events (account_id, event_type, event_id) WHERE account_id IS NOT NULL;
COMMENT ON INDEX events_of_account IS 'An account''s events by type, newest first.';

-- Jobs ------------------------------------------------------------------------------------------------------------------

CREATE TABLE webhook_jobs (
    job_id          uuid        PRIMARY KEY,
    webhook_id      uuid        NOT NULL,
    account_id      text        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('recover', 'cancel')),
    since           timestamptz,
    until           timestamptz NOT NULL,
    never_attempted boolean     NOT NULL DEFAULT false,
    state           text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'stopped')),
    stage           smallint    NOT NULL DEFAULT 0,
    position        uuid,
    examined        bigint      NOT NULL DEFAULT 0,
    changed         bigint      NOT NULL DEFAULT 0,
    message         text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz
);
COMMENT ON TABLE  webhook_jobs IS 'Work over many deliveries of a webhook, done in short steps by whichever daemon is free; each step''s progress is in its own commit, so it goes on where it stopped.';
COMMENT ON COLUMN webhook_jobs.job_id IS 'UUIDv7, made by the daemon.';
COMMENT ON COLUMN webhook_jobs.webhook_id IS 'Which webhook.';
COMMENT ON COLUMN webhook_jobs.account_id IS 'Whose it is.';
COMMENT ON COLUMN webhook_jobs.kind IS 'recover: send again what failed. cancel: take out of the queue what waits.';
COMMENT ON COLUMN webhook_jobs.since IS 'Events from then on; null: all.';
COMMENT ON COLUMN webhook_jobs.until IS 'Events up to then.';
COMMENT ON COLUMN webhook_jobs.never_attempted IS 'recover: also events that match now but were never sent to it.';
COMMENT ON COLUMN webhook_jobs.state IS 'running, done, or stopped (its webhook is gone).';
COMMENT ON COLUMN webhook_jobs.stage IS 'Which of its parts it is at.';
COMMENT ON COLUMN webhook_jobs.position IS 'Up to which id it has come in that part.';
COMMENT ON COLUMN webhook_jobs.examined IS 'What it has looked at.';
COMMENT ON COLUMN webhook_jobs.changed IS 'Deliveries it has put into the queue, or taken out.';
COMMENT ON COLUMN webhook_jobs.message IS 'Why it stopped.';
COMMENT ON COLUMN webhook_jobs.created_at IS 'When it was asked for.';
COMMENT ON COLUMN webhook_jobs.updated_at IS 'Its last step.';
COMMENT ON COLUMN webhook_jobs.finished_at IS 'When it ended.';
CREATE INDEX webhook_jobs_running ON webhook_jobs (updated_at) WHERE state = 'running';
COMMENT ON INDEX webhook_jobs_running IS 'Whose turn it is: the one whose last step is the longest ago.';
CREATE INDEX webhook_jobs_of ON webhook_jobs (webhook_id, job_id);
COMMENT ON INDEX webhook_jobs_of IS 'A webhook''s jobs, newest first.';

-- Health ----------------------------------------------------------------------------------------------------------------

CREATE TABLE webhook_health (
    webhook_id           uuid        PRIMARY KEY,
    last_success_at      timestamptz,
    last_failure_at      timestamptz,
    last_failure_class   text,
    consecutive_failures bigint      NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
COMMENT ON TABLE  webhook_health IS 'How a webhook has been doing. Written every few seconds from the daemons'' memory: a crash loses that much.';
COMMENT ON COLUMN webhook_health.webhook_id IS 'Which webhook.';
COMMENT ON COLUMN webhook_health.last_success_at IS 'End of the last delivered attempt.';
COMMENT ON COLUMN webhook_health.last_failure_at IS 'End of the last failed attempt.';
COMMENT ON COLUMN webhook_health.last_failure_class IS 'What went wrong then.';
COMMENT ON COLUMN webhook_health.consecutive_failures IS 'Failed attempts since the last delivered one.';

CREATE TABLE webhook_statistics (
    bucket_at  timestamptz NOT NULL,
    webhook_id uuid        NOT NULL,
    delivered  bigint      NOT NULL,
    failed     bigint      NOT NULL,
    durations  bigint[]    NOT NULL,
    PRIMARY KEY (webhook_id, bucket_at)
) WITH (fillfactor = 70);
COMMENT ON TABLE  webhook_statistics IS 'Attempts of a webhook in five minutes. Kept for two days.';
COMMENT ON COLUMN webhook_statistics.bucket_at IS 'Begin of the five minutes.';
COMMENT ON COLUMN webhook_statistics.webhook_id IS 'Which webhook.';
COMMENT ON COLUMN webhook_statistics.delivered IS 'Attempts that delivered.';
COMMENT ON COLUMN webhook_statistics.failed IS 'Attempts that failed.';
COMMENT ON COLUMN webhook_statistics.durations IS 'How many attempts took how long: element i counts those under 2^(i/2) ms that no earlier one counts.';
CREATE INDEX webhook_statistics_old ON webhook_statistics (bucket_at);

CREATE FUNCTION add_counts(a bigint[], b bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY i) FROM unnest(a, b) WITH ORDINALITY AS u (x, y, i) $$;
COMMENT ON FUNCTION add_counts(bigint[], bigint[]) IS 'Element by element; the shorter one is filled up with zeros.';

-- Operational events ----------------------------------------------------------------------------------------------------

CREATE TABLE operational_outbox (
    outbox_id  uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    event_type text        NOT NULL,
    payload    json        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE  operational_outbox IS 'Events about webhooks themselves, written in the commit that made them true, until a daemon has published them (with outbox_id as idempotency key).';
COMMENT ON COLUMN operational_outbox.outbox_id IS 'Idempotency key of the event.';
COMMENT ON COLUMN operational_outbox.event_type IS 'webhook.disabled, webhook.failing or delivery.exhausted.';
COMMENT ON COLUMN operational_outbox.payload IS 'The event''s payload.';
COMMENT ON COLUMN operational_outbox.created_at IS 'When it happened; the event''s timestamp.';
CREATE INDEX operational_outbox_oldest ON operational_outbox (created_at);
COMMENT ON INDEX operational_outbox_oldest IS 'What is to be published next.';

-- The catalogue ---------------------------------------------------------------------------------------------------------

ALTER TABLE event_types
    ADD COLUMN built_in   boolean     NOT NULL DEFAULT false,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT clock_timestamp();
COMMENT ON COLUMN event_types.built_in IS 'Came with the service: cannot be changed or removed.';
COMMENT ON COLUMN event_types.changed_at IS 'When the row last changed.';
UPDATE event_types SET built_in = true WHERE event_type IN (
    'call.started', 'call.ended', 'call.failed', 'call.transcript', 'call.recording', 'call.summary',
    'calendar.created', 'calendar.updated', 'calendar.cancelled', 'calendar.completed', 'calendar.reminder');
INSERT INTO event_types (event_type, description, built_in) VALUES
    ('webhook.disabled',   'A webhook was disabled by the service: its receiver is gone, or has failed for too long.', true),
    ('webhook.failing',    'Every attempt to reach a webhook has failed for a while.', true),
    ('delivery.exhausted', 'A delivery has failed with its last attempt.', true)
ON CONFLICT (event_type) DO UPDATE SET built_in = true, description = excluded.description;

-- Who may call the API --------------------------------------------------------------------------------------------------

ALTER TABLE api_keys ADD COLUMN max_requests_per_second integer CHECK (max_requests_per_second > 0);
COMMENT ON COLUMN api_keys.max_requests_per_second IS 'Calls a second with this key, at each daemon; null: the configuration''s limit.';
CREATE INDEX api_keys_of ON api_keys (account_id, api_key_id);

CREATE TABLE idempotent_calls (
    scope           text        NOT NULL,
    idempotency_key text        NOT NULL,
    request_hash    bytea       NOT NULL,
    resource_id     uuid        NOT NULL,
    status          smallint,
    sealed_answer   bytea,
    key_id          text,
    begun_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, idempotency_key)
);
COMMENT ON TABLE  idempotent_calls IS 'Creating calls that came with an Idempotency-Key, kept for a window: a repeat gets the first answer.';
COMMENT ON COLUMN idempotent_calls.scope IS 'Who called what: the account or platform, the method and path.';
COMMENT ON COLUMN idempotent_calls.idempotency_key IS 'The caller''s own word for the call.';
COMMENT ON COLUMN idempotent_calls.request_hash IS 'SHA-256 of what was asked for: tells a repeat from a conflict.';
COMMENT ON COLUMN idempotent_calls.resource_id IS 'Id of what is made: a repeat after a crash makes the same thing.';
COMMENT ON COLUMN idempotent_calls.status IS 'Status of the answer; null: under way.';
COMMENT ON COLUMN idempotent_calls.sealed_answer IS 'The answer''s body, sealed: it may hold a secret or a key.';
COMMENT ON COLUMN idempotent_calls.key_id IS 'Which master key sealed it.';
COMMENT ON COLUMN idempotent_calls.begun_at IS 'When somebody last began to carry it out: after a minute without an answer, a repeat may try again.';
COMMENT ON COLUMN idempotent_calls.created_at IS 'When it was first asked for.';
CREATE INDEX idempotent_calls_created ON idempotent_calls (created_at);
