-- Keys and pids can be read by everybody and pids come again: whose session it is has to be known as well.

alter table :"schema".backup_session add column login oid;
comment on column :"schema".backup_session.login is
  'The role that the session and the worker''s second session there logged in as, on their server: a lock of anybody else''s is not theirs. Null: made by a release that did not note it.';

-- What is written of a backup that is over must not wait for whoever keeps its row locked, as a foreign key would:
-- its requester may. Rows of history go with their request in prune().
alter table :"schema".backup_verification drop constraint backup_verification_request_id_fkey;
alter table :"schema".backup_drill drop constraint backup_drill_request_id_fkey;
