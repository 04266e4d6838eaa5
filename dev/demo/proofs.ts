// Three restores of one copy. Two must not be accepted, or the third would prove nothing.
import { eventually } from '../harness/eventually.ts';
import { openClient, type SqlClient } from '../harness/sql-client.ts';
import type { EmbeddedCluster } from '../embedded/cluster.ts';
import { amcheck } from './amcheck.ts';
import { audit, type Acknowledged, type Finding } from './bank.ts';
import type { Narrator } from './narrator.ts';
import { lastWord, restore, type Backup } from './restore.ts';

/** What was proven, a line each. */
export type Proofs = string[];

export async function restoreWithoutLabel(
  tell: Narrator,
  backup: Backup,
  promised: Acknowledged,
): Promise<Proofs> {
  tell.step('The mistake that loses data: the copy is started as it is, without backup_label');
  const findings = await onRestored(
    () => restore(backup, false),
    (client) => {
      tell.say('PostgreSQL starts and says nothing. The audit of the bank says:');
      return audit(client, promised, 'the finish');
    },
  );
  if (typeof findings === 'string') {
    tell.say(`PostgreSQL refuses: ${findings}`);
    return ['without backup_label the same copy is refused by PostgreSQL'];
  }
  report(tell, findings);
  if (findings.every(({ holds }) => holds))
    throw new Error('the audit did not notice that there was no label');
  return ['without backup_label PostgreSQL starts on the same copy, and the audit finds the damage'];
}

export async function restoreWithoutWal(tell: Narrator, backup: Backup): Promise<Proofs> {
  tell.step('With the label, but without the last WAL segment that the backup needs');
  const restoreCommand = `test %f != ${backup.stopWal} && ${backup.restoreCommand}`;
  tell.say(`restore_command = '${restoreCommand}'`);
  const refusal = await onRestored(
    () => restore({ ...backup, restoreCommand }, true),
    async () => [],
  );
  if (typeof refusal !== 'string') throw new Error('PostgreSQL accepted a backup without the end of its WAL');
  tell.say(`PostgreSQL refuses: ${refusal}`);
  return ['without the last segment of its WAL the same copy is refused by PostgreSQL'];
}

export async function restoreProperly(
  tell: Narrator,
  backup: Backup,
  promised: Acknowledged,
): Promise<Proofs> {
  tell.step('As it should be: the copy, the label, the map, recovery.signal, and the archive');
  tell.say(`restore_command = '${backup.restoreCommand}'`);
  const findings = await onRestored(
    () => restore(backup, true),
    async (client) => [...(await audit(client, promised, 'the finish')), ...(await amcheck(client))],
  );
  if (typeof findings === 'string') throw new Error(`PostgreSQL refused the restored copy: ${findings}`);
  return proven(tell, findings);
}

/** @throws Error where one of them does not hold */
export function proven(tell: Narrator, findings: Finding[]): Proofs {
  report(tell, findings);
  const broken = findings.find(({ holds }) => !holds);
  if (broken) throw new Error(`the restored database is wrong: ${broken.claim}: ${broken.found}`);
  return findings.map(({ claim, found }) => `${claim}: ${found}`);
}

/** What `look` finds on the restored server; or the words with which PostgreSQL refused to start. */
export async function onRestored(
  start: () => Promise<EmbeddedCluster>,
  look: (client: SqlClient) => Promise<Finding[]>,
): Promise<Finding[] | string> {
  let cluster: EmbeddedCluster;
  try {
    cluster = await start();
  } catch (error) {
    const refusal = lastWord(error);
    if (refusal === undefined) throw error;
    return refusal;
  }
  const client = await openClient(cluster.url());
  try {
    await untilRecovered(client);
    return await look(client);
  } finally {
    await client.close();
    await cluster.remove();
  }
}

/** A hot standby answers before recovery is over. */
async function untilRecovered(client: SqlClient): Promise<void> {
  const isOver = () => client.value<boolean>('select not pg_is_in_recovery()');
  await eventually('recovery is over', isOver, { within: 60_000, every: 20 });
}

export function report(tell: Narrator, findings: Finding[]): void {
  for (const { claim, holds, found } of findings)
    tell.say(`${holds ? 'ok    ' : 'WRONG '} ${claim}: ${found}`);
}
