/** `holdfast wal init`: makes a directory a cluster's repository, on hosts that have no control database to install. */
import { loadWalConfig } from '../config/wal-config.ts';
import { createRepository } from '../repository/repository-owner.ts';
import { parseWalArguments } from './wal-arguments.ts';
import { tellFailure } from './wal-failure.ts';

/** Returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const { options } = parseWalArguments(args, []);
    const { clusterDirectory } = await loadWalConfig({ ...options, env: process.env });
    const { owner, isNew } = await createRepository(clusterDirectory);
    const said = args.includes('--json')
      ? JSON.stringify({ directory: clusterDirectory, id: owner.id, is_new: isNew })
      : `"${clusterDirectory}" ${isNew ? 'is a repository now' : 'is a repository already'}: ${owner.id}`;
    process.stdout.write(`${said}\n`);
    return 0;
  } catch (error) {
    return tellFailure(error, args);
  }
}
