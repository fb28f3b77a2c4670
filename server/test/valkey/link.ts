/** Links and names for tests below the service: every link is closed after the file. */
import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import { createValkeyLink, type ValkeyLink } from '../../src/cache/valkey/link.ts';
import { createValkeyNames, type ValkeyNames } from '../../src/cache/valkey/names.ts';
import { type ValkeyAddress, valkeyUrl } from '../../src/config-fields.ts';

export function addressOf(url: string): ValkeyAddress {
  const read = valkeyUrl()(url);
  if ('fault' in read) throw new Error(read.fault);
  return read.value;
}

export interface OpenLink {
  link: ValkeyLink;
  /** What was reported: up or down, and why. */
  reports: { isUp: boolean; reason: string }[];
}

export async function openLink(url: string, names: ValkeyNames): Promise<OpenLink> {
  const reports: OpenLink['reports'] = [];
  const link = createValkeyLink({
    address: addressOf(url),
    onChange: (isUp, reason) => void reports.push({ isUp, reason }),
  });
  after(() => link.close());
  await link.open(`${names.prefix}:news`);
  // On a busy machine the first try may take too long.
  await eventually(() => link.isUp, `a link to ${url}`);
  reports.length = 0;
  return { link, reports };
}

/** Of an installation that no other test knows. */
export const newNames = () => createValkeyNames(randomBytes(32));

export async function eventually(
  isTrue: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
