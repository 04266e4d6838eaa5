/**
 * `holdfast wal init`: makes a directory the repository of a cluster, on hosts without a control database.
 * With `--data-directory`, the operator also declares that this repository replaces an earlier one.
 */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadWalConfig } from '../../config/wal-config.ts';
import { HoldfastError } from '../../errors.ts';
import { createRepository } from '../../repository/repository-owner.ts';
import { replaceKnownRepository } from '../../wal/known-repository.ts';
import { parseWalArguments } from './wal-arguments.ts';
import { tellFailure } from './wal-failure.ts';

/** Creates the repository. Returns the exit status. */
export async function walInit(args: readonly string[]): Promise<number> {
  try {
    const { options } = parseWalArguments('init', args);
    const { dataDirectory } = options;
    const { clusterDirectory } = await loadWalConfig({ ...options, env: process.env });
    if (dataDirectory !== undefined) await requireOurs(dataDirectory);
    const { owner, isNew } = await createRepository(clusterDirectory);
    if (dataDirectory !== undefined)
      await replaceKnownRepository(join(dataDirectory, 'pg_wal'), clusterDirectory, owner.id);
    const said = args.includes('--json')
      ? JSON.stringify({ directory: clusterDirectory, id: owner.id, is_new: isNew })
      : `"${clusterDirectory}" ${isNew ? 'is a repository now' : 'is a repository already'}: ${owner.id}`;
    process.stdout.write(`${said}\n`);
    return 0;
  } catch (error) {
    return tellFailure(error, args);
  }
}

/**
 * Requires a data directory of the current user. The server could not read files that root writes there, and
 * root must not follow symbolic links of the server's user.
 * @throws HoldfastError `not_a_data_directory`, `wrong_user`
 */
async function requireOurs(dataDirectory: string): Promise<void> {
  if (!existsSync(join(dataDirectory, 'pg_wal', 'archive_status')))
    throw new HoldfastError(
      'failed',
      `"${dataDirectory}" is not a PostgreSQL data directory: it has no pg_wal/archive_status`,
      {
        code: 'not_a_data_directory',
        hint: 'give the directory that "SHOW data_directory" shows',
      },
    );
  const { uid } = await stat(join(dataDirectory, 'pg_wal'));
  if (uid === process.geteuid?.()) return;
  throw new HoldfastError('failed', `"${dataDirectory}" belongs to another user (${uid})`, {
    code: 'wrong_user',
    hint: `run "holdfast wal init" as that user: "setpriv --reuid=${uid} --clear-groups holdfast wal init …"`,
  });
}
