import { Connection } from '../../src/control/connection.ts';
import { install } from '../../src/control/install.ts';

/** What the program does, without the program. */
export async function installInto(url: string, schema = 'holdfast'): Promise<void> {
  const db = await Connection.open({ url, schema });
  try {
    await install(db, schema);
  } finally {
    await db.close();
  }
}
