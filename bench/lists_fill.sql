-- Ten million attempts (or as many as the setting bench.attempts says) over thirty days, for bench/lists.cpp: 1,000
-- webhooks of 100 accounts, the first of which has half of everything; twelve event types, one of them in no
-- catalogue. Of 100 deliveries 90 succeed at once, 5 at the second attempt (the first timed out), 3 fail four times with
-- HTTP 500, one is cancelled, and one waits after a refused connection.
SET maintenance_work_mem = '512MB';
SET work_mem = '128MB';
SET synchronous_commit = off;

DO $$
DECLARE
    parent text;
    day date;
BEGIN
    FOREACH parent IN ARRAY ARRAY['events', 'attempts'] LOOP
        FOR day IN SELECT generate_series(now()::date - 30, now()::date - 2, interval '1 day')::date LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           parent || '_' || to_char(day, 'YYYYMMDD'), parent, uuid_v7_floor(day::timestamptz),
                           uuid_v7_floor((day + 1)::timestamptz));
        END LOOP;
    END LOOP;
END $$;

-- Indexes are built afterwards: that takes half the time.
CREATE TEMP TABLE indexes AS SELECT replace(indexdef, ' ON ONLY ', ' ON ') AS indexdef FROM pg_indexes
    WHERE indexname IN ('attempts_of_webhook', 'attempts_by_error', 'events_of_account', 'deliveries_of_webhook');
DROP INDEX attempts_of_webhook, attempts_by_error, events_of_account, deliveries_of_webhook;

INSERT INTO webhooks (webhook_id, account_id, name, url, subscribed_events)
    SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'acct_' || i % 100, 'bench', 'https://example.com',
           ARRAY['*'] FROM generate_series(0, 999) i;

CREATE TEMP TABLE plan AS
    SELECT n, (left(uuid_v7_floor(at)::text, 14) || '7' || right(gen_random_uuid()::text, 21))::uuid AS event_id,
           (left(uuid_v7_floor(at)::text, 14) || '7' || right(gen_random_uuid()::text, 21))::uuid AS delivery_id,
           CASE WHEN n % 2 = 0 THEN 0 ELSE (n / 2) % 999 + 1 END AS webhook, at,
           (ARRAY['call.started', 'call.ended', 'call.failed', 'call.transcript', 'call.recording', 'call.summary',
                  'calendar.created', 'calendar.updated', 'calendar.cancelled', 'calendar.completed', 'calendar.reminder',
                  'billing.closed'])[(n / 2) % 12 + 1] AS event_type,
           (n * 40503 / 7) % 100 AS kind
    FROM (SELECT n, date_trunc('day', now()) - interval '30 days' + (n / total) * interval '30 days' AS at
          FROM (SELECT n, current_setting('bench.attempts')::double precision / 1.14 AS total
                FROM generate_series(1, (current_setting('bench.attempts')::double precision / 1.14)::bigint) n) s) t;
ANALYZE plan;

INSERT INTO events (event_id, account_id, event_type, body)
    SELECT event_id, 'acct_' || webhook % 100, event_type, convert_to('{"event_type":"' || event_type || '"}', 'UTF8')
    FROM plan;

INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision, error_class, status,
                      started_at, duration_us, instance_id, signed_at)
    SELECT delivery_id, attempt, event_id, ('00000000-0000-7000-8000-' || lpad(webhook::text, 12, '0'))::uuid,
           'acct_' || webhook % 100, event_type,
           CASE WHEN kind < 90 OR kind < 95 AND attempt = 2 THEN 'delivered' WHEN kind < 95 THEN 'retry'
                WHEN kind < 98 AND attempt = 4 THEN 'failed' WHEN kind = 98 THEN 'cancelled' ELSE 'retry' END,
           CASE WHEN kind < 90 OR kind < 95 AND attempt = 2 THEN 'none' WHEN kind < 95 THEN 'timeout'
                WHEN kind < 98 THEN 'http_status' WHEN kind = 98 THEN 'webhook_deleted' ELSE 'connect_refused' END,
           CASE WHEN kind < 90 OR kind < 95 AND attempt = 2 THEN 200 WHEN kind BETWEEN 95 AND 97 THEN 500 END,
           at, 80000, 1, extract(epoch FROM at)::bigint
    FROM plan CROSS JOIN LATERAL generate_series(1, CASE WHEN kind BETWEEN 90 AND 94 THEN 2
                                                         WHEN kind BETWEEN 95 AND 97 THEN 4 ELSE 1 END) attempt;

INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, attempts_made, next_attempt_at,
                        lease_owner)
    SELECT delivery_id, event_id, ('00000000-0000-7000-8000-' || lpad(webhook::text, 12, '0'))::uuid,
           'acct_' || webhook % 100, event_type, 1, now() + interval '1 day', CASE WHEN n % 997 = 0 THEN 1 END
    FROM plan WHERE kind = 99;

DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT indexdef FROM indexes LOOP EXECUTE definition; END LOOP;
END $$;
DROP TABLE plan, indexes;
