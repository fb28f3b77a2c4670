/** What a report is made of, whatever it is written as. */

export type Part =
  | { kind: 'heading'; level: 1 | 2 | 3; text: string }
  | { kind: 'text'; text: string }
  | { kind: 'list'; items: readonly string[] }
  | { kind: 'code'; text: string }
  /** The first column is text, the others figures, unless `isText`. */
  | { kind: 'table'; columns: readonly string[]; rows: readonly (readonly string[])[]; isText?: boolean }
  | { kind: 'chart'; name: string; title: string; svg: string }
  | { kind: 'link'; href: string; text: string };
