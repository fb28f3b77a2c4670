/**
 * SQL as tagged templates. Values become parameters, never text; parts made with `part` are spliced in as SQL.
 */

type SqlValue = string | number | boolean | null | Date | Uint8Array | object | SqlPart;

/**
 * Runs one statement and resolves to its rows. What statement functions take as their first parameter: the pool or
 * an open transaction.
 */
export type Sql = <Row extends object>(
  strings: TemplateStringsArray,
  ...values: SqlValue[]
) => Promise<Row[]>;

/** A piece of SQL with its values, to be spliced into a statement. */
export class SqlPart {
  readonly strings: TemplateStringsArray;
  readonly values: readonly SqlValue[];

  constructor(strings: TemplateStringsArray, values: readonly SqlValue[]) {
    this.strings = strings;
    this.values = values;
  }
}

/** `part` is to a statement what a phrase is to a sentence: part`and u.is_active = ${isActive}`. */
export function part(strings: TemplateStringsArray, ...values: SqlValue[]): SqlPart {
  return new SqlPart(strings, values);
}

interface Statement {
  text: string;
  parameters: Exclude<SqlValue, SqlPart>[];
}

const plainTexts = new WeakMap<TemplateStringsArray, string>();

/**
 * The text of an array, for a parameter that is cast to its type: the driver knows no arrays, since it reads no types.
 *
 * @param elements numbers, ids and what else needs no quotes in an array, or has them
 */
export function arrayText(elements: Iterable<string | number>): string {
  return `{${[...elements].join(',')}}`;
}

/** Numbers the parameters. The text of a template without parts is composed once. */
export function compileStatement(strings: TemplateStringsArray, values: readonly SqlValue[]): Statement {
  const known = plainTexts.get(strings);
  const parameters: Statement['parameters'] = [];
  if (known !== undefined) {
    for (const value of values) if (!(value instanceof SqlPart)) parameters.push(value);
    return { text: known, parameters };
  }
  const text = append(strings, values, parameters);
  if (parameters.length === values.length && !values.some((value) => value instanceof SqlPart)) {
    plainTexts.set(strings, text);
  }
  return { text, parameters };
}

function append(
  strings: TemplateStringsArray,
  values: readonly SqlValue[],
  parameters: Statement['parameters'],
): string {
  let text = strings[0] ?? '';
  for (const [index, value] of values.entries()) {
    if (value instanceof SqlPart) text += append(value.strings, value.values, parameters);
    else text += `$${parameters.push(value)}`;
    text += strings[index + 1] ?? '';
  }
  return text;
}
