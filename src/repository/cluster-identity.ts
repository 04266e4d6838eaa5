/**
 * `cluster.json`: the system identifier and the segment size of the server whose backups and WAL are in a cluster's
 * directory. The first push or the first backup writes the file; every later one checks it. Neither creates the
 * directory (see repository-owner.ts).
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { within } from '../system/held-directory.ts';
import { linkUnlessThere } from '../system/link-unless-there.ts';
import { readIfThere } from './repository-errors.ts';
import { requireRepository } from './repository-owner.ts';

/** The content of cluster.json. */
export interface ClusterIdentity {
  /** A 64-bit number as text, in the form in which the server shows it. */
  systemIdentifier: string;
  /** Bytes. */
  walSegmentSize: number;
}

const fileName = 'cluster.json';
const fileMode = 0o600;

/**
 * Claims the repository for the system of `identity` if no system has claimed the repository yet. Durable when the
 * promise resolves.
 * @throws HoldfastError `no_repository` where the directory is not a repository, `other_system` where another system
 * has claimed it, `other_segment_size` where its WAL has another segment size
 */
export async function claimRepository(directory: string, identity: ClusterIdentity): Promise<void> {
  const found = (await readIdentity(directory)) ?? (await writeIdentity(directory, identity));
  if (found.systemIdentifier !== identity.systemIdentifier) {
    throw new HoldfastError(
      'failed',
      `"${directory}" belongs to the system ${found.systemIdentifier}, not to ${identity.systemIdentifier}`,
      {
        code: 'other_system',
        hint: 'give each cluster a name of its own (--cluster, HOLDFAST_CLUSTER, [cluster.<name>]), or a repository of its own: initdb makes another cluster',
      },
    );
  }
  if (found.walSegmentSize !== identity.walSegmentSize) {
    throw new HoldfastError(
      'failed',
      `the WAL in "${directory}" is in segments of ${found.walSegmentSize} bytes, not of ${identity.walSegmentSize}`,
      {
        code: 'other_segment_size',
        hint: 'archive to another repository or under another cluster name after pg_resetwal --wal-segsize',
      },
    );
  }
}

/**
 * Returns undefined where no system has claimed the repository yet.
 * @throws HoldfastError `repository_unreadable` where the file cannot be read or parsed
 */
export async function readIdentity(directory: string): Promise<ClusterIdentity | undefined> {
  const file = join(directory, fileName);
  const text = await readIfThere(file);
  return text === undefined ? undefined : parseIdentity(file, text);
}

function parseIdentity(file: string, text: string): ClusterIdentity {
  const refuse = (reason: string) =>
    new HoldfastError('failed', `"${file}" ${reason}`, {
      code: 'repository_unreadable',
      hint: 'write into it which system the directory belongs to: {"version":1,"systemIdentifier":"…","walSegmentSize":16777216}',
    });
  let found: Partial<ClusterIdentity & { version: number }> | null;
  try {
    found = JSON.parse(text) as typeof found;
  } catch (error) {
    throw refuse(`is not JSON: ${messageOf(error)}`);
  }
  if (found?.version !== 1) throw refuse('is not of version 1');
  const { systemIdentifier, walSegmentSize } = found;
  if (typeof systemIdentifier !== 'string' || typeof walSegmentSize !== 'number')
    throw refuse('has no system identifier or no segment size');
  return { systemIdentifier, walSegmentSize };
}

/** Removes the temporary files left by killed writers of cluster.json. */
export async function removeIdentityLeftovers(directory: string): Promise<void> {
  await within(directory, (at) => removeTemporaries(at, `.${fileName}`));
}

/** Returns `identity`, or the identity that another process has written first. */
async function writeIdentity(directory: string, identity: ClusterIdentity): Promise<ClusterIdentity> {
  requireRepository(directory);
  await within(directory, async (at) => {
    const temporary = join(at, temporaryName(`.${fileName}`));
    try {
      const { systemIdentifier, walSegmentSize } = identity;
      const text = `${JSON.stringify({ version: 1, systemIdentifier, walSegmentSize })}\n`;
      await writeSynced(temporary, Buffer.from(text), fileMode);
      await linkUnlessThere(temporary, join(at, fileName));
      await fsyncDirectory(at);
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  });
  return (await readIdentity(directory)) ?? identity;
}
