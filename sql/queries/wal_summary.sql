-- Statements about the WAL summaries of the server that is backed up, from PostgreSQL 17 on. Nothing of Holdfast is
-- installed there, so no schema is named.

-- name: summary_facts
select current_setting('summarize_wal')::boolean as summarizes,
  current_setting('server_version') as "serverVersion",
  current_user as "user",
  current_database() as database,
  array(
    select name
    from unnest(array['pg_available_wal_summaries()', 'pg_wal_summary_contents(bigint, pg_lsn, pg_lsn)',
      'pg_get_wal_summarizer_state()']) as needed (name)
    where not has_function_privilege(to_regprocedure(name), 'execute')) as "notAllowed"

-- name: summarizer
-- The process is not there for a moment after an error, too: then it is started again.
select current_setting('summarize_wal')::boolean as summarizes,
  summarized_lsn::text as "summarizedLsn",
  pending_lsn::text as "pendingLsn"
from pg_get_wal_summarizer_state()

-- name: summaries
select start_lsn::text as "startLsn", end_lsn::text as "endLsn"
from pg_available_wal_summaries()
where tli = :timeline and end_lsn >= :from::pg_lsn and start_lsn < :to::pg_lsn
order by start_lsn, end_lsn

-- name: declare_changes
-- Of main forks only. Blocks as offsets in parts of a relation, so that no row grows large; a limit is a length.
declare changes no scroll cursor for
select reltablespace::bigint as tablespace, reldatabase::bigint as database, relfilenode::bigint as relation,
  (relblocknumber / :part_blocks::bigint)::integer as part,
  min(relblocknumber) filter (where is_limit_block) as limit,
  string_agg(distinct int2send((relblocknumber % :part_blocks::bigint)::int2), ''::bytea)
    filter (where not is_limit_block) as offsets
from pg_available_wal_summaries() s,
  pg_wal_summary_contents(s.tli, s.start_lsn, s.end_lsn)
where s.tli = :timeline and s.end_lsn > :from::pg_lsn and s.start_lsn < :to::pg_lsn and relforknumber = 0
group by 1, 2, 3, 4

-- name: fetch_changes
fetch 256 from changes
