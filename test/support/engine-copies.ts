// Copies by the engine alone: no worker, no request, no backup session.
import type { ExecutionContext } from 'ava';
import { CopyEngine } from '../../src/backup/copy/copy-engine.ts';
import type { TestCluster } from './cluster.ts';
import { withClient } from './sql-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export function systemIdentifierOf(cluster: TestCluster): Promise<string> {
  return withClient(cluster.url(), (client) =>
    client.value<string>('select system_identifier::text from pg_control_system()'),
  );
}

export interface EngineCopy {
  systemIdentifier: string;
  jobs: number;
  /** Where the copy is written; default: a directory of the test's own. */
  output?: string;
  /** Bytes a second. */
  rateLimit?: number;
  onProgress?: () => void;
  /** Default: a warning fails the test. */
  onWarning?: (text: string) => void;
}

/** Begins one; it is stopped at the end of the test at the latest. The server need not run. */
export async function beginCopy(
  t: ExecutionContext,
  cluster: TestCluster,
  { systemIdentifier, jobs, output: directory, rateLimit, onProgress, onWarning }: EngineCopy,
): Promise<{ engine: CopyEngine; output: string }> {
  const output = directory ?? (await temporaryDirectory(t));
  const engine = new CopyEngine({ jobs, level: 1 });
  engine.begin(
    {
      dataDirectory: String(cluster.dataDirectory),
      output,
      major: cluster.version,
      systemIdentifier,
      startLsn: '0/2000028',
      rateLimit,
      expectedBytes: 2 ** 40, // for which it starts all its threads
      onDamagedPage: 'warn',
      changes: undefined,
    },
    { onProgress: onProgress ?? (() => undefined), onWarning: onWarning ?? ((text) => t.fail(text)) },
  );
  t.teardown(() => engine.stop());
  return { engine, output };
}
