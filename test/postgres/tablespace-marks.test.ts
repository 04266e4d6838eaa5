import test from 'ava';
import { mayCreateTablespace, mayGoOnFromBefore } from '../../src/postgres/tablespace-marks.ts';

const pageSize = 8192;

/** A record that creates a tablespace, as its header and the beginning of its data. */
function creation(total = 60): Buffer {
  const record = Buffer.alloc(64);
  record.writeUInt32LE(total, 0);
  record.writeUInt8(0x00, 16);
  record.writeUInt8(5, 17);
  record.writeUInt32LE(0xdeadbeef, 20);
  record.writeUInt8(255, 24);
  return record;
}

/** Whether it is found in two pages, with the record at an offset. */
function finds(at: number, record = creation()): boolean {
  const pages = Buffer.alloc(2 * pageSize);
  record.copy(pages, at);
  return mayCreateTablespace(pages, pageSize);
}

test('a record that creates a tablespace is found wherever it begins', (t) => {
  for (const at of [40, 48, 4096, pageSize - 64, pageSize - 24, pageSize + 24, 2 * pageSize - 24])
    t.true(finds(at), `at ${at}`);
  const flagged = creation();
  flagged.writeUInt8(0x02, 16);
  t.true(finds(4096, flagged), 'with a bit that is the same for all');
});

test('a header that a page boundary cuts is found on either side', (t) => {
  for (const begun of [8, 16]) {
    const pages = Buffer.alloc(2 * pageSize);
    const record = creation();
    record.copy(pages, pageSize - begun, 0, begun);
    record.copy(pages, pageSize + 24, begun);
    t.true(mayCreateTablespace(pages, pageSize), `after ${begun} bytes`);
  }
});

test('what only has such bytes is passed over, as are other records of tablespaces', (t) => {
  t.false(finds(4100), 'where no record begins');
  t.false(finds(4096, creation(70_000)), 'longer than any');
  const other = creation();
  other.writeUInt8(0x10, 16);
  t.false(finds(4096, other), 'a drop');
  const blocks = creation();
  blocks.writeUInt8(0, 24);
  t.false(finds(4096, blocks), 'one that refers to a block');
  t.false(mayCreateTablespace(Buffer.alloc(0), pageSize));
});

test('a segment goes on from the one before where it begins with the rest of a short record', (t) => {
  const pages = Buffer.alloc(pageSize);
  const goesOn = (flags: number, rest: number) => {
    pages.writeUInt16LE(flags, 2);
    pages.writeUInt32LE(rest, 16);
    return mayGoOnFromBefore(pages);
  };
  t.true(goesOn(3, 40));
  t.false(goesOn(3, 5000));
  t.false(goesOn(2, 40));
  t.false(mayGoOnFromBefore(Buffer.alloc(8)));
});
