/**
 * Checks whether this worker can copy the cluster. The data directory must be on this host, readable, and belong
 * to the server of the backup session. The repository must be writable and must not hold backups of another
 * system.
 */
import { randomUUID } from 'node:crypto';
import { access, constants, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from '../../database/connection.ts';
import { useOrCreateRepository } from '../../identity/repository-use.ts';
import { controlIdentity } from '../../control/control-identity.ts';
import { hasWritten } from '../../server/own-directory.ts';
import { sourceOf } from '../../server/server-queries.ts';
import { HoldfastError, messageOf } from '../../errors.ts';
import type { ControlFile } from '../../postgres/pg-control.ts';
import { readSoundControlFile } from '../../postgres/torn-control-file.ts';
import { formatLsn, parseLsn } from '../../postgres/lsn.ts';
import { unsupportedFormat } from '../../postgres/unknown-format-error.ts';
import { claimRepository } from '../../repository/cluster-identity.ts';
import { writeSynced } from '../../system/durable-files.ts';
import { within } from '../../system/held-directory.ts';
import { makeBelow } from '../../system/make-below.ts';
import { linkUnlessThere } from '../../system/link-unless-there.ts';
import type { StoredBackup } from '../../repository/catalog.ts';
import { backupsDirectory } from '../../repository/repository-backup.ts';
import { repositoryError, requireAnswering } from '../../repository/repository-errors.ts';
import type { RunContext } from '../request-run.ts';
import type { CopyEngine } from './copy-engine.ts';
import type { SurveyedParent } from './copy-messages.ts';
import { requireSeparateDirectories } from './separate-directories.ts';
import { walOutside } from './wal-outside.ts';

/** The cluster that is copied, and its repository. */
export interface CopySource {
  dataDirectory: string;
  /** See walOutside(). */
  walLinkedTo: string | undefined;
  /** The directory of the cluster in the repository. */
  clusterDirectory: string;
  systemIdentifier: string;
  /** Bytes. */
  walSegmentSize: number;
  /** The pg_control of the data directory, as it was before the backup. */
  control: ControlFile;
  /** The sum of the sizes of the files. Bytes. */
  bytes: number;
  /** How the last copy was compressed, see ExpectedSize. */
  ratio: number | undefined;
  /** The origin of the control database. */
  controlOrigin: string;
  /** The threads of the copy, which have looked at the files. */
  engine: CopyEngine;
  /** The zstd level of the copy. */
  level: number;
  /** The copy of which this one is to hold the changes; undefined: a full copy. */
  parent: SourceParent | undefined;
}

/** The parent of an incremental copy. */
export interface SourceParent extends SurveyedParent {
  backup: StoredBackup;
}

/** A cluster that can be read, and the place of its repository. */
export type FoundSource = Omit<CopySource, 'bytes' | 'ratio' | 'parent' | 'engine' | 'level'>;

/**
 * Finds the data directory and the repository of a copy. Writes nothing.
 * @throws HoldfastError where the cluster cannot be copied; the hint names the change to make
 */
export async function findSource(context: RunContext, db: Connection): Promise<FoundSource> {
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
  if (!(await hasWritten(db, dataDirectory)))
    throw otherDirectory(
      dataDirectory,
      'was written last at another time than the server has written its own',
    );
  const clusterDirectory = join(repository, server.name);
  await requireAnswering(clusterDirectory);
  await requireSeparateDirectories(dataDirectory, { clusterDirectory, labels: context.labels });
  const { systemIdentifier, walSegmentSize } = control;
  return {
    dataDirectory,
    walLinkedTo: await walOutside(dataDirectory),
    clusterDirectory,
    systemIdentifier,
    walSegmentSize,
    control,
    controlOrigin: (await context.control.run(controlIdentity)).origin,
  };
}

/**
 * Checks that the copy may be written to the repository, which is created for the first copy of a cluster.
 * @throws HoldfastError where the repository is not to be used, or cannot be written to
 */
export async function takeRepository(
  { control, server: { name: cluster } }: RunContext,
  { clusterDirectory, systemIdentifier, walSegmentSize }: FoundSource,
): Promise<void> {
  const use = {
    cluster,
    clusterDirectory,
    control: <T>(work: (db: Connection) => Promise<T>) => control.run(work),
  };
  await useOrCreateRepository(use, `a copy of cluster ${cluster}`);
  await testRepository(clusterDirectory, { systemIdentifier, walSegmentSize });
}

/**
 * Called after pg_backup_start. The checkpoint of the backup is in the pg_control of the data directory of the
 * server; the pg_control of a copy of that directory is older.
 * @throws HoldfastError `other_data_directory`
 */
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
    return (await readSoundControlFile(dataDirectory)).control;
  } catch (error) {
    const unsupported = unsupportedFormat(error, join(dataDirectory, 'global/pg_control'));
    if (unsupported !== undefined) throw unsupported;
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
    await makeBelow(clusterDirectory, backups);
    await access(backups, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw repositoryError(error, clusterDirectory);
  }
}

async function testWriting(directory: string): Promise<void> {
  const probe = join(directory, `.test-${randomUUID()}`);
  try {
    await writeSynced(probe, Buffer.alloc(16_384, 'holdfast '), 0o600);
    await linkUnlessThere(probe, `${probe}-named`); // linkUnlessThere needs hard links or file locks
  } finally {
    for (const path of [probe, `${probe}-named`]) await rm(path, { force: true }).catch(() => undefined);
  }
}
