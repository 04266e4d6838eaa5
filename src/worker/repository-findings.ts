/** Records in the control database which backups of a cluster its repository lacks, and which chains are broken there. */
import { isDeepStrictEqual } from 'node:util';
import { noteBroken, recordedBreaks, type BrokenCopy } from '../control/backup-chains.ts';
import { knownCopies, noteMissing } from '../control/control-identity.ts';
import type { RepositoryUse } from '../identity/repository-use.ts';
import { BackupChains } from '../repository/backup-chain.ts';
import { backupIdIn } from '../repository/backup-name.ts';
import { readCatalog, type Catalog } from '../repository/catalog.ts';
import { missingFrom } from '../repository/recorded-backup.ts';

/**
 * Looks into the repository. The rows are read before the directory: a copy that is complete in its row has been
 * published by then.
 */
export async function noteFindings({ cluster, clusterDirectory, control }: RepositoryUse): Promise<void> {
  const { complete, missing: recorded } = await control((db) => knownCopies(db, cluster));
  const missing = (await missingFrom(clusterDirectory, complete)).map(({ id }) => String(id));
  if (!isDeepStrictEqual(missing, recorded)) await control((db) => noteMissing(db, cluster, missing));

  const broken = brokenIn(await readCatalog(clusterDirectory)).filter(({ id }) =>
    complete.some((one) => one.id === id),
  );
  const seen = broken.map(({ id, link, problem }) => ({ id, link, problem }));
  const breaks = await control((db) => recordedBreaks(db, cluster));
  if (!isDeepStrictEqual(seen, breaks)) await control((db) => noteBroken(db, cluster, broken));
}

/** The copies whose chains are broken, by their ids. */
function brokenIn(catalog: Catalog): BrokenCopy[] {
  const chains = new BackupChains(catalog);
  return catalog.backups
    .flatMap((backup) => {
      const { id, systemIdentifier, startLsn } = backup.description;
      const { broken } = chains.of(backup);
      if (broken === undefined) return [];
      return [
        { id, systemIdentifier, startLsn, link: backupIdIn(broken.name) ?? 0, problem: broken.problem },
      ];
    })
    .sort((a, b) => a.id - b.id);
}
