// A repository without room for a copy: the request says so, and nothing half is left.
import { noCopies } from '../support/copies.ts';
import { narrowRepository } from '../support/narrow-repository.ts';
import { noSmallDisk } from '../support/small-disk.ts';
import { testWhen } from '../support/test-when.ts';
import { noArchivingServer } from '../support/wal.ts';

const test = testWhen(noCopies, noSmallDisk, noArchivingServer);

test('a copy without room is refused before it begins, or fails once there is none, and leaves nothing', async (t) => {
  const { requireRefusedAt, requireCopy } = await narrowRepository(t);
  t.is(await requireRefusedAt(0.9), 'no_room_for_copy');
  t.is(await requireRefusedAt(0.1), 'repository_full');
  await requireCopy();
});
