import test from 'ava';
import { backupStates } from '../../src/control/backup-states.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { connect } from '../support/sql-client.ts';

test('the states are those of the transition table', async (t) => {
  const db = await connect(t, (await installedDatabase(t)).url);
  const moves = await db.query<{ from_state: string; to_state: string }>(
    'select from_state, to_state from holdfast.state_transition',
  );
  const known = new Set(moves.flatMap(({ from_state, to_state }) => [from_state, to_state]));
  t.deepEqual([...known].toSorted(), [...backupStates].toSorted());
});
