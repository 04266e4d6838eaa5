// npm run demo: backups driven from SQL, in three acts. In the first another tool copies, in the second Holdfast itself;
// in the third it proves that its copy can be restored.
import { thirdAct } from './demo/drill.ts';
import { firstAct } from './demo/first-act.ts';
import { prepareServer, secondAct } from './demo/second-act.ts';
import { Stage } from './demo/stage.ts';
import { compileCache } from './harness/compile-cache.ts';

process.env['NODE_COMPILE_CACHE'] ??= compileCache();
const stage = new Stage();
const { tell } = stage;
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
let interrupted = false;

for (const [signal, status] of Object.entries(signals)) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    console.log(`\n${signal}: cleaning up`);
    void stage.interrupt().finally(() => process.exit(status));
  });
}

try {
  await demo();
} catch (error) {
  if (!interrupted) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`\nThe demo failed after ${tell.elapsed.toFixed(1)} s: ${reason}`);
    process.exitCode = 1;
  }
} finally {
  if (!interrupted) await stage.cleanUp();
}

async function demo(): Promise<void> {
  console.log('Holdfast: PostgreSQL backups driven from SQL, restored and checked. A play in three acts.');
  tell.act('First act: a row holds the backup open while tar copies; the server is lost');
  const prepared = prepareServer(stage);
  prepared.catch(() => undefined); // whoever waits for it is told
  const first = await firstAct(stage);
  tell.act('Second act: Holdfast copies, and archives the WAL; somebody makes a mistake');
  const { proofs: second, scene, worker } = await secondAct(stage, await prepared);
  tell.act('Third act: nobody waits for the worst day: a drill, and a drill of a damaged backup');
  const third = await thirdAct(stage, scene);
  await worker.stop();

  tell.step('Proven');
  for (const [act, proofs] of Object.entries({ first, second, third })) {
    tell.say(`In the ${act} act:`);
    for (const proof of proofs) tell.say(`- ${proof}`);
  }
  console.log(
    `\nDone in ${tell.elapsed.toFixed(1)} s. Nothing is left behind; "npm start" gives you one to keep.`,
  );
}
