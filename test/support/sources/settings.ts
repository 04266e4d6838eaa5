// Changes settings of a running server, the same way for every source.
import { eventually } from '../eventually.ts';
import { withClient, type SqlClient } from '../sql-client.ts';

/** ALTER SYSTEM and a reload, waiting until the server has read it; true: one of them needs a restart. */
export function alterSystem(url: string, settings: Record<string, string>): Promise<boolean> {
  return withClient(url, async (client) => {
    for (const [name, value] of Object.entries(settings)) {
      await client.query(`alter system set ${name} = '${value.replaceAll("'", "''")}'`);
    }
    await reload(client);
    return client.value<boolean>(
      `select exists (select from pg_settings where name = any($1) and context = 'postmaster')`,
      [Object.keys(settings)],
    );
  });
}

/** The server reads its files before it tells its sessions, so once this session has, every new one will have, too. */
async function reload(client: SqlClient): Promise<void> {
  const loaded = () => client.value<string>('select pg_conf_load_time()::text');
  const before = await loaded();
  await client.query('select pg_reload_conf()');
  await eventually('the server has read its settings', async () => (await loaded()) !== before);
}

/** An archiver that failed sleeps for up to a minute; a segment to archive wakes it. */
export function wakeArchiver(url: string): Promise<void> {
  return withClient(url, async (client) => {
    await client.query(`select pg_create_restore_point('wake the archiver')`);
    await client.query('select pg_switch_wal()');
  });
}
