#!/usr/bin/env node
// Plain enough for a Node that is too old for the rest, so that it can say so.
import { existsSync } from 'node:fs';

const minimum = [22, 15]; // as "engines" in package.json says

// What keeps "wal fetch" from starting is not the end of the archive: above 125, PostgreSQL stops the recovery.
const command = process.argv.slice(2, 4).join(' ');
const failed = (status) => (command === 'wal fetch' ? 200 : status);

const version = process.versions.node.split('.').map(Number);
const isTooOld = version[0] < minimum[0] || (version[0] === minimum[0] && version[1] < minimum[1]);
const bringsItsOwn = () => existsSync(new URL('../node_modules/.bin/node', import.meta.url)); // a checkout
if (isTooOld && !bringsItsOwn()) {
  console.error('holdfast: needs Node ' + minimum.join('.') + ' or newer, and this is ' + process.version);
  process.exit(failed(2));
}
const quick = /^wal (push|fetch|read-ahead)$/.test(command);
import(quick ? './wal.js' : './launch.js').catch((error) => {
  console.error('holdfast: cannot be started: ' + error.message);
  process.exitCode = failed(1);
});
