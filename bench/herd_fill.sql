-- The herd, for bench/herd.cpp: bench.deliveries deliveries to the webhooks of the accounts from bench.first_account on,
-- ten of one event, all due at once, bench.due_in_s seconds after this began.
SET synchronous_commit = off;
SET work_mem = '128MB';
CREATE TEMP TABLE herd AS
    SELECT row_number() OVER (ORDER BY webhook_id) - 1 AS n, webhook_id, account_id
    FROM webhooks WHERE account_id >= current_setting('bench.first_account') AND account_id LIKE 'a%';
CREATE TEMP TABLE happened AS
    SELECT n, (left(uuid_v7_floor(now() - interval '12 hours' + n * interval '0.4 s')::text, 14) || '7' ||
               right(gen_random_uuid()::text, 21))::uuid AS event_id
    FROM generate_series(0, current_setting('bench.deliveries')::bigint / 10) n;
ANALYZE herd;
ANALYZE happened;
INSERT INTO events (event_id, account_id, event_type, body)
    SELECT event_id, 'herd', 'call.ended', convert_to(repeat(md5(n::text), 32), 'UTF8') FROM happened;
INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, attempts_made, next_attempt_at)
    SELECT delivery_id_of(h.event_id), h.event_id, w.webhook_id, w.account_id, 'call.ended', 1,
           now() + current_setting('bench.due_in_s')::bigint * interval '1 second'
    FROM (SELECT n, n * 7919 % webhooks AS webhook
          FROM (SELECT n, (SELECT count(*) FROM herd) AS webhooks
                FROM generate_series(0, current_setting('bench.deliveries')::bigint - 1) n) s) t
    JOIN happened h ON h.n = t.n / 10 JOIN herd w ON w.n = t.webhook;
DROP TABLE herd, happened;
