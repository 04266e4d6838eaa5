/** CALL start_backup and CALL stop_backup with default options, as psql runs them, beside the bare functions. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Connection } from '../../src/database/connection.ts';
import type { Setting } from './setting.ts';
import { timed, type Latencies } from './latency.ts';

export interface Client {
  name: string;
  /** Runs one statement in a session that stays open. */
  run(sql: string): Promise<string>;
  close(): Promise<void>;
}

/**
 * In turns: the bare functions, and the procedures. A spread checkpoint pauses for 100 ms after every page
 * that it writes, so what was written just before decides how long it takes. That floor therefore comes
 * after the same writes: a request that the worker claims and refuses.
 */
export async function compareProcedures(
  setting: Setting,
  client: Client,
  rounds: number,
): Promise<{ idle: Latencies; bare: Latencies; calls: Latencies }> {
  const db = await setting.connect();
  const idle: Latencies = { start: [], stop: [] };
  const bare: Latencies = { start: [], stop: [] };
  const calls: Latencies = { start: [], stop: [] };
  const bareRound = async (into: Latencies) => {
    into.start.push(await timed(() => client.run(`select pg_backup_start('bare')`)));
    into.stop.push(await timed(() => client.run('select lsn from pg_backup_stop()')));
  };
  for (let round = 0; round < rounds; round += 1) {
    await db.query('checkpoint');
    await bareRound(idle);
    await db.query('checkpoint');
    await refusedRequest(db);
    await bareRound(bare);
    await db.query('checkpoint');
    calls.start.push(await timed(() => client.run(`call holdfast.start_backup('call ${round}')`)));
    calls.stop.push(await timed(() => client.run(`call holdfast.stop_backup('call ${round}')`)));
  }
  await db.close();
  return { idle, bare, calls };
}

async function refusedRequest(db: Connection): Promise<void> {
  const [row] = await db.query(`insert into holdfast.backup_request (method) values ('copy') returning id`);
  for (;;) {
    const [found] = await db.query(`select state from holdfast.backup_request where id = ${row?.id}`);
    if (found?.state === 'failed') return;
  }
}

/** psql where it is installed; otherwise node-postgres, which sends the same simple queries. */
export async function openClient(setting: Setting): Promise<Client> {
  const psql = ['/usr/bin/psql', '/usr/local/bin/psql'].find((path) => existsSync(path));
  if (psql !== undefined) return psqlClient(psql, setting.url);
  const db = await setting.connect();
  return {
    name: 'node-postgres',
    run: async (sql) => JSON.stringify(await db.query(sql)),
    close: () => db.close(),
  };
}

function psqlClient(program: string, url: string): Client {
  const psql = spawn(program, ['-XqAt', '-v', 'ON_ERROR_STOP=1', url], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, PGOPTIONS: '-c client_min_messages=warning' },
  });
  let output = '';
  let onOutput: (() => void) | undefined;
  psql.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    onOutput?.();
  });
  return {
    name: 'psql',
    run: (sql) =>
      new Promise((resolve, reject) => {
        const end = 'end of answer\n';
        psql.once('exit', reject);
        onOutput = () => {
          if (!output.endsWith(end)) return;
          const answer = output.slice(0, -end.length);
          output = '';
          psql.off('exit', reject);
          resolve(answer);
        };
        psql.stdin.write(`${sql};\n\\echo end of answer\n`);
      }),
    close: async () => {
      psql.stdin.end('\\q\n');
    },
  };
}
