import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isConnectionLost, isCutOff, isUnavailable } from './unavailable.ts';

/** As node:net has it: the message and the call that failed. */
const systemError = (syscall: string, code: string) =>
  Object.assign(new Error(`${syscall} ${code}`), { code, syscall });

test('whatever the system says of an open socket, its connection is not used again', () => {
  for (const syscall of ['read', 'write']) {
    for (const code of ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN']) {
      const error = systemError(syscall, code);
      const found = [isCutOff(error), isConnectionLost(error), isUnavailable(error)];
      assert.deepEqual(found, [true, true, true], error.message);
    }
  }
});

test('a connection that could not be opened is an outage and leaves those that are open alone', () => {
  for (const [syscall, code] of [
    ['connect', 'ECONNREFUSED'],
    ['connect', 'EHOSTUNREACH'],
    ['connect', 'ENETUNREACH'],
    ['getaddrinfo', 'ENOTFOUND'],
  ] as const) {
    const error = systemError(syscall, code);
    assert.deepEqual([isCutOff(error), isUnavailable(error)], [false, true], error.message);
  }
  assert.deepEqual(
    [isCutOff(new Error('of the work')), isUnavailable(new Error('of the work'))],
    [false, false],
  );
});
