-- Which key each master key id stands for. Without it a daemon that was given another key under the same id would seal
-- new secrets that no other daemon opens, and fail to open the old ones, and nobody would know before a delivery is due.
--
-- Locks: none but those of making a table. Safe to run again: no (it runs once, in one transaction).

CREATE TABLE master_keys (
    key_id      text        PRIMARY KEY,
    check_value bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE  master_keys IS 'The master keys that daemons were started with on this database; a start with another key under one of these ids is refused.';
COMMENT ON COLUMN master_keys.key_id IS 'Its id, as beside each secret that it sealed.';
COMMENT ON COLUMN master_keys.check_value IS 'HMAC-SHA256 under the key, of a fixed text and the id: tells keys from each other and gives nothing of them away.';
COMMENT ON COLUMN master_keys.created_at IS 'When a daemon was first started with it.';
