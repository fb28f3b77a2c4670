import type { CatalogItem, CatalogQuery } from '@irontrack/contract/exercises.ts';
import { part, type Sql, type SqlPart } from '../database/sql.ts';
import { containing } from './names.ts';

/** The table of each reference list. */
const tables = {
  'muscle-groups': part`muscle_groups`,
  equipment: part`equipment`,
  'exercise-tags': part`exercise_tags`,
} as const;

export type ReferenceListSlug = keyof typeof tables;

const orders: Readonly<
  Record<CatalogQuery['orderBy'], Readonly<Record<CatalogQuery['sortOrder'], SqlPart>>>
> = {
  id: { asc: part`id asc`, desc: part`id desc` },
  name: { asc: part`name asc`, desc: part`name desc` },
};

export async function selectItems(
  sql: Sql,
  list: ReferenceListSlug,
  { searchString, orderBy, sortOrder }: CatalogQuery,
): Promise<CatalogItem[]> {
  const found =
    searchString === undefined || searchString === ''
      ? part``
      : part`where name like ${containing(searchString)}`;
  return await sql<CatalogItem>`
    select id, name from ${tables[list]} ${found} order by ${orders[orderBy][sortOrder]}`;
}

export async function findItem(
  sql: Sql,
  list: ReferenceListSlug,
  id: number,
): Promise<CatalogItem | undefined> {
  const [row] = await sql<CatalogItem>`select id, name from ${tables[list]} where id = ${id}`;
  return row;
}

export async function insertItem(tx: Sql, list: ReferenceListSlug, name: string): Promise<CatalogItem> {
  const [row] = await tx<CatalogItem>`
    insert into ${tables[list]} (name) values (${name}) returning id, name`;
  if (row === undefined) throw new Error('The new entry was not returned.');
  return row;
}

export async function updateItem(
  tx: Sql,
  list: ReferenceListSlug,
  id: number,
  name: string,
): Promise<CatalogItem | undefined> {
  const [row] = await tx<CatalogItem>`
    update ${tables[list]} set name = ${name} where id = ${id} returning id, name`;
  return row;
}

export async function deleteItem(
  tx: Sql,
  list: ReferenceListSlug,
  id: number,
): Promise<CatalogItem | undefined> {
  const [row] = await tx<CatalogItem>`delete from ${tables[list]} where id = ${id} returning id, name`;
  return row;
}
