/**
 * Whether this worker can copy the cluster: its data directory has to be here, readable, and that of the very server
 * in which the backup session is; its repository has to be writable and to hold no other system's backups.
 */
import { randomUUID } from 'node:crypto';
import { access, constants, readFile, readdir, readlink, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Connection } from '../../database/connection.ts';
import { useOrCreateRepository } from '../../chores/repository-use.ts';
import { controlIdentity } from '../../control/control-identity.ts';
import { sourceOf } from '../../server/server-queries.ts';
import { HoldfastError, messageOf } from '../../errors.ts';
import { parseControlFile, type ControlFile } from '../../postgres/pg-control.ts';
import { formatLsn, parseLsn } from '../../postgres/lsn.ts';
import { claimRepository } from '../../repository/cluster-identity.ts';
import { writeSynced } from '../../system/durable-files.ts';
import { makeDurableDirectory, within } from '../../system/held-directory.ts';
import { linkUnlessThere } from '../../system/link-unless-there.ts';
import { backupsDirectory } from '../../repository/repository-backup.ts';
import { repositoryError } from '../../repository/repository-errors.ts';
import type { RunContext } from '../request-run.ts';
import { requireSeparateDirectories } from './separate-directories.ts';

export interface CopySource {
  dataDirectory: string;
  /** Where the link pg_wal leads; undefined: it is a directory. */
  walLinkedTo: string | undefined;
  /** The cluster's in the repository. */
  clusterDirectory: string;
  systemIdentifier: string;
  /** Bytes. */
  walSegmentSize: number;
  /** The sum of the files' sizes. */
  bytes: number;
  /** Of the control database. */
  controlOrigin: string;
}

/** @throws HoldfastError saying why not, and what to change */
export async function findSource(context: RunContext, db: Connection): Promise<Omit<CopySource, 'bytes'>> {
  const { server, repository } = context;
  const source = await sourceOf(db);
  const dataDirectory = await server.dataDirectory();
  const control = await readControl(dataDirectory);
  if (control.systemIdentifier !== source.systemIdentifier) {
    throw otherDirectory(
      dataDirectory,
      `belongs to the system ${control.systemIdentifier}, and the server to ${source.systemIdentifier}`,
    );
  }
  if (control.state !== 'in production')
    throw otherDirectory(dataDirectory, `is of a server that is ${control.state}: perhaps a standby's`);
  const clusterDirectory = join(repository, server.name);
  await requireSeparateDirectories(dataDirectory, { clusterDirectory, labels: context.labels });
  const { systemIdentifier, walSegmentSize } = control;
  const use = {
    cluster: server.name,
    clusterDirectory,
    control: <T>(work: (db: Connection) => Promise<T>) => context.control.run(work),
  };
  await useOrCreateRepository(use, `a copy of cluster ${server.name}`);
  await testRepository(clusterDirectory, { systemIdentifier, walSegmentSize });
  return {
    dataDirectory,
    walLinkedTo: await linkedTo(join(dataDirectory, 'pg_wal')),
    clusterDirectory,
    systemIdentifier,
    walSegmentSize,
    controlOrigin: (await context.control.run(controlIdentity)).origin,
  };
}

/** Once the backup has begun: its checkpoint is noted in the server's own directory, and in no copy of that. */
export async function requireStarted({ dataDirectory }: CopySource, startLsn: string): Promise<void> {
  const { redoLsn } = await readControl(dataDirectory);
  if (redoLsn >= parseLsn(startLsn)) return;
  throw otherDirectory(
    dataDirectory,
    `knows of no checkpoint since ${formatLsn(redoLsn)}, and the backup began at ${startLsn}`,
  );
}

async function readControl(dataDirectory: string): Promise<ControlFile> {
  try {
    await access(join(dataDirectory, 'pg_wal'), constants.R_OK | constants.X_OK);
    await readdir(join(dataDirectory, 'base'));
    return await soundControl(join(dataDirectory, 'global', 'pg_control'));
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `the data directory "${dataDirectory}" cannot be read here: ${messageOf(error)}`,
      {
        code: 'data_directory_unreadable',
        hint: 'run the worker on the host of the server, as the user of the server; where the directory has another path here, set data_directory of the cluster; or use method hold',
        cause: error,
      },
    );
  }
}

/** It may be read while it is being written. */
async function soundControl(path: string): Promise<ControlFile> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return parseControlFile(await readFile(path));
    } catch (error) {
      if (!(error instanceof RangeError) || attempt === 10) throw error;
    }
  }
}

function otherDirectory(dataDirectory: string, why: string): HoldfastError {
  return new HoldfastError('failed', `"${dataDirectory}" is not the server's data directory: it ${why}`, {
    code: 'other_data_directory',
    hint: 'set data_directory of the cluster to where its server has its files, on the host of this worker; or use method hold',
  });
}

async function testRepository(
  clusterDirectory: string,
  identity: { systemIdentifier: string; walSegmentSize: number },
): Promise<void> {
  try {
    await claimRepository(clusterDirectory, identity);
    await within(clusterDirectory, testWriting);
    const backups = backupsDirectory(clusterDirectory);
    await makeDurableDirectory(backups);
    await access(backups, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw repositoryError(error, clusterDirectory);
  }
}

async function testWriting(directory: string): Promise<void> {
  const probe = join(directory, `.test-${randomUUID()}`);
  try {
    await writeSynced(probe, Buffer.alloc(16_384, 'holdfast '), 0o600);
    await linkUnlessThere(probe, `${probe}-named`); // which takes hard links, or locks
  } finally {
    for (const path of [probe, `${probe}-named`]) await rm(path, { force: true }).catch(() => undefined);
  }
}

/** Where a symbolic link leads, absolute; undefined: it is a directory. */
async function linkedTo(path: string): Promise<string | undefined> {
  const link = await readlink(path).catch(() => undefined);
  return link === undefined ? undefined : resolve(dirname(path), link);
}
