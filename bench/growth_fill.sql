-- What waits, for bench/growth.cpp: as many deliveries, webhooks and attempts on record as the settings bench.waiting,
-- bench.webhooks and bench.attempts say, in place of what was filled before. Every delivery waits for a retry that is
-- due in two to four hours: in three streams that ascend, as retries after 1, 5 and 30 minutes do. Their webhooks are
-- of accounts (w…) that nobody publishes for, a hundred webhooks each.
SET maintenance_work_mem = '512MB';
SET work_mem = '128MB';
SET synchronous_commit = off;

-- Indexes are built afterwards: that takes half the time.
CREATE TEMP TABLE indexes AS SELECT indexname, replace(indexdef, ' ON ONLY ', ' ON ') AS indexdef FROM pg_indexes
    WHERE tablename IN ('deliveries', 'attempts', 'webhooks') AND indexname NOT LIKE '%\_pkey';
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT indexname FROM indexes LOOP EXECUTE format('DROP INDEX %I', name); END LOOP;
END $$;

TRUNCATE deliveries, events, attempts;
DELETE FROM webhooks WHERE account_id LIKE 'w%';

INSERT INTO webhooks (webhook_id, account_id, name, url, subscribed_events)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'w' || n / 100, 'bench',
           'https://example.com/', ARRAY['*'] FROM generate_series(0, current_setting('bench.webhooks')::bigint - 1) n;

-- A hundred thousand events at most: a claim reads the bodies of the 500 that it finds.
CREATE TEMP TABLE happened AS
    SELECT n, (left(uuid_v7_floor(now() - interval '12 hours' + n * interval '0.4 s')::text, 14) || '7' ||
               right(gen_random_uuid()::text, 21))::uuid AS event_id
    FROM generate_series(0, least(current_setting('bench.waiting')::bigint, 100000) - 1) n;
ANALYZE happened;
INSERT INTO events (event_id, account_id, event_type, body)
    SELECT event_id, 'w0', 'call.ended', convert_to(repeat(md5(n::text), 32), 'UTF8') FROM happened;

INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, attempts_made, next_attempt_at)
    SELECT delivery_id_of(h.event_id), h.event_id,
           ('00000000-0000-7000-8000-' || lpad((t.n % webhooks)::text, 12, '0'))::uuid, 'w' || t.n % webhooks / 100,
           'call.ended', 1, now() + interval '2 hours' + t.n::double precision / waiting * interval '2 hours' +
                            (ARRAY[1, 5, 30])[t.n % 3 + 1] * interval '1 minute'
    FROM (SELECT n, waiting, current_setting('bench.webhooks')::bigint AS webhooks,
                 n * least(waiting, 100000) / waiting AS event
          FROM (SELECT n, current_setting('bench.waiting')::bigint AS waiting
                FROM generate_series(0, current_setting('bench.waiting')::bigint - 1) n) s) t
    JOIN happened h ON h.n = t.event;

INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision, status, started_at,
                      duration_us, instance_id, signed_at)
    SELECT id, 1, id, ('00000000-0000-7000-8000-' || lpad((n % 1000)::text, 12, '0'))::uuid, 'w' || n % 1000 / 100,
           'call.ended', 'delivered', 200, now(), 80000, 1, extract(epoch FROM now())::bigint
    FROM (SELECT n, (left(uuid_v7_floor(now() - interval '12 hours' + n * interval '4 ms')::text, 14) || '7' ||
                     right(gen_random_uuid()::text, 21))::uuid AS id
          FROM generate_series(0, current_setting('bench.attempts')::bigint - 1) n) s;

DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT indexdef FROM indexes LOOP EXECUTE definition; END LOOP;
END $$;
DROP TABLE indexes, happened;
