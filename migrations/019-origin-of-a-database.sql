-- Of two databases of one server, the one may be a copy of the other (pg_dump, CREATE DATABASE ... TEMPLATE): so the OID
-- of the database is part of an origin. What was confirmed without it stays confirmed, if it was of this server and
-- timeline; what rests goes on to rest. A copy that was made on the same server before is not told apart by it.

update :"schema".confirmed_origin
set origin = regexp_replace(origin, '/',
  '/' || (select oid from pg_database where datname = current_database()) || '/')
where origin ~ '^-?[0-9]+/[0-9A-F]+$';

-- Of requests, the origin counts while they are live. Nobody may change it, but for this time.
alter table :"schema".backup_request disable trigger user;
update :"schema".backup_request
set control_origin = regexp_replace(control_origin, '/',
  '/' || (select oid from pg_database where datname = current_database()) || '/')
where state not in ('complete', 'failed', 'cancelled')
  and control_origin ~ '^-?[0-9]+/[0-9A-F]+$';
alter table :"schema".backup_request enable trigger user;

comment on column :"schema".backup_request.control_origin is
  'System identifier, OID and timeline of the control database when the row was inserted: a database restored from before then, or from a dump, has another, and never executes the row. Rows that were over before version 19 of the schema have no OID.';
