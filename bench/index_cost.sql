-- What the indexes of the lists cost a delivery, as PostgreSQL's own CPU: 200,000 rows of each table of the hot path,
-- spread over 100 webhooks and 4 types, with its index and without. For a database that is migrated and otherwise empty:
--   psql -q -f bench/index_cost.sql 2>&1 | grep -E '^==|elapsed'
-- Of each run the second figures count ("user" and "system"); divided by 0.2 they are microseconds a row.
\set ON_ERROR_STOP 1
SET client_min_messages = log;
CREATE TEMP TABLE given AS
    SELECT delivery_id_of(uuid_v7_floor(now() + i * interval '0.1 ms')) AS id, 'acct_' || i % 100 AS account,
           ('00000000-0000-7000-8000-' || lpad((i % 100)::text, 12, '0'))::uuid AS webhook,
           (ARRAY['call.started', 'call.ended', 'call.transcript', 'calendar.created'])[i % 4 + 1] AS event_type
    FROM generate_series(1, 200000) i;
PREPARE of_attempts AS INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision,
    started_at, duration_us, instance_id) SELECT id, 1, id, webhook, account, event_type, 'delivered', now(), 1, 1 FROM given;
PREPARE of_events AS INSERT INTO events (event_id, account_id, event_type, body)
    SELECT id, account, event_type, convert_to(repeat('x', 1024), 'UTF8') FROM given;
PREPARE of_deliveries AS INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, lease_owner)
    SELECT id, id, webhook, account, event_type, 1 FROM given;
PREPARE out_of_deliveries AS DELETE FROM deliveries;

\echo == events, with: insert
EXECUTE of_events; TRUNCATE events; SET log_statement_stats = on; EXECUTE of_events; SET log_statement_stats = off; TRUNCATE events;
\echo == deliveries, with: insert, delete, vacuum
EXECUTE of_deliveries; TRUNCATE deliveries;
SET log_statement_stats = on; EXECUTE of_deliveries; EXECUTE out_of_deliveries; VACUUM deliveries; SET log_statement_stats = off;
\echo == attempts, with: insert
EXECUTE of_attempts; TRUNCATE attempts; SET log_statement_stats = on; EXECUTE of_attempts; SET log_statement_stats = off; TRUNCATE attempts;

BEGIN;
DROP INDEX events_of_account, deliveries_of_webhook, attempts_of_webhook;
COMMIT;
\echo == events, without
EXECUTE of_events; TRUNCATE events; SET log_statement_stats = on; EXECUTE of_events; SET log_statement_stats = off; TRUNCATE events;
\echo == deliveries, without
EXECUTE of_deliveries; TRUNCATE deliveries;
SET log_statement_stats = on; EXECUTE of_deliveries; EXECUTE out_of_deliveries; VACUUM deliveries; SET log_statement_stats = off;
\echo == attempts, without
EXECUTE of_attempts; TRUNCATE attempts; SET log_statement_stats = on; EXECUTE of_attempts; SET log_statement_stats = off; TRUNCATE attempts;
