// A backup in the repository's format, of a real server: as the worker's method copy leaves it, made by the shortest
// code that does.
import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { crc32c } from '../../src/postgres/crc32c.ts';
import { parseControlFile } from '../../src/postgres/pg-control.ts';
import { parseTablespaceMap } from '../../src/postgres/tablespace-map.ts';
import { writeFrameIndex, type FrameEntry } from '../../src/repository/frame-index.ts';
import { entryName } from '../../src/repository/label-entry.ts';
import type { RepositoryBackup } from '../../src/repository/repository-backup.ts';
import { encodeHeader, endOfArchive, tarPadding } from '../../src/repository/tar.ts';
import type { TestCluster } from './cluster.ts';
import type { SqlClient } from './sql-client.ts';

const frameBytes = 256 * 1024;
const emptied = /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)$/;
const leftOut = /(^|\/)(postmaster\.(pid|opts)|pg_internal\.init.*|pgsql_tmp.*)$/;

export interface Made {
  backup: RepositoryBackup;
  directory: string;
  meta: string;
}

export interface MakeOptions {
  cluster: TestCluster;
  client: SqlClient;
  clusterDirectory: string;
  id: number;
  /** While the copy is made. */
  during?: () => Promise<void>;
}

/** Copies into <cluster directory>/backups; WAL is the archive's business. */
export async function makeRepositoryBackup(options: MakeOptions): Promise<Made> {
  const { cluster, client, clusterDirectory, id } = options;
  const data = String(cluster.dataDirectory);
  const since15 = cluster.version >= 15;
  const [begun] = await client.query<Record<string, string>>(
    `select lsn::text as "startLsn", pg_walfile_name(lsn) as "startWal",
       (select system_identifier::text from pg_control_system()) as "systemIdentifier",
       current_setting('server_version') as "serverVersion", (pg_control_checkpoint()).timeline_id as timeline
     from ${since15 ? `pg_backup_start('made', true)` : `pg_start_backup('made', true, false)`} lsn`,
  );
  const startedAt = new Date().toISOString();
  const base = new TarFile('base.tar.zst', '');
  await addTree(base, data, '');
  const tablespaces = await client.query<{ oid: number; path: string }>(
    `select oid::int, pg_tablespace_location(oid) as path from pg_tablespace where pg_tablespace_location(oid) ~ '^/'`,
  );
  const spaces = [];
  for (const { oid, path } of tablespaces) {
    const tar = new TarFile(`${oid}.tar.zst`, `pg_tblspc/${oid}/`);
    await addTree(tar, path, '');
    tar.finish();
    spaces.push(tar);
  }
  await options.during?.();
  const control = await readFile(join(data, 'global/pg_control'));
  await base.add('global/pg_control', control, join(data, 'global/pg_control'));
  const [ended] = await client.query<Record<string, string>>(
    `select lsn::text as "stopLsn", pg_walfile_name(lsn) as "stopWal", labelfile, spcmapfile, clock_timestamp() as now
     from ${since15 ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)'}`,
  );
  const { labelfile = '', spcmapfile = '', stopLsn = '', stopWal = '' } = ended ?? {};
  base.cut();
  const own = join(data, 'PG_VERSION');
  await base.add('backup_label', Buffer.from(labelfile), own);
  if (spcmapfile !== '') await base.add('tablespace_map', Buffer.from(spcmapfile), own);
  base.finish();
  await client.query('select pg_switch_wal()');

  const tars = [...spaces, base];
  const major = cluster.version;
  const manifest = manifestOf(tars, major, String(begun?.['systemIdentifier']));
  const frames = Buffer.from(tars.flatMap(({ frames: entries }) => entries.map(writeFrameIndex)).join(''));
  const settings = parseControlFile(control);
  const backup = {
    version: 1,
    method: 'copy',
    id,
    cluster: 'main',
    label: 'made',
    ...begun,
    stopLsn,
    stopWal,
    startedAt,
    stoppedAt: new Date(String(ended?.['now'])).toISOString(),
    dataDirectory: data,
    blockSize: settings.blockSize,
    walSegmentSize: settings.walSegmentSize,
    relationSegmentBlocks: settings.relationSegmentBlocks,
    checksums: settings.checksums,
    compressLevel: 1,
    bytes: tars.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0),
    storedBytes: tars.reduce((sum, tar) => sum + tar.stored, 0),
    files: tars.flatMap(({ files }) => files).length,
    tablespaces: parseTablespaceMap(Buffer.from(spcmapfile), major).map(({ oid, location }) => ({
      oid: Number(oid),
      path: location.toString(),
      tar: `${oid}.tar.zst`,
    })),
    tars: tars.map(({ name, stored, size, frames: entries }) => ({
      name,
      bytes: stored,
      size,
      frames: entries.length,
    })),
    damagedPages: [],
    manifestCrc32c: crc32c(manifest),
    framesCrc32c: crc32c(frames),
  } as unknown as RepositoryBackup;

  const directory = join(clusterDirectory, 'backups', entryName(backup));
  const meta = `${directory}.meta`;
  for (const path of [directory, meta]) await mkdir(path, { recursive: true });
  for (const tar of tars) await writeFile(join(directory, tar.name), Buffer.concat(tar.compressed));
  await writeFile(join(directory, 'backup_manifest'), manifest);
  await writeFile(join(meta, 'frames.jsonl'), frames);
  await writeFile(join(meta, 'backup_label'), labelfile);
  if (spcmapfile !== '') await writeFile(join(meta, 'tablespace_map'), spcmapfile);
  await writeFile(join(meta, 'backup.json'), JSON.stringify(backup, null, 2));
  return { backup, directory, meta };
}

