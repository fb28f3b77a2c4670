/** The exercise catalog as the command line leaves it, read straight from the database. */
import { join } from 'node:path';
import { after } from 'node:test';
import postgres from 'postgres';
import { makeFolder, runCommand, toUrl } from '../faults/process.ts';
import { createTestDatabase } from './database.ts';

const folder = makeFolder();

/** A database of its own with an empty catalog. */
export async function openCatalog() {
  const address = await createTestDatabase();
  const sql = postgres({ ...address, max: 1, fetch_types: false, onnotice: () => undefined });
  after(() => sql.end({ timeout: 1 }));
  const environment = { DATABASE_URL: toUrl(address), DATA_DIR: join(folder, 'data') };
  return { sql, irontrack: (...args: string[]) => runCommand(args, environment), environment };
}

export type Catalog = Awaited<ReturnType<typeof openCatalog>>;

/** Everything in the catalog, to see that nothing changed: contents, and the versions of the rows. */
export async function readAll({ sql }: Catalog): Promise<unknown[]> {
  const tables = ['muscle_groups', 'equipment', 'exercise_tags', 'exercises', 'exercise_primary_muscles'];
  return await Promise.all(
    [...tables, 'exercise_secondary_muscles', 'exercise_equipment', 'exercise_tagging'].map(
      (table) => sql`select t.xmin::text, t.* from ${sql(table)} t order by t`,
    ),
  );
}

export async function countRows({ sql }: Catalog, table: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${sql(table)}`;
  return row?.count ?? -1;
}

/** A system exercise as its names. */
export async function readExercise({ sql }: Catalog, slug: string) {
  const [row] = await sql`
    select e.name, e.force, e.difficulty_level as level, e.category, e.instructions,
      e.image_path_start as start, e.image_path_end as end,
      array(select m.name from exercise_primary_muscles l join muscle_groups m on m.id = l.muscle_group_id
        where l.exercise_id = e.id order by 1)::text as "primary",
      array(select m.name from exercise_secondary_muscles l join muscle_groups m on m.id = l.muscle_group_id
        where l.exercise_id = e.id order by 1)::text as secondary,
      array(select q.name from exercise_equipment l join equipment q on q.id = l.equipment_id
        where l.exercise_id = e.id order by 1)::text as equipment,
      array(select t.name from exercise_tagging l join exercise_tags t on t.id = l.tag_id
        where l.exercise_id = e.id order by 1)::text as tags
    from exercises e where e.slug = ${slug} and e.owner_id is null`;
  return row;
}
