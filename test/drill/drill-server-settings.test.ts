import test from 'ava';
import { drillServerSettings } from '../../src/drill/drill-server-settings.ts';
import { requiredParameters, type RequiredParameters } from '../../src/postgres/required-parameters.ts';

function settingsOf(major: number): Map<string, string> {
  const required = Object.fromEntries(requiredParameters.map((name) => [name, 1])) as RequiredParameters;
  return new Map(
    drillServerSettings({
      major,
      control: { walSegmentSize: 1 << 24 },
      required,
      sockets: '/drill/sockets',
      hbaFile: '/drill/pg_hba.conf',
      identFile: '/dev/null',
      preload: '',
    }),
  );
}

test('no file of the restored cluster says who may connect, or names a program that tells a passphrase', (t) => {
  for (const major of [12, 18, 19]) {
    const settings = settingsOf(major);
    t.is(settings.get('hba_file'), '/drill/pg_hba.conf');
    t.is(settings.get('ident_file'), '/dev/null');
    t.is(settings.get('ssl'), 'off');
  }
  t.is(settingsOf(19).get('hosts_file'), '/dev/null');
});

test('a server is given no setting that its version does not have', (t) => {
  t.false(settingsOf(18).has('hosts_file'));
  t.false(settingsOf(17).has('max_active_replication_origins'));
  t.false(settingsOf(18).has('max_replication_slots'));
});
