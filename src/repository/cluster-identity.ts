/**
 * Whose backups and WAL a cluster's directory holds: `cluster.json`, written once by whoever comes first, the
 * first push or the first copy, and checked by everybody else. Neither makes the directory: see repository-owner.ts.
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

export interface ClusterIdentity {
  /** A 64-bit number as text, as the server shows it. */
  systemIdentifier: string;
  /** Bytes. */
  walSegmentSize: number;
}

const fileName = 'cluster.json';
const fileMode = 0o600;

/**
 * Makes the repository that system's, if it is nobody's yet; durable when it resolves.
 * @throws HoldfastError `no_repository` where nobody has made it one, `other_system` where it is another's, `other_segment_size` where its WAL was cut differently
 */
export async function claimRepository(directory: string, identity: ClusterIdentity): Promise<void> {
  const found = (await readIdentity(directory)) ?? (await writeIdentity(directory, identity));
  if (found.systemIdentifier !== identity.systemIdentifier) {
    throw new HoldfastError(
      'failed',
      `"${directory}" belongs to the system ${found.systemIdentifier}, not to ${identity.systemIdentifier}`,
      {
        code: 'other_system',
        hint: 'give each cluster a name of its own (--cluster, HOLDFAST_CLUSTER, [cluster.<name>]), or another repository; after initdb it is another cluster',
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

/** undefined: it is nobody's yet. @throws HoldfastError where it cannot be read, or makes no sense */
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

/** What writers of the file that were killed have left beside it. */
export async function removeIdentityLeftovers(directory: string): Promise<void> {
  await within(directory, (at) => removeTemporaries(at, `.${fileName}`));
}

/** Ours, or that of whoever was quicker. */
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
