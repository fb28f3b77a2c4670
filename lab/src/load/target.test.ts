/** What a person may type as a target, and what a result file keeps of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabError } from '../exit-status.ts';
import { describeTarget, parseTarget, pathUnderTarget } from './target.ts';

test('reads an http or https URL', () => {
  assert.equal(parseTarget('http://127.0.0.1:8000/me?a=1#x').url.href, 'http://127.0.0.1:8000/me?a=1');
  assert.equal(parseTarget('HTTPS://Example.org').url.href, 'https://example.org/');
});

test('with a Unix socket the path alone is enough', () => {
  assert.equal(parseTarget('/me', { socketPath: '/run/app.sock' }).url.href, 'http://localhost/me');
  assert.throws(() => parseTarget('/me'), LabError);
});

const refused: readonly [string, RegExp][] = [
  ['', /"" is not a URL/],
  ['not a url', /"not a url" is not a URL; write it as http:\/\/127/],
  ['localhost:8000/me', /not an http or https URL; write it as http:\/\/localhost:8000\/me\.$/],
  ['127.0.0.1:8000', /is not a URL; write it as http:\/\/127\.0\.0\.1:8000\.$/],
  ['ftp://example.org/', /not an http or https URL/],
  ['file:///etc/passwd', /not an http or https URL/],
  ['http://', /is not a URL/],
  ['http://host:99999/', /is not a URL/],
  ['http://host:0/', /has port 0/],
  ['http://[::1/', /is not a URL/],
];
for (const [text, sentence] of refused) {
  test(`refuses ${JSON.stringify(text)} with one sentence`, () => {
    assert.throws(
      () => parseTarget(text),
      (error) => {
        assert.ok(error instanceof LabError);
        assert.equal(error.status, 1);
        assert.match(error.message, sentence);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      },
    );
  });
}

test('refuses a socket path that the kernel would cut short', () => {
  assert.throws(() => parseTarget('/', { socketPath: `/${'a'.repeat(107)}` }), /longer than 107 bytes/);
});

test('a path is asked for under the path of the target', () => {
  const paths = [
    ['http://h/', '/ping', '/ping'],
    ['http://h', 'ping', '/ping'],
    ['http://h/api/', '/users?a=1', '/api/users?a=1'],
    ['http://h/api', '', '/api'],
    ['http://h/api?q=1', '', '/api?q=1'],
  ] as const;
  for (const [url, path, expected] of paths) assert.equal(pathUnderTarget(new URL(url), path), expected);
});

test('a result file holds neither user info nor secrets of the query', () => {
  const described = describeTarget(
    new URL(
      'https://ada:pw@h:8443/x?page=2&access_token=abc&api-key=k&X-Amz-Signature=s&q=a%20b+c&PASSWORD=1#top',
    ),
  );
  assert.equal(
    described,
    'https://h:8443/x?page=2&access_token=***&api-key=***&X-Amz-Signature=***&q=a%20b+c&PASSWORD=***',
  );
  assert.equal(describeTarget(new URL('http://h/?u=eyJhbGciOiJFZERTQSJ9.e30.c2ln')), 'http://h/?u=***');
  assert.equal(describeTarget(new URL('http://h/?tok%65n=abc&flag')), 'http://h/?tok%65n=***&flag');
});
