import { ValidationProblem } from '../problem.ts';
import { tidyName } from './names.ts';

const least = 3;
const most = 100;

/**
 * A name as it is stored. Its length is looked at again: white space that is made one leaves less, and some characters
 * get longer when they are composed or put in lower case.
 *
 * @param store how this kind of name is stored
 * @throws ValidationProblem when too little or too much is left
 */
export function readName(given: string, store: (name: string) => string = tidyName): string {
  const name = store(given);
  const length = [...name].length;
  if (length < least) throw refuse('string_too_short', `Should have at least ${least} characters`);
  if (length > most) throw refuse('string_too_long', `Should have at most ${most} characters`);
  return name;
}

export function refuse(type: string, message: string): ValidationProblem {
  return new ValidationProblem([{ type, field: 'name', message }]);
}
