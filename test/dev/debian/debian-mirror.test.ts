import test from 'ava';
import { mirrorIn } from '../../../dev/debian/debian-mirror.ts';

const debian = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n';
const theirs = 'deb [arch=amd64] https://packages.example.com/apt/debian-tools bookworm main\n';

test('the mirror is found in either form of apt’s lists, and no other archive is taken for it', (t) => {
  const forms = [
    'deb http://deb.debian.org/debian bookworm main\n',
    '# deb http://old.example.com/debian bookworm main\ndeb [signed-by=/k.gpg] http://deb.debian.org/debian/ bookworm main',
    'Types: deb\nURIs: http://deb.debian.org/debian-security\n\nTypes: deb\nURIs: http://deb.debian.org/debian\n',
    'Types: deb\nURIs: http://deb.debian.org/debian/\nSuites: bookworm\n',
  ];
  for (const form of forms)
    t.deepEqual(mirrorIn(debian, ['', theirs, form]), { mirror: 'http://deb.debian.org/debian' }, form);
});

test('without a mirror of Debian, or on another system, it says why nothing can be had', (t) => {
  t.deepEqual(mirrorIn(debian, [theirs]), { obstacle: "apt's lists of sources name no mirror of Debian" });
  const ubuntu = mirrorIn('ID=ubuntu\nID_LIKE=debian\n', ['deb http://deb.debian.org/debian sid main\n']);
  t.deepEqual(ubuntu, { obstacle: 'this system is not Debian' });
});
