-- What lies in the default partitions came from a daemon whose clock was far off, so its id does not tell its age: an event
-- with the id of last year may have been accepted a minute ago, with deliveries that still need it. PostgreSQL's own clock
-- does: when it was accepted, when the attempt began.
--
-- Locks: none that anything waits for. Daemons of the version before use it as they used the old one. Safe to run again: yes.

CREATE OR REPLACE FUNCTION drop_partitions(kept interval) RETURNS SETOF text
    LANGUAGE plpgsql
    AS $$
DECLARE
    child text;
    removed bigint;
    oldest timestamptz := date_trunc('day', now() - kept, 'UTC');
BEGIN
    -- The default partitions are never dropped: usually empty, so row by row is good enough. Before anything is dropped, which
    -- keeps everybody away until the commit.
    DELETE FROM events_default WHERE event_id < uuid_v7_floor(oldest) AND accepted_at < oldest;
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed > 0 THEN RETURN NEXT 'removed ' || removed || ' rows of events_default'; END IF;
    DELETE FROM attempts_default WHERE delivery_id < uuid_v7_floor(oldest) AND started_at < oldest;
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed > 0 THEN RETURN NEXT 'removed ' || removed || ' rows of attempts_default'; END IF;
    FOR child IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('events'::regclass, 'attempts'::regclass) AND c.relname ~ '_\d{8}$'
          AND right(c.relname, 8) < to_char(oldest AT TIME ZONE 'UTC', 'YYYYMMDD')
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        RETURN NEXT 'dropped ' || child;
    END LOOP;
END $$;
COMMENT ON FUNCTION drop_partitions(interval) IS 'Drops the partitions whose whole day is older than that, and what was accepted before in the default ones; returns what it did.';
