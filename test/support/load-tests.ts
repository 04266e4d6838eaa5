// Runs in a process of AVA's: loads the files of tests that share it.
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../dev/root.ts';
import { declareTests, recordTests } from './recorded-tests.ts';

const instead = new URL('recorded-tests.ts', import.meta.url).href;

/** `files`: relative to the checkout. */
export async function loadTests(files: readonly string[]): Promise<void> {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const isForTests = specifier === 'ava' && context.parentURL !== instead;
      return nextResolve(isForTests ? instead : specifier, context);
    },
  });
  for (const file of files) await recordTests(file, () => import(pathToFileURL(join(root, file)).href));
  declareTests();
}
