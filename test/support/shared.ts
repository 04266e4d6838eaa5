// What several tests of a file use and none of them breaks: a server with a worker and a backup of it, for instance, which
// take longer to make than most of those tests. The first that asks has it made.
import { registerCompletionHandler } from 'ava';
import type { Teardown } from '../../dev/harness/children.ts';

interface Stage extends Teardown {
  readonly file: string;
  end(): Promise<void>;
}

let stage: Stage | undefined;

/**
 * Gives every test the same. It ends when the tests of another file ask for something of theirs, and with the process.
 * `file`: import.meta.url of the tests.
 */
export function shared<Thing>(file: string, make: (t: Teardown) => Promise<Thing>): () => Promise<Thing> {
  let made: Promise<Thing> | undefined;
  return () => (made ??= stageOf(file).then(make));
}

async function stageOf(file: string): Promise<Stage> {
  if (stage?.file === file) return stage;
  const before = stage;
  const own = newStage(file);
  stage = own;
  await before?.end();
  return own;
}

function newStage(file: string): Stage {
  const ends: (() => unknown)[] = [];
  const end = async () => {
    for (let last = ends.pop(); last !== undefined; last = ends.pop()) await last();
  };
  registerCompletionHandler(() => void end());
  return { file, end, teardown: (one) => void ends.push(one) };
}
