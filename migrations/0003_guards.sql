-- What keeps one account from taking more than its share, and what lets a call be repeated without being done twice.
--
-- Locks: SHARE on api_keys while its index is built (keys cannot be made meanwhile) and ACCESS EXCLUSIVE on
-- idempotent_calls, both for milliseconds. Safe to run again: no (it runs once, in one transaction).

CREATE INDEX api_keys_active ON api_keys (account_id) WHERE revoked_at IS NULL;
COMMENT ON INDEX api_keys_active IS 'How many keys an account has that are not revoked: it may make and revoke any number.';

CREATE TABLE resends (
    delivery_id uuid        NOT NULL,
    resend_id   uuid        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (delivery_id, resend_id)
);
COMMENT ON TABLE  resends IS 'Calls that sent a delivery once more, written by the commit that did so: the same call comes again when its answer was lost, and must not send it twice.';
COMMENT ON COLUMN resends.delivery_id IS 'Which delivery.';
COMMENT ON COLUMN resends.resend_id IS 'The call, by the id that its caller gave it.';
COMMENT ON COLUMN resends.created_at IS 'When it was carried out.';
CREATE INDEX resends_created ON resends (created_at);
COMMENT ON INDEX resends_created IS 'Those that no call can repeat any more.';

ALTER TABLE idempotent_calls ADD COLUMN holder uuid;
COMMENT ON COLUMN idempotent_calls.holder IS 'Who carries it out now, by the id that it proposed for what is made: only the holder may give the call up.';

CREATE TABLE health_tellers (
    told_by uuid        PRIMARY KEY,
    number  bigint      NOT NULL,
    told_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
COMMENT ON TABLE  health_tellers IS 'Up to which of its batches a daemon''s health records are on record, written in the same statement: a batch that is sent again counts once.';
COMMENT ON COLUMN health_tellers.told_by IS 'Chosen by the daemon when it starts.';
COMMENT ON COLUMN health_tellers.number IS 'Of its last batch that was written; they go up.';
COMMENT ON COLUMN health_tellers.told_at IS 'When that was.';
