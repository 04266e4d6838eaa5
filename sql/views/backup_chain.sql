create or replace view :"schema".backup_chain as
with copy as (
  select r.id, r.cluster, r.label, r.stopped_at, r.parent, :"schema".chain_of(r.id) as chain
  from :"schema".backup_request r
  where r.method = 'copy' and r.state = 'complete' and r.expired_at is null
    and not exists (select from :"schema".backup_expiry e where e.request_id = r.id)
), link as (
  select c.id, l.link, l.place
  from copy c
  cross join lateral (
    select each.link, each.place from unnest(c.chain) with ordinality as each (link, place) where each.link <> c.id
    union all
    -- The chain begins behind a link that this database does not know any more.
    select f.parent, 0 from :"schema".backup_request f where f.id = c.chain[1] and f.parent is not null) l
), broken as (
  select distinct on (l.id) l.id, l.link, p.problem
  from link l
  left join :"schema".backup_request r on r.id = l.link and l.place > 0
  cross join lateral (
    select case
      when r.id is null or r.expired_at is not null
        or exists (select from :"schema".backup_expiry e where e.request_id = r.id) then 'has expired'
      when exists (select from :"schema".missing_backup m where m.request_id = r.id) then 'is not in the repository'
      when exists (select from :"schema".damaged_page d where d.request_id = r.id) then 'had damaged pages when it was copied'
      when not (
        select v.ok from :"schema".backup_verification v where v.request_id = r.id order by v.id desc limit 1)
        then 'is damaged, as its last verification found'
    end as problem) p
  where p.problem is not null
  order by l.id, l.place desc
)
select c.id,
  c.cluster,
  c.label,
  c.stopped_at,
  c.parent,
  c.chain,
  coalesce(broken.link, seen.link) as broken_link,
  case when broken.id is null then seen.problem else broken.problem end as problem
from copy c
left join broken on broken.id = c.id
left join :"schema".broken_chain seen on seen.request_id = c.id;
comment on view :"schema".backup_chain is
  'One row per copy in the repository: which other copies a restore of it reads, and whether all of them are there. A full copy is a chain by itself.';
comment on column :"schema".backup_chain.id is 'The request.';
comment on column :"schema".backup_chain.cluster is 'Its cluster.';
comment on column :"schema".backup_chain.label is 'Its label.';
comment on column :"schema".backup_chain.stopped_at is 'When it had ended.';
comment on column :"schema".backup_chain.parent is
  'Of an incremental copy: the request of the copy of which it holds the changes. Null: a full copy.';
comment on column :"schema".backup_chain.chain is
  'The requests of all copies that a restore reads, from the full copy to this one.';
comment on column :"schema".backup_chain.broken_link is
  'The request of the link that breaks the chain: without that copy, this one cannot be restored. Null: the chain is whole.';
comment on column :"schema".backup_chain.problem is 'What is wrong with that link. Null: the chain is whole.';
grant select on :"schema".backup_chain to :"reader";
