// Ends the backup session of a request on the server.
import { eventually } from './eventually.ts';
import { request } from './requests.ts';
import type { Scene } from './scene.ts';

export async function runningBackup(it: Scene): Promise<string> {
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  return id;
}

export async function terminate(it: Scene, id: string): Promise<boolean> {
  const { pid } = await it.row(id);
  return it.admin.value('select pg_terminate_backend($1)', [pid]);
}

export async function untilGone(it: Scene, id: string): Promise<void> {
  const { pid } = await it.row(id);
  await eventually('the session has ended', () =>
    it.admin.value('select not exists (select from pg_stat_activity where pid = $1)', [pid]),
  );
}
