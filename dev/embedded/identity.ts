// Gives a copied data directory a system identifier of its own, as initdb would have.
//
// Clusters are copies of one template, and to PostgreSQL two clusters with one identifier are a primary and its
// standby. Holdfast tells clusters apart by that number, so tests need honest ones. It is kept in pg_control (first
// field, checksummed) and at the head of every WAL segment (not checksummed).
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '../../src/postgres/crc32c.ts';

const identifierInSegment = 24;

export async function giveOwnIdentity(dataDirectory: string): Promise<void> {
  const now = BigInt(Date.now());
  const random = BigInt(Math.floor(Math.random() * 2 ** 32));
  const identifier = ((now / 1000n) << 32n) | random;

  const former = await changeControlFile(join(dataDirectory, 'global', 'pg_control'), identifier);
  const wal = join(dataDirectory, 'pg_wal');
  for (const name of await readdir(wal)) {
    if (/^[0-9A-F]{24}$/.test(name)) await changeSegment(join(wal, name), former, identifier);
  }
}

async function changeControlFile(path: string, identifier: bigint): Promise<bigint> {
  return editing(path, async (file) => {
    const control = Buffer.alloc(8192);
    await file.read(control, 0, control.length, 0);
    const end = checksumOffset(control);
    if (end === undefined) throw new Error(`no checksum found in ${path}`);
    const former = control.readBigUInt64LE(0);
    control.writeBigUInt64LE(identifier, 0);
    control.writeUInt32LE(crc32c(control.subarray(0, end)), end);
    await file.write(control, 0, control.length, 0);
    return former;
  });
}

/** The checksum is the structure's last field; how long the structure is depends on the version. */
function checksumOffset(control: Buffer): number | undefined {
  for (let end = 200; end < 512; end += 4) {
    if (control.readUInt32LE(end) === crc32c(control.subarray(0, end))) return end;
  }
  return undefined;
}

async function changeSegment(path: string, former: bigint, identifier: bigint): Promise<void> {
  await editing(path, async (file) => {
    const field = Buffer.alloc(8);
    await file.read(field, 0, 8, identifierInSegment);
    // A segment that was made ready for later has no header yet.
    if (field.readBigUInt64LE(0) !== former) return;
    field.writeBigUInt64LE(identifier, 0);
    await file.write(field, 0, 8, identifierInSegment);
  });
}

async function editing<T>(path: string, edit: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r+');
  try {
    return await edit(file);
  } finally {
    await file.close();
  }
}
