// A backup in the repository as somebody who can write there would change it: its members' owners and modes, members of
// his own in front of the others, and all checksums made anew, so that nothing is damaged.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestEnd, manifestEntry } from '../../src/postgres/backup-manifest.ts';
import { crc32c } from '../../src/postgres/crc32c.ts';
import { compressHere, decompressHere } from '../../src/repository/compressed-here.ts';
import { readFrameIndex, writeFrameIndex, type FrameEntry } from '../../src/repository/frame-index.ts';
import { formatRepositoryBackup, type RepositoryBackup } from '../../src/repository/repository-backup.ts';
import { encodeHeader, parseHeader, tarBlock, tarPadding, type TarMember } from '../../src/repository/tar.ts';
import type { StoredBackup } from '../../src/repository/catalog.ts';

export interface Forgery {
  /** What becomes of each member's header. */
  edit?: (member: TarMember) => TarMember;
  /** Members in front of a tar's own, as memberBytes() makes them. */
  add?: { tar: string; bytes: Buffer }[];
  /** Files that are in the manifest, too. */
  list?: { path: string; content: Buffer }[];
  /** What becomes of backup.json. */
  describe?: (description: RepositoryBackup) => RepositoryBackup;
}

export async function forge(backup: StoredBackup, forgery: Forgery): Promise<void> {
  const { directory, meta, description } = backup;
  const before = readFrameIndex(await readFile(join(meta, 'frames.jsonl'), 'utf8'));
  const index: FrameEntry[] = [];
  for (const stored of description.tars) {
    const file = join(directory, stored.name);
    const frames = await framesOf(file, before, stored.name, forgery);
    let offset = 0;
    for (const { entry, bytes } of frames) {
      index.push({ ...entry, tar: stored.name, offset, length: bytes.length });
      offset += bytes.length;
    }
    stored.bytes = offset;
    stored.frames = frames.length;
    await writeFile(file, Buffer.concat(frames.map(({ bytes }) => bytes)));
  }
  const lines = Buffer.from(index.map((entry) => writeFrameIndex(entry)).join(''));
  await writeFile(join(meta, 'frames.jsonl'), lines);
  const manifest = await listed(join(directory, 'backup_manifest'), forgery.list ?? []);
  const described = { ...description, framesCrc32c: crc32c(lines), manifestCrc32c: crc32c(manifest) };
  const { describe = (same: RepositoryBackup) => same } = forgery;
  await writeFile(join(meta, 'backup.json'), formatRepositoryBackup(describe(described)));
}

type ForgedFrame = { entry: FrameEntry; bytes: Buffer };

async function framesOf(
  file: string,
  before: readonly FrameEntry[],
  tar: string,
  { add = [], edit }: Forgery,
): Promise<ForgedFrame[]> {
  const content = await readFile(file);
  const added = add
    .filter((one) => one.tar === tar)
    .map(({ bytes }) => compressed({ tar, offset: 0, length: 0, size: 0 }, bytes));
  const own = before
    .filter((entry) => entry.tar === tar)
    .map((entry) => {
      const bytes = decompressHere(content.subarray(entry.offset, entry.offset + entry.length), entry.size);
      if (edit !== undefined) editHeaders(bytes, entry, edit);
      return compressed(entry, bytes);
    });
  return [...added, ...own];
}

function compressed(entry: FrameEntry, bytes: Buffer): ForgedFrame {
  return { entry: { ...entry, size: bytes.length }, bytes: compressHere(bytes, 1) };
}

/** In place: names and sizes stay. */
function editHeaders(bytes: Buffer, { continues }: FrameEntry, edit: (member: TarMember) => TarMember): void {
  let at = continues === undefined ? 0 : continues.left + tarPadding(continues.size);
  while (at < bytes.length) {
    const { member, dataAt } = parseHeader(bytes, at);
    if (member === undefined) return;
    encodeHeader(edit(member)).copy(bytes, at);
    at = dataAt + (member.name.endsWith('/') ? 0 : member.size + tarPadding(member.size));
  }
}

/** A member with its data; `type` and `link` as tar has them. */
export function memberBytes(
  member: Partial<TarMember> & { name: string },
  content = Buffer.alloc(0),
  { type = member.name.endsWith('/') ? '5' : '0', link = '' } = {},
): Buffer {
  const owner = { uid: 0, gid: 0, user: '', group: '', mode: 0o600, mtime: 0 };
  const header = encodeHeader({ ...owner, ...member, size: content.length });
  header.write(type, 156, 'latin1');
  header.write(link, 157, 'latin1');
  header.write('        ', 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  if (header.length !== tarBlock) throw new Error('a header of one block only');
  return Buffer.concat([header, content, Buffer.alloc(tarPadding(content.length))]);
}

async function listed(file: string, added: NonNullable<Forgery['list']>): Promise<Buffer> {
  const entries = added.map(({ path, content }) =>
    manifestEntry({ path, size: content.length, mtime: 0, crc32c: crc32c(content) }, true),
  );
  const before = await readFile(file, 'utf8');
  const [body = ''] = before.split('"Manifest-Checksum"');
  const text = body.replace('"Files": [', () => `"Files": [${entries.map((entry) => `${entry},`).join('')}`);
  const sha256 = createHash('sha256').update(text).digest('hex');
  const manifest = Buffer.from(`${text}${manifestEnd(sha256)}`);
  await writeFile(file, manifest);
  return manifest;
}
