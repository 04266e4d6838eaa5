/** A hundred backups held at once, each finished with its own label, and what the worker needs for that. */
import type { Setting } from './setting.ts';

export interface Held {
  backups: number;
  right: number;
  peakMemory: number;
  seconds: number;
}

export async function holdMany(setting: Setting, backups: number): Promise<Held> {
  const db = await setting.connect();
  const began = performance.now();
  await db.query(`
    insert into holdfast.backup_request (label, fast, wait_for_archive)
    select 'held ' || n, true, false from generate_series(1, ${backups}) n`);
  await untilAll(setting, 'running', backups);
  const { peak } = await setting.worker.memory();
  await db.query(`update holdfast.backup_request set state = 'done' where state = 'running'`);
  await untilAll(setting, 'complete', backups);
  const [row] = await db.query(`
    select count(*) filter (where backup_label like '%' || chr(10) || 'LABEL: ' || label || chr(10) || '%') as "right"
    from holdfast.backup_request where label like 'held %' and state = 'complete'`);
  await db.close();
  const after = await setting.worker.memory();
  return {
    backups,
    right: Number(row?.right),
    peakMemory: Math.max(peak, after.peak),
    seconds: (performance.now() - began) / 1000,
  };
}

async function untilAll(setting: Setting, state: string, backups: number): Promise<void> {
  const db = await setting.connect();
  for (;;) {
    const [row] = await db.query(`
      select count(*) filter (where state = '${state}') as there,
        max(error) filter (where state = 'failed') as error
      from holdfast.backup_request where label like 'held %'`);
    if (row?.error) throw new Error(`a held backup has failed: ${row.error}`);
    if (Number(row?.there) === backups) break;
    await db.query('select pg_sleep(0.05)');
  }
  await db.close();
}
