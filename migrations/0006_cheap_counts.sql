-- Health is written for every webhook that had an attempt lately, so ten thousand of them every few seconds. Adding up the counts
-- of durations took most of that: a function that unnests, sums and aggregates is run by the executor as a query of its own. An
-- expression is put into the statement that calls it.
--
-- Locks: none that anything waits for. Daemons of the version before use it as they used the old one. Safe to run again: yes.

CREATE OR REPLACE FUNCTION add_counts(a bigint[], b bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ARRAY[
        coalesce(a[1], 0) + coalesce(b[1], 0), coalesce(a[2], 0) + coalesce(b[2], 0),
        coalesce(a[3], 0) + coalesce(b[3], 0), coalesce(a[4], 0) + coalesce(b[4], 0),
        coalesce(a[5], 0) + coalesce(b[5], 0), coalesce(a[6], 0) + coalesce(b[6], 0),
        coalesce(a[7], 0) + coalesce(b[7], 0), coalesce(a[8], 0) + coalesce(b[8], 0),
        coalesce(a[9], 0) + coalesce(b[9], 0), coalesce(a[10], 0) + coalesce(b[10], 0),
        coalesce(a[11], 0) + coalesce(b[11], 0), coalesce(a[12], 0) + coalesce(b[12], 0),
        coalesce(a[13], 0) + coalesce(b[13], 0), coalesce(a[14], 0) + coalesce(b[14], 0),
        coalesce(a[15], 0) + coalesce(b[15], 0), coalesce(a[16], 0) + coalesce(b[16], 0),
        coalesce(a[17], 0) + coalesce(b[17], 0), coalesce(a[18], 0) + coalesce(b[18], 0),
        coalesce(a[19], 0) + coalesce(b[19], 0), coalesce(a[20], 0) + coalesce(b[20], 0),
        coalesce(a[21], 0) + coalesce(b[21], 0), coalesce(a[22], 0) + coalesce(b[22], 0),
        coalesce(a[23], 0) + coalesce(b[23], 0), coalesce(a[24], 0) + coalesce(b[24], 0),
        coalesce(a[25], 0) + coalesce(b[25], 0), coalesce(a[26], 0) + coalesce(b[26], 0),
        coalesce(a[27], 0) + coalesce(b[27], 0), coalesce(a[28], 0) + coalesce(b[28], 0),
        coalesce(a[29], 0) + coalesce(b[29], 0), coalesce(a[30], 0) + coalesce(b[30], 0),
        coalesce(a[31], 0) + coalesce(b[31], 0), coalesce(a[32], 0) + coalesce(b[32], 0)] $$;
COMMENT ON FUNCTION add_counts(bigint[], bigint[]) IS 'Element by element, 32 of them (policy::duration_buckets); a shorter one is filled up with zeros.';
