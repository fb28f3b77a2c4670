/** The three reference lists that exercises name: muscle groups, equipment and tags. One set of rules for all. */
import type { AuditAction } from '@irontrack/contract/audit.ts';
import type { CatalogItem, CatalogQuery } from '@irontrack/contract/exercises.ts';
import type { Audit } from '../audit/audit.ts';
import { type Database, isUniqueViolation } from '../database/database.ts';
import type { Sql } from '../database/sql.ts';
import type { Caller } from '../http/guard.ts';
import type { RequestSource } from '../http/request-source.ts';
import { Problem } from '../problem.ts';
import { readName } from './given-name.ts';
import { nameKey } from './names.ts';
import {
  deleteItem,
  findItem,
  insertItem,
  type ReferenceListSlug,
  selectItems,
  updateItem,
} from './reference-lists.sql.ts';
import { writeCatalog } from './write-catalog.ts';

export interface ReferenceList {
  readonly slug: ReferenceListSlug;
  list(query: CatalogQuery, source: RequestSource): Promise<CatalogItem[]>;
  /** @throws Problem `catalog-item-not-found` */
  read(id: number, source: RequestSource): Promise<CatalogItem>;
  /** @throws Problem `catalog-name-taken` */
  create(caller: Caller, name: string, source: RequestSource): Promise<CatalogItem>;
  /** @throws Problem `catalog-item-not-found`, `catalog-name-taken` */
  rename(caller: Caller, id: number, name: string, source: RequestSource): Promise<CatalogItem>;
  /** Exercises that named the entry go on without it. @throws Problem `catalog-item-not-found` */
  remove(caller: Caller, id: number, source: RequestSource): Promise<void>;
}

interface Needs {
  database: Database;
  audit: Audit;
  /** Makes every page be read anew: the names of entries are part of them. */
  forgetPages: () => void;
}

const nouns: Readonly<Record<ReferenceListSlug, string>> = {
  'muscle-groups': 'muscle group',
  equipment: 'equipment',
  'exercise-tags': 'exercise tag',
};

const nameIndexes: Readonly<Record<ReferenceListSlug, string>> = {
  'muscle-groups': 'muscle_groups_name_key',
  equipment: 'equipment_name_key',
  'exercise-tags': 'exercise_tags_name_key',
};

export function createReferenceLists(needs: Needs): ReferenceList[] {
  return [
    createReferenceList('muscle-groups', needs),
    createReferenceList('equipment', needs),
    createReferenceList('exercise-tags', needs),
  ];
}

function createReferenceList(
  slug: ReferenceListSlug,
  { database, audit, forgetPages }: Needs,
): ReferenceList {
  const noun = nouns[slug];

  function required(item: CatalogItem | undefined, id: number): CatalogItem {
    if (item !== undefined) return item;
    const sentence = `There is no ${noun} with the id ${id}.`;
    throw new Problem('catalog-item-not-found', sentence);
  }

  /** Commit, then invalidate, then answer. */
  async function write(
    caller: Caller,
    source: RequestSource,
    action: AuditAction,
    work: (tx: Sql) => Promise<CatalogItem>,
  ): Promise<CatalogItem> {
    try {
      const item = await writeCatalog(database, source.requestId, async (tx) => {
        const changed = await work(tx);
        const details = { list: slug, ...changed };
        await audit.record(tx, source, { action, actorId: caller.user.id, details });
        return changed;
      });
      forgetPages();
      return item;
    } catch (error) {
      if (!isUniqueViolation(error, nameIndexes[slug])) throw error;
      throw new Problem('catalog-name-taken', `There is already ${article(noun)} of this name.`);
    }
  }

  return {
    slug,
    list: (query, source) => selectItems(database.forRequest(source.requestId), slug, query),
    read: async (id, source) => required(await findItem(database.forRequest(source.requestId), slug, id), id),
    async create(caller, given, source) {
      const name = readName(given, nameKey);
      return await write(caller, source, 'catalog_item.created', (tx) => insertItem(tx, slug, name));
    },
    async rename(caller, id, given, source) {
      const name = readName(given, nameKey);
      return await write(caller, source, 'catalog_item.updated', async (tx) =>
        required(await updateItem(tx, slug, id, name), id),
      );
    },
    async remove(caller, id, source) {
      await write(caller, source, 'catalog_item.deleted', async (tx) =>
        required(await deleteItem(tx, slug, id), id),
      );
    },
  };
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}