class TarFile {
  readonly name: string;
  readonly prefix: string;
  readonly compressed: Buffer[] = [];
  readonly frames: FrameEntry[] = [];
  readonly files: { path: string; size: number; crc: number }[] = [];
  stored = 0;
  size = 0;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #continues: FrameEntry['continues'];

  constructor(name: string, prefix: string) {
    this.name = name;
    this.prefix = prefix;
  }

  async add(name: string, bytes: Buffer, like: string): Promise<void> {
    const { mode, uid, gid, mtimeMs } = await lstat(like);
    const size = name.endsWith('/') ? 0 : bytes.length;
    const member = { name, size, mode: mode & 0o7777, uid, gid, mtime: mtimeMs / 1000, user: '', group: '' };
    this.#push(encodeHeader(member));
    if (name.endsWith('/')) return;
    this.files.push({ path: `${this.prefix}${name}`, size, crc: crc32c(bytes) });
    for (let at = 0; at < size;) {
      if (this.#pendingBytes >= frameBytes) {
        this.cut();
        this.#continues = { name, at, left: size - at, mode: member.mode, size };
      }
      const part = bytes.subarray(at, at + Math.max(1, frameBytes - this.#pendingBytes));
      this.#push(part);
      at += part.length;
    }
    this.#push(Buffer.alloc(tarPadding(size)));
    if (this.#pendingBytes >= frameBytes) this.cut();
  }

  finish(): void {
    this.cut();
    this.#push(endOfArchive);
    this.cut();
  }

  cut(): void {
    if (this.#pendingBytes === 0) return;
    const bytes = Buffer.concat(this.#pending);
    const compressed = zstdCompressSync(bytes, {
      pledgedSrcSize: bytes.length,
      params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
    });
    const continues = this.#continues;
    this.frames.push({
      tar: this.name,
      offset: this.stored,
      length: compressed.length,
      size: bytes.length,
      ...(continues && { continues }),
    });
    this.compressed.push(compressed);
    this.stored += compressed.length;
    this.size += bytes.length;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#continues = undefined;
  }

  #push(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }
}

async function addTree(tar: TarFile, root: string, below: string): Promise<void> {
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    const path = join(root, name);
    if (entry.isDirectory()) {
      await tar.add(`${name}/`, Buffer.alloc(0), path);
      if (name === 'pg_wal') await tar.add('pg_wal/archive_status/', Buffer.alloc(0), path);
      if (!emptied.test(name)) await addTree(tar, root, name);
    } else if (entry.isFile() && !leftOut.test(name) && name !== 'global/pg_control') {
      await tar.add(name, await readFile(path), path);
    }
  }
}

function manifestOf(tars: TarFile[], major: number, systemIdentifier: string): Buffer {
  const files = tars
    .flatMap((tar) => tar.files)
    .map(({ path, size, crc }) => {
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32LE(crc);
      return `{ "Path": ${JSON.stringify(path)}, "Size": ${size}, "Last-Modified": "2026-01-01 00:00:00 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "${checksum.toString('hex')}" }`;
    });
  const version = major >= 17 ? `2,\n"System-Identifier": ${systemIdentifier}` : '1';
  const text = `{ "PostgreSQL-Backup-Manifest-Version": ${version},\n"Files": [\n${files.join(',\n')}\n],\n"WAL-Ranges": [],\n`;
  const sum = createHash('sha256').update(text).digest('hex');
  return Buffer.from(`${text}"Manifest-Checksum": "${sum}"}\n`);
}
