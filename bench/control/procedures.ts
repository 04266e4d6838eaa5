/** CALL start_backup and CALL stop_backup with default options, as psql runs them, beside the bare functions. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Setting } from './setting.ts';
import { timed, type Latencies } from './latency.ts';

export interface Client {
  name: string;
  /** Runs one statement in a session that stays open. */
  run(sql: string): Promise<string>;
  close(): Promise<void>;
}

export async function bareWithDefaults(client: Client, rounds: number): Promise<Latencies> {
  const latencies: Latencies = { start: [], stop: [] };
  for (let round = 0; round < rounds; round += 1) {
    latencies.start.push(await timed(() => client.run(`select pg_backup_start('bare ${round}')`)));
    latencies.stop.push(await timed(() => client.run('select lsn from pg_backup_stop()')));
  }
  return latencies;
}

export async function calls(client: Client, rounds: number): Promise<Latencies> {
  const latencies: Latencies = { start: [], stop: [] };
  for (let round = 0; round < rounds; round += 1) {
    latencies.start.push(await timed(() => client.run(`call holdfast.start_backup('call ${round}')`)));
    latencies.stop.push(await timed(() => client.run(`call holdfast.stop_backup('call ${round}')`)));
  }
  return latencies;
}

/** psql where it is installed; otherwise node-postgres, which sends the same simple queries. */
export async function openClient(setting: Setting): Promise<Client> {
  const psql = ['/usr/bin/psql', '/usr/local/bin/psql'].find((path) => existsSync(path));
  if (psql !== undefined) return psqlClient(psql, setting.url);
  const db = await setting.connect();
  return { name: 'node-postgres', run: async (sql) => String(await db.query(sql)), close: () => db.close() };
}

function psqlClient(program: string, url: string): Client {
  const psql = spawn(program, ['-XqAt', '-v', 'ON_ERROR_STOP=1', url], { stdio: ['pipe', 'pipe', 'inherit'] });
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
