/** The identity under which a run of the worker registers itself in the control database. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Config } from '../config/config.ts';
import { packageRoot } from '../database/statements.ts';
import type { WorkerIdentity } from '../control/worker-rows.ts';

/**
 * The identity for a new run. `instance` is random; the name is the configured one, or else the host name.
 */
export function identifyWorker(config: Config): WorkerIdentity {
  const { version } = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
    version: string;
  };
  return {
    name: config.worker.name ?? hostname(),
    nameIsFixed: config.worker.name !== undefined,
    instance: randomUUID(),
    clusters: config.clusters.map(({ name }) => name),
    version,
    host: hostname(),
    hostPid: process.pid,
  };
}
