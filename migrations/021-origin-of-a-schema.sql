-- A dump may be restored into the database that it was taken of: so the OID of a table of this schema is part of an
-- origin, too. What was confirmed without it stays confirmed, if it was of this database; what rests goes on to rest.

update :"schema".confirmed_origin
set origin = regexp_replace(origin, '/([0-9A-F]+)$', '/' || tableoid || '/\1')
where origin ~ '^-?[0-9]+/[0-9]+/[0-9A-F]+$';

-- Of requests, the origin counts while they are live. Nobody may change it, but for this time.
alter table :"schema".backup_request disable trigger user;
update :"schema".backup_request
set control_origin = regexp_replace(control_origin, '/([0-9A-F]+)$',
  '/' || (select tableoid from :"schema".confirmed_origin) || '/\1')
where state not in ('complete', 'failed', 'cancelled')
  and control_origin ~ '^-?[0-9]+/[0-9]+/[0-9A-F]+$';
alter table :"schema".backup_request enable trigger user;

comment on column :"schema".backup_request.control_origin is
  'System identifier, OIDs of the database and of confirmed_origin, and timeline of the control database when the row was inserted: a database restored from before then, or from a dump, has another, and never executes the row. Rows that were over before version 21 of the schema have fewer OIDs.';
