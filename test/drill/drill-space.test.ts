import test from 'ava';
import { requireDrillSpace } from '../../src/drill/drill-space.ts';

test('a drill is not refused for want of room where the file system does not report its size', async (t) => {
  await t.notThrowsAsync(requireDrillSpace('/proc', '/proc/none', 2 ** 60));
  await t.throwsAsync(requireDrillSpace('/', '/none', 2 ** 60), { code: 'no_room' });
});
