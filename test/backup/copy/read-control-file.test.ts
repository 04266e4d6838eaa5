// pg_control, which a server writes while it is copied.
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readControlFile } from '../../../src/backup/copy/read-control-file.ts';
import { crc32c } from '../../../src/postgres/crc32c.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('one that is met half-written is read again until it is whole', async (t) => {
  const { directory, file } = await dataDirectory(t);
  await writeFile(file, Buffer.concat([controlFile(2).subarray(0, 40), controlFile(1).subarray(40)]));
  const reading = readControlFile(directory); // has looked once by now
  await writeFile(file, controlFile(2));
  t.deepEqual(await reading, controlFile(2));
});

test('one that is met without its end is read again until it is whole', async (t) => {
  const { directory, file } = await dataDirectory(t);
  await truncate(file, 4096);
  const reading = readControlFile(directory);
  await writeFile(file, controlFile(2));
  t.deepEqual(await reading, controlFile(2));
});

test('one that stays torn is an error that names it', async (t) => {
  const { directory, file } = await dataDirectory(t);
  await writeFile(file, Buffer.concat([controlFile(2).subarray(0, 40), controlFile(1).subarray(40)]));
  await t.throwsAsync(readControlFile(directory), {
    message: `cannot read "${file}": its checksum is wrong: it was copied while it was being written, or is damaged`,
  });
});

test('one that is not there is an error at once', async (t) => {
  const directory = await temporaryDirectory(t);
  await t.throwsAsync(readControlFile(directory), { message: /global\/pg_control": ENOENT/ });
});

/** With a whole one in it. */
async function dataDirectory(t: ExecutionContext): Promise<{ directory: string; file: string }> {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, 'global'));
  const file = join(directory, 'global', 'pg_control');
  await writeFile(file, controlFile(1));
  return { directory, file };
}

/** Of PostgreSQL 16, with nothing but a checkpoint and the usual sizes in it. */
function controlFile(checkpoint: number): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.writeUInt32LE(1300, 8);
  bytes.writeBigUInt64LE(BigInt(checkpoint), 32);
  bytes.writeUInt32LE(8192, 216);
  bytes.writeUInt32LE(131_072, 220);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 288)), 288);
  return bytes;
}
