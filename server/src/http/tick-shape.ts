import { executionAsyncResource } from 'node:async_hooks';

const held: object[] = [];

/**
 * Keeps one object of the kind process.nextTick makes alive for good. Call it once, first thing in a process.
 *
 * Every answer passes through nextTick three times. If a full garbage collection happens while none of its objects
 * is alive, which is the rule in the idle moment after the start, V8 forgets their hidden class, and from then on
 * node:http builds each of them through the runtime (`Runtime_DefineKeyedOwnPropertyInLiteral`): 14 % of /ping for
 * the life of the process, measured in docs/decisions/0004-hot-path.md. A bare server is too small to be collected.
 */
export function holdTickShape(): void {
  process.nextTick(() => held.push(executionAsyncResource()));
  process.nextTick((_argument: undefined) => held.push(executionAsyncResource()), undefined);
}
