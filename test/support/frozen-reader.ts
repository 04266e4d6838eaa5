// A process that reads a backup, stopped while it holds the backup's lock.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually } from '../../dev/harness/eventually.ts';
import { freeze } from '../../dev/embedded/processes.ts';
import type { RunningProcess } from '../../dev/harness/children.ts';

/** Resolves when the process is stopped; `meta`: the .meta directory of the backup. The function returned lets it go on. */
export async function frozenReader(
  t: ExecutionContext,
  reader: RunningProcess,
  meta: string,
): Promise<() => void> {
  const { ino } = statSync(join(meta, 'backup.json'));
  const isLocked = () => readFileSync('/proc/locks', 'latin1').includes(`:${ino} `);
  await eventually(`"${meta}" is being read: ${reader.output()}`, isLocked, { every: 2 });
  await freeze(reader.pid);
  t.true(isLocked(), 'it was stopped too late');
  const goOn = () => void process.kill(reader.pid, 'SIGCONT');
  t.teardown(() => {
    try {
      goOn();
    } catch {
      // It has ended.
    }
  });
  return goOn;
}
