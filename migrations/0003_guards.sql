-- What keeps one account from taking more than its share, and what lets a call be repeated without being done twice.
--
-- Locks: SHARE on api_keys while its index is built, which takes milliseconds: keys cannot be made or used-up times
-- written meanwhile. Safe to run again: no (it runs once, in one transaction).

CREATE INDEX api_keys_active ON api_keys (account_id) WHERE revoked_at IS NULL;
COMMENT ON INDEX api_keys_active IS 'How many keys an account has that are not revoked: it may make and revoke any number.';
