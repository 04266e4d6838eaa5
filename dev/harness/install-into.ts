import { Connection } from '../../src/database/connection.ts';
import { install } from '../../src/control/install-schema.ts';

/** What the program does, without the program. */
export async function installInto(url: string, schema = 'holdfast'): Promise<void> {
  const db = await Connection.open({ url, schema });
  try {
    await install(db, schema);
  } finally {
    await db.close();
  }
}
