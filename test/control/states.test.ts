import test from 'ava';
import { isTerminal, states } from '../../src/control/states.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { connect } from '../support/sql-client.ts';

test('the states are those of the transition table, and the terminal ones are those without a way out', async (t) => {
  const db = await connect(t, (await installedDatabase(t)).url);
  const moves = await db.query<{ from_state: string; to_state: string }>(
    'select from_state, to_state from holdfast.state_transition',
  );
  const known = new Set(moves.flatMap(({ from_state, to_state }) => [from_state, to_state]));
  t.deepEqual([...known].toSorted(), [...states].toSorted());
  for (const state of states) t.is(isTerminal(state), !moves.some(({ from_state }) => from_state === state), state);
});
