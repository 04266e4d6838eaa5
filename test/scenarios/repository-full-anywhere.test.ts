// A repository that gets full at any moment of a copy.
import { noCopies } from '../support/copies.ts';
import { narrowRepository } from '../support/narrow-repository.ts';
import { noSmallDisk } from '../support/small-disk.ts';
import { testWhen } from '../support/test-when.ts';
import { noArchivingServer } from '../support/wal.ts';

const test = testWhen(noCopies, noSmallDisk, noArchivingServer);

test('wherever in a copy the repository gets full, the request says so and leaves nothing', async (t) => {
  const { requireRefusedAt, requireCopy } = await narrowRepository(t);
  // The tar, the manifest, the WAL and the description are written one after the other.
  for (const missing of [0.9, 0.4, 0.05, 0.03, 0.01, 0.001]) await requireRefusedAt(missing);
  await requireCopy();
});
