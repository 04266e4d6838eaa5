#!/usr/bin/env node
// Plain enough for a Node that is too old for the rest, so that it can say so.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hideArguments } from './hidden-arguments.js';

hideArguments();

// libuv's threads compress, and wait for disks meanwhile: of its usual four, too few would be left to compress.
process.env.UV_THREADPOOL_SIZE ??= '8';

const minimum = [22, 15]; // as "engines" in package.json says

// What keeps "wal fetch" from starting is not the end of the archive: above 125, PostgreSQL stops the recovery.
const command = process.argv.slice(2, 4).join(' ');
// A standby (PATH is below its data directory) asks again instead: it may stream meanwhile.
const wanted = process.argv.findIndex((word) =>
  /^[0-9A-F]{8}(\.history|[0-9A-F]{16}(\.[0-9A-Fa-z.]+)?)$/.test(word),
);
// A server that is promoted has the history of its timeline (src/wal/history-at-hand.ts).
const doesWithout = () => {
  if (wanted < 0) return false;
  const [name, wal] = [process.argv[wanted], dirname(process.argv[wanted + 1] ?? '')];
  const isHistory = name.endsWith('.history');
  const isAtHand = isHistory && (name === '00000001.history' || existsSync(join(wal, name)));
  return isAtHand || existsSync(join(dirname(wal), 'standby.signal'));
};
const failed = (status) => (command !== 'wal fetch' ? status : doesWithout() ? 1 : 200);

const version = process.versions.node.split('.').map(Number);
const isTooOld = version[0] < minimum[0] || (version[0] === minimum[0] && version[1] < minimum[1]);
const bringsItsOwn = () => existsSync(new URL('../node_modules/.bin/node', import.meta.url)); // a checkout
if (isTooOld && !bringsItsOwn()) {
  console.error('holdfast: needs Node ' + minimum.join('.') + ' or newer, and this is ' + process.version);
  process.exit(failed(2));
}
// A promise that nobody settles empties the event loop, and Node would end with 0.
process.once('beforeExit', () => {
  process.exitCode = failed(1);
  console.error('holdfast: ended before it was done, which is a fault of Holdfast: please report it');
});
const quick = /^wal (push|fetch|read-ahead|recovered)$/.test(command);
import(quick ? './wal.js' : './launch.js').catch((error) => {
  console.error('holdfast: cannot be started: ' + error.message);
  process.exit(failed(1));
});
