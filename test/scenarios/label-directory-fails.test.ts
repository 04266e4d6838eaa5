// A label directory that cannot be written to is a reason to begin no backup.
import { untilState } from '../support/backups.ts';
import { labelDisk } from '../support/label-disk.ts';
import { request } from '../support/requests.ts';
import { noSmallDisk } from '../support/small-disk.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noSmallDisk);

for (const [what, spoil] of [
  ['full', 'fill'],
  ['read-only', 'makeReadOnly'],
] as const) {
  test(`a label directory that is ${what} before the start is a reason to refuse`, async (t) => {
    const { disk, client } = await labelDisk(t);
    await disk[spoil]();
    const refused = await untilState(client, await request(client), 'failed', { within: 5000 });
    t.is(refused.error_code, 'label_directory_unwritable');
    t.true(refused.error?.includes(disk.directory));
    t.is(refused.start_lsn, null, 'no checkpoint was paid for');
  });
}
