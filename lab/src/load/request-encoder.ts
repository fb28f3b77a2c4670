/** Turns what a scenario asks for into the bytes of HTTP/1.1 (RFC 9112) or the fields of HTTP/2 (RFC 9113). */
import { isIP } from 'node:net';
import type { RequestPlan } from '../scenarios/scenario.ts';
import type { EncodedRequest } from './connection.ts';
import { pathUnderTarget } from './target.ts';

export type EncodeRequest = (plan: RequestPlan) => EncodedRequest;

const userAgent = 'irontrack-lab';
const noBody = Buffer.alloc(0);

/**
 * Names and values are checked as they are on the wire: a line end in one would be a request of its own. The encoder
 * throws a TypeError for what cannot be sent.
 */
export function createRequestEncoder(url: URL, protocol: 'http/1.1' | 'http/2'): EncodeRequest {
  return protocol === 'http/1.1' ? (plan) => encodeHttp1(url, plan) : (plan) => encodeHttp2(url, plan);
}

/** TLS server names are names; an address is none (RFC 6066, section 3). */
export function isDomainName(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, '')) === 0;
}

function encodeHttp1(url: URL, plan: RequestPlan): EncodedRequest {
  const { method, path, fields, body } = readPlan(url, plan);
  let head = `${method} ${path} HTTP/1.1\r\n`;
  if (fields.host === undefined) head += `host: ${url.host}\r\n`;
  for (const name of Object.keys(fields)) head += `${name}: ${fields[name]}\r\n`;
  head += '\r\n';
  return { bytes: Buffer.from(body === '' ? head : head + body), isHead: method === 'HEAD' };
}

/** Fields that speak of an HTTP/1.1 connection do not exist in HTTP/2 (RFC 9113, section 8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

function encodeHttp2(url: URL, plan: RequestPlan): EncodedRequest {
  const { method, path, fields, body } = readPlan(url, plan);
  const kept = Object.entries(fields).filter(([name]) => !connectionFields.has(name));
  return {
    bytes: body === '' ? noBody : Buffer.from(body),
    isHead: method === 'HEAD',
    fields: {
      ':method': method,
      ':scheme': url.protocol.slice(0, -1),
      ':authority': fields.host ?? url.host,
      ':path': path,
      ...Object.fromEntries(kept),
    },
  };
}

function readPlan(url: URL, plan: RequestPlan) {
  const method = plan.method === undefined ? 'GET' : plan.method.toUpperCase();
  if (!isToken.test(method)) throw new TypeError(`${JSON.stringify(method)} is no method`);
  const path = pathUnderTarget(url, plan.path);
  if (!isPath.test(path)) {
    throw new TypeError(`the path ${JSON.stringify(path)} has characters that must be percent-encoded`);
  }
  const fields: Record<string, string> = {};
  let saysAgent = false;
  let saysType = false;
  if (plan.headers !== undefined) {
    for (const given of Object.keys(plan.headers)) {
      const name = given.toLowerCase();
      const value = String(plan.headers[given]);
      if (!isToken.test(name) || !isValue.test(value)) {
        throw new TypeError(`the header ${JSON.stringify(given)} has a name or value that cannot be sent`);
      }
      // The encoder knows the length, and a wrong one would garble the connection.
      if (name === 'content-length' || name === 'transfer-encoding') continue;
      if (name === 'user-agent') saysAgent = true;
      if (name === 'content-type') saysType = true;
      fields[name] = value;
    }
  }
  if (!saysAgent) fields['user-agent'] = userAgent;
  const isJson = plan.body !== undefined && typeof plan.body !== 'string';
  const body = typeof plan.body === 'string' ? plan.body : isJson ? JSON.stringify(plan.body) : '';
  if (isJson && !saysType) fields['content-type'] = 'application/json';
  if (body !== '' || !bodiless.test(method)) fields['content-length'] = String(Buffer.byteLength(body));
  return { method, path, fields, body };
}

const bodiless = /^(?:GET|HEAD|DELETE|OPTIONS|TRACE)$/;
const isToken = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const isPath = /^(?:\/[\x21-\x7e]*|\*)$/;
const isValue = /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u;
