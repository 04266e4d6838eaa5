#!/usr/bin/env node
// Plain enough for a Node that is too old for the rest, so that it can say so.
const minimum = [20, 12]; // as "engines" in package.json says

const version = process.versions.node.split('.').map(Number);
if (version[0] < minimum[0] || (version[0] === minimum[0] && version[1] < minimum[1])) {
  console.error('holdfast: needs Node ' + minimum.join('.') + ' or newer, and this is ' + process.version);
  process.exit(2);
}
import('./launch.js').catch((error) => {
  console.error('holdfast: cannot be started: ' + error.message);
  process.exitCode = 1;
});
