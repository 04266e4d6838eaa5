// The third act: the backup is proven restorable by a drill; then one bit of it is flipped, and the drill finds out.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SqlClient } from '../harness/sql-client.ts';
import { asServerUser } from '../embedded/server-user.ts';
import { total } from './bank.ts';
import { startHoldfast, type Use } from './holdfast.ts';
import type { Scene } from './point-in-time.ts';
import type { Stage } from './stage.ts';

/** @returns what was proven, a line each */
export async function thirdAct(stage: Stage, { server, use }: Scene): Promise<string[]> {
  const { tell } = stage;
  const at = (name: string) => join(server.directory, name);
  await asServerUser.mkdir(at('drills'));
  await asServerUser.writeFile(at('assertions.sql'), assertions);
  const env = { ...use.env, DATABASE_URL: server.url({ user: 'holdfast_agent' }) };
  // No further than the backup: after it comes the mistake, and no assertion would hold.
  const command = [
    'drill',
    '--target-immediate',
    '--directory',
    at('drills'),
    '--assertions',
    at('assertions.sql'),
  ];
  const drill = () => run(stage, command, { ...use, env });
  const dba = await stage.connect(server.url());

  tell.step('A drill: restored, recovered by a private PostgreSQL, every page checked, removed');
  tell.say(`What must be true, in assertions.sql:\n${assertions.trimEnd()}`);
  const sound = await drill();
  if (sound.status !== 0) throw new Error(`the drill of a sound backup failed: ${sound.said}`);
  await show(stage, dba, 'SELECT id, label, proven_at::text, recovery_seconds FROM holdfast.backup_proof');

  tell.step('One bit of the backup is flipped, as disks do it: a drill that fails is loud');
  const mend = await flipBit(at('repository/main/latest/base.tar.zst'));
  tell.say('In the middle of base.tar.zst, of which nothing else has changed: neither its size nor its time');
  const damaged = await drill();
  if (damaged.status !== 1) throw new Error(`the drill of a damaged backup did not fail: ${damaged.said}`);
  const critical = await run(stage, ['check'], { ...use, env }, 1);
  if (!critical.said.startsWith('HOLDFAST CRITICAL'))
    throw new Error(`check is not critical: ${critical.said}`);

  tell.step('The bit is flipped back: the next drill succeeds');
  await mend();
  const mended = await drill();
  if (mended.status !== 0) throw new Error(`the drill of the mended backup failed: ${mended.said}`);
  await show(
    stage,
    dba,
    'SELECT id, backup, ok::text, error_code, recovered_to::text FROM holdfast.backup_drill',
  );
  await dba.close();
  return [
    'the backup of the second act was restored, recovered and checked, page by page, without anybody near it',
    'one flipped bit in it was found, said where, and made "holdfast check" critical',
  ];
}

const assertions = `-- name: no money is lost or made
SELECT (SELECT sum(balance) FROM checking) + (SELECT sum(balance) FROM savings) = ${total};
`;

/** Returns what flips it back. */
async function flipBit(file: string): Promise<() => Promise<void>> {
  const flip = async () => {
    const bytes = await readFile(file);
    const middle = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    await writeFile(file, bytes);
  };
  await flip();
  return flip;
}

interface Ended {
  status: number | null;
  said: string;
}

/** Whatever it ends with. `lines`: how many of them are shown; default: all. */
async function run(stage: Stage, args: string[], use: Use, lines?: number): Promise<Ended> {
  stage.tell.command(`holdfast ${args.join(' ')}`);
  const running = await startHoldfast(stage, args, use);
  const { status, stdout, stderr } = await running.exited;
  const said = stdout + stderr;
  stage.tell.say(said.trimEnd().split('\n').slice(0, lines).join('\n'));
  if (status !== 0) stage.tell.say(`(exit status ${status})`);
  return { status, said };
}

async function show(stage: Stage, dba: SqlClient, text: string): Promise<void> {
  const ordered = `${text} ORDER BY id`;
  stage.tell.sql('dba', `${ordered};`);
  stage.tell.rows(await dba.query(ordered));
}
