-- What keeps one account from taking more than its share, and what lets a call be repeated without being done twice.
--
-- Locks: SHARE on api_keys while its index is built (keys cannot be made meanwhile) and ACCESS EXCLUSIVE on
-- idempotent_calls, both for milliseconds. Safe to run again: no (it runs once, in one transaction).

CREATE INDEX api_keys_active ON api_keys (account_id) WHERE revoked_at IS NULL;
COMMENT ON INDEX api_keys_active IS 'How many keys an account has that are not revoked: it may make and revoke any number.';

ALTER TABLE idempotent_calls ADD COLUMN holder uuid;
COMMENT ON COLUMN idempotent_calls.holder IS 'Who carries it out now, by the id that it proposed for what is made: only the holder may give the call up.';
