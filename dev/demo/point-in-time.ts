// Two restores of one backup beside the server that it was made of: to the end of the archive, where the mistake is
// in it, and to the second before.
import { join } from 'node:path';
import { openClient, type SqlClient } from '../harness/sql-client.ts';
import { createCluster, type EmbeddedCluster } from '../embedded/cluster.ts';
import type { Mistake } from './accident.ts';
import { amcheck } from './amcheck.ts';
import { audit, type Finding } from './bank.ts';
import { holdfast, type Use } from './holdfast.ts';
import { onRestored, proven, report, type Proofs } from './proofs.ts';
import type { Stage } from './stage.ts';

export interface Scene {
  server: EmbeddedCluster;
  /** Everything of Holdfast's runs as the server's own user: the repository is his. */
  use: Use;
}

export async function restoreWithMistake(stage: Stage, scene: Scene, mistake: Mistake): Promise<Proofs> {
  const { tell } = stage;
  tell.step('The same backup to the end of the archive: the mistake is replayed, too');
  const findings = await onRestored(
    () => restore(stage, scene, []),
    (client) => audit(client, mistake.promised, mistake.secondBefore),
  );
  if (typeof findings === 'string') throw new Error(`PostgreSQL refused the restored backup: ${findings}`);
  report(tell, findings);
  if (findings.every(({ holds }) => holds)) throw new Error('the audit did not notice the mistake');
  return ['restored to the end of the archive, the mistake is there, and the audit finds it'];
}

export async function restoreSecondBefore(stage: Stage, scene: Scene, mistake: Mistake): Promise<Proofs> {
  const { tell } = stage;
  tell.step('To the second before it');
  const { secondBefore, promised } = mistake;
  const began = tell.elapsed;
  const findings = await onRestored(
    () => restore(stage, scene, ['--target-time', secondBefore, '--target-action', 'promote']),
    async (client) => {
      tell.say(`Restored, recovered and open: ${(tell.elapsed - began).toFixed(1)} s after the command`);
      return [
        ...(await audit(client, promised, secondBefore)),
        await nothingLater(client, secondBefore),
        ...(await amcheck(client)),
      ];
    },
  );
  if (typeof findings === 'string') throw new Error(`PostgreSQL refused the restored backup: ${findings}`);
  return proven(tell, findings);
}

/** Into empty directories, with the tablespace beside the one that is in use. */
async function restore(stage: Stage, { server, use }: Scene, target: string[]): Promise<EmbeddedCluster> {
  const { tell } = stage;
  const oid = await tablespace(server);
  const cluster = await createCluster({ empty: true });
  stage.onEnd(() => cluster.remove());
  const space = join(cluster.directory, 'second-disk');
  await cluster.makeDirectory('second-disk');
  const args = [
    'restore',
    '--to',
    cluster.dataDirectory,
    '--tablespace',
    `${oid}=${space}`,
    '--no-archiving',
  ];
  const words = [...args, ...target].map((word) => (/\s/.test(word) ? `'${word}'` : word));
  tell.command(`holdfast ${words.join(' ').replace(' --target-time', ' \\\n    --target-time')}`);
  tell.say(await holdfast(stage, [...args, ...target], use));
  await cluster.start();
  return cluster;
}

async function tablespace(server: EmbeddedCluster): Promise<string> {
  const client = await openClient(server.url());
  try {
    return await client.value("select oid::text from pg_tablespace where spcname = 'second_disk'");
  } finally {
    await client.close();
  }
}

async function nothingLater(client: SqlClient, second: string): Promise<Finding> {
  const late = await client.value<number>(`select count(*)::int from transfer where at > '${second}'`);
  const last = await client.value<string>("select to_char(max(at), 'HH24:MI:SS.MS') from transfer");
  return {
    claim: 'nothing later is there',
    holds: late === 0,
    found: late === 0 ? `the last transfer was made at ${last}` : `${late} transfers are later`,
  };
}
