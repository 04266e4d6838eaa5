-- name: record
insert into :"schema".backup_verification
  (request_id, cluster, backup, started_at, finished_at, ok, problems, files, bytes, segments)
values (
  (select id from :"schema".backup_request
   where id = :id
     and cluster = :cluster
     and system_identifier = :system_identifier
     and start_lsn = :start_lsn
     and timeline = :timeline),
  :cluster, :backup, :started_at, :finished_at, cardinality(:problems::text[]) = 0, :problems,
  :files, :bytes, :segments)
