/** Which cookies go back to the server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCookieJar } from './cookie-jar.ts';

test('a cookie goes back to its path and below, and nowhere else', () => {
  const jar = createCookieJar(false);
  jar.store('a=1; Path=/api', '/');
  jar.store('b=2', '/api/v1/signin');
  jar.store('c=3; Path=/', '/api');
  jar.store('d=4; Path=relative', '/deep/er');
  assert.equal(jar.header('/api/v1/me'), 'b=2; a=1; c=3');
  assert.equal(jar.header('/api'), 'a=1; c=3');
  assert.equal(jar.header('/apix'), 'c=3');
  assert.equal(jar.header('/deep'), 'd=4; c=3');
  assert.equal(jar.header(), 'b=2; d=4; a=1; c=3');
});

test('a cookie of the same name and path is replaced, of another path it is kept beside', () => {
  const jar = createCookieJar(false);
  jar.store('a=1; Path=/', '/');
  jar.store('b=2; Path=/', '/');
  jar.store('a=3; Path=/', '/');
  jar.store('a=4; Path=/x', '/');
  assert.equal(jar.header('/x'), 'a=4; a=3; b=2');
});

test('a cookie ends with Max-Age, or else Expires, and either can delete it', () => {
  let time = Date.parse('2026-01-01T00:00:00Z');
  const jar = createCookieJar(false, () => time);
  jar.store('age=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT', '/');
  jar.store('date=1; Expires=Thu, 01 Jan 2026 00:00:20 GMT', '/');
  jar.store('stays=1; Max-Age=soon; Expires=never', '/');
  assert.equal(jar.header('/'), 'age=1; date=1; stays=1');
  time += 10_000;
  assert.equal(jar.header('/'), 'date=1; stays=1');
  time += 10_000;
  assert.equal(jar.header('/'), 'stays=1');
  jar.store('stays=; Max-Age=0', '/');
  assert.equal(jar.header('/'), '');
  jar.store('gone=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT', '/');
  assert.equal(jar.header('/'), '');
});

test('a Secure cookie stays off a plain connection', () => {
  for (const [sendsSecure, expected] of [
    [false, 'b=2'],
    [true, 'a=1; b=2'],
  ] as const) {
    const jar = createCookieJar(sendsSecure);
    jar.store('a=1; secure; HttpOnly; SameSite=Strict; Domain=example.org', '/');
    jar.store('b=2', '/');
    assert.equal(jar.header('/'), expected);
  }
});

test('a value may hold equals signs and quotes; a header without a name is ignored', () => {
  const jar = createCookieJar(false);
  jar.store(' a = "x==" ', '/');
  jar.store('=value', '/');
  jar.store('nothing', '/');
  jar.store('', '/');
  assert.equal(jar.header('/'), 'a="x=="');
});
