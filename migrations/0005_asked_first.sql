-- What was asked for by hand goes out before what waits: a lane whose circuit is open fetches one delivery when somebody
-- asks, and it must be the one that was asked for. Without the column in the index such a claim would read and sort all
-- that waits for the webhook.
--
-- Locks: ACCESS EXCLUSIVE on deliveries while the index is built, which reads the table once: some seconds for a million
-- rows. Daemons of the version before go on meanwhile and afterwards, but read all that waits for a webhook with each
-- claim of it, until they are replaced. Safe to run again: no (it runs once, in one transaction).

DROP INDEX deliveries_parked;
CREATE INDEX deliveries_parked ON deliveries (webhook_id, manual DESC, next_attempt_at)
    WHERE lease_owner IS NULL AND parked;
COMMENT ON INDEX deliveries_parked IS 'What waits for room, by webhook: first what was asked for by hand.';
