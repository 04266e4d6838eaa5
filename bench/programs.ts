// The programs as npm installs them: what users run is what is measured.
import { join } from 'node:path';
import { installedPackage } from '../dev/build.ts';

const directory = await installedPackage();

export const program = join(directory, 'bin', 'holdfast.js');
export const script = join(directory, 'bin', 'holdfast-wal');
