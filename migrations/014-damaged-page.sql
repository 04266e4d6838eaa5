-- The damaged pages of the backups that workers have copied: a history, like that of the requests.

create table :"schema".damaged_page (
  request_id bigint not null references :"schema".backup_request (id) on delete cascade,
  file text not null,
  block bigint not null constraint a_block_has_a_number check (block >= 0),
  primary key (request_id, file, block)
);
comment on table :"schema".damaged_page is
  'Pages whose checksum was wrong when a backup was copied, as its backup.json lists them: 10000 of a backup at most. Append-only.';
comment on column :"schema".damaged_page.request_id is 'The request that made the backup.';
comment on column :"schema".damaged_page.file is 'The file, below the data directory.';
comment on column :"schema".damaged_page.block is 'The block, counted through all files of the relation.';

create trigger protect_damaged_pages before update or delete on :"schema".damaged_page
  for each row execute function :"schema".protect_history();
create trigger protect_damaged_pages_from_truncate before truncate on :"schema".damaged_page
  for each statement execute function :"schema".protect_history();

grant select on :"schema".damaged_page to :"reader";
grant insert (request_id, file, block) on :"schema".damaged_page to :"worker";
