// What describes a backup that was never made, as the repository has it.
import { formatRepositoryBackup, type RepositoryBackup } from '../../src/repository/repository-backup.ts';

type Essentials = Pick<
  RepositoryBackup,
  | 'id'
  | 'label'
  | 'systemIdentifier'
  | 'startedAt'
  | 'stoppedAt'
  | 'startLsn'
  | 'startWal'
  | 'stopLsn'
  | 'stopWal'
  | 'walSegmentSize'
> &
  Partial<Pick<RepositoryBackup, 'incremental' | 'damagedPages'>>;

export function describedBackup(essentials: Essentials): Buffer {
  return formatRepositoryBackup({
    version: 1,
    method: 'copy',
    cluster: 'main',
    serverVersion: '18.4',
    timeline: 1,
    dataDirectory: '/data',
    blockSize: 8192,
    relationSegmentBlocks: 131_072,
    checksums: true,
    compressLevel: 1,
    bytes: 1,
    storedBytes: 1,
    files: 1,
    tablespaces: [],
    tars: [],
    damagedPages: [],
    manifestCrc32c: 0,
    framesCrc32c: 0,
    ...essentials,
  });
}
