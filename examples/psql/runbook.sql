-- Start a backup, copy, finish it, and write its label into files. On any failure psql exits with 3.
--
--   psql -X -v label=nightly -v directory=/backup/nightly \
--        -v copy='tar -cf /backup/nightly/base.tar --exclude=./postmaster.pid -C "$DATA" .' -f runbook.sql
--
-- The copy may exit with 0 or 1: GNU tar says 1 when a file changed as it was read, which recovery mends.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on

CALL holdfast.start_backup(:'label', fast => true) \gset
\echo backup :id is running from :start_lsn

\setenv COPY_COMMAND :copy
\set copy_status `sh -c "$COPY_COMMAND" >&2; echo $?`
SELECT :copy_status IN (0, 1) AS copied \gset
\if :copied
\else
  CALL holdfast.cancel_backup(:id);
  DO $$ BEGIN RAISE EXCEPTION 'the copy failed: the backup is cancelled'; END $$;
\endif

CALL holdfast.stop_backup(id => :id) \gset
\echo backup :id is complete

-- psql ends its output with a newline, in place of the one that is trimmed.
\set file :directory '/backup_label'
SELECT rtrim(:'backup_label', E'\n') \g :file
\if :{?tablespace_map}
  \set file :directory '/tablespace_map'
  SELECT rtrim(:'tablespace_map', E'\n') \g :file
\endif
