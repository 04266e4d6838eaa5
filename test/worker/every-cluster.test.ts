// What a worker writes beside backups, it writes into the repository of its own control database only.
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ClusterServer } from '../../src/server/cluster-server.ts';
import type { Config } from '../../src/config/config.ts';
import { Connection } from '../../src/database/connection.ts';
import type { ControlLink } from '../../src/control/control-link.ts';
import { clockService } from '../../src/worker/clock-service.ts';
import type { ServersContext } from '../../src/worker/service-context.ts';
import { holdsService } from '../../src/worker/holds-service.ts';
import { createLog } from '../../src/log.ts';
import { retentionStage } from '../support/retention-stage.ts';

test('the worker of a control database that is refused leaves the holds and the clock of the repository alone', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 9 });
  await stage.operator.query('insert into holdfast.legal_hold (request_id, reason) values ($1, $2)', [
    stage.ids[0],
    'court',
  ]);
  await stage.expired();
  const holds = join(stage.directory, 'backups', `${stage.names[0]}.meta`, 'holds');
  t.is((await readdir(holds)).length, 1);
  await stage.operator.query('update holdfast.legal_hold set released = true');

  const db = await Connection.open({ url: stage.db.url, schema: 'holdfast' });
  const options: ServersContext = {
    control: { run: <T>(work: (of: Connection) => Promise<T>) => work(db) } as ControlLink,
    servers: new Map([['main', {} as ClusterServer]]),
    config: { worker: { repository: stage.repository } } as Config,
    log: createLog(),
  };
  /** Each looks once. */
  const look = async () => {
    for (const service of [holdsService(options), clockService(options)]) {
      service.start();
      await service.stop();
    }
  };
  const owner = join(stage.directory, 'owner.json');
  const ours = await readFile(owner, 'utf8');
  const theirs = { ...JSON.parse(ours), token: '00000000-0000-4000-8000-000000000004' } as object;
  await writeFile(owner, JSON.stringify(theirs));
  await look();
  t.is((await readdir(holds)).length, 1, 'what production has placed lies there');
  const clock = join(stage.directory, 'clock.json');
  t.false(existsSync(clock));

  await writeFile(owner, ours);
  await look();
  t.deepEqual(await readdir(holds), []);
  t.true(existsSync(clock));
  await db.close();
});
