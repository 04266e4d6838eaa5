// What files of tests that share a process import in the place of AVA. Their tests are recorded, and declared when all
// files were loaded: AVA begins in the moment after the first test was declared.
import test, { type TestFn } from 'ava';
import { titlePrefix } from '../../dev/title-prefix.ts';

export { registerCompletionHandler } from 'ava';

type Chain = (...args: unknown[]) => unknown;

let recorded: (() => unknown)[] = [];
let prefix = '';

/** Records the tests of a file (relative to the checkout), which `load` loads. Where the file cannot be loaded, this is its one test, and fails. */
export async function recordTests(file: string, load: () => Promise<unknown>): Promise<void> {
  const before = recorded.length;
  prefix = titlePrefix(file);
  const title = `${prefix}the file is loaded`;
  try {
    await load();
  } catch (error) {
    recorded = recorded.slice(0, before);
    recorded.push(() =>
      test.serial(title, () => {
        throw error;
      }),
    );
  }
}

/** Declares what was recorded. */
export function declareTests(): void {
  for (const declare of recorded) declare();
}

/** One test after the other: they have one server. */
const serial = { ...test.serial, macro: test.macro, meta: test.meta };

function recording(chain: object, call: Chain): unknown {
  const record = (...args: unknown[]) => {
    const [title, ...rest] = args;
    const titled = typeof title === 'string' ? [`${prefix}${title}`, ...rest] : args;
    recorded.push(() => call(...titled));
  };
  return new Proxy(record, {
    get(_target, name) {
      if (name === 'serial') return recording(chain, call);
      const value: unknown = Reflect.get(chain, name);
      if (typeof value !== 'function' || name === 'macro') return value;
      return recording(value, value as Chain);
    },
  });
}

// It is in the place of AVA's.
// oxlint-disable-next-line import/no-default-export
export default recording(serial, test.serial as Chain) as TestFn;
