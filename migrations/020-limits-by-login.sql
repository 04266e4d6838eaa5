-- Requests that wait are counted by login, too; and a row that its requester keeps locked hides no missing backup.

create index requests_waiting_by_login on :"schema".backup_request (cluster, requested_login)
  where state = 'requested' and schedule is null;

-- As those of verifications and drills: the foreign key waits for whoever has the request's row locked. A worker
-- removes the rows of what is not missing any more.
alter table :"schema".missing_backup drop constraint missing_backup_request_id_fkey;
