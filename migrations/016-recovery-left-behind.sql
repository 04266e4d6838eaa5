-- What a recovery has left in a server's configuration, and what a standby that is made of it would take for its own.

alter table :"schema".cluster add column recovery_settings text[];
comment on column :"schema".cluster.recovery_settings is
  'Settings of a recovery that is over and that a restart would find again: a recovery target, hot_standby = off in postgresql.auto.conf. A standby made of the server would obey them. Empty: none; null: no worker has looked yet.';

grant update (recovery_settings) on :"schema".cluster to :"worker";
