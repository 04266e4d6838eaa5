// The programs as npm installs them. AVA started by itself, without the package that is built for each run of the tests,
// runs those of the checkout: the same from the sources, and slower.
import { join } from 'node:path';
import { root } from '../../dev/root.ts';

const directory = process.env['TEST_PACKAGE'] ?? root;

export const program = join(directory, 'bin', 'holdfast.js');
export const script = join(directory, 'bin', 'holdfast-wal');
