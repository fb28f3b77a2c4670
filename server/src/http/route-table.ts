import type { RouteOptions } from 'fastify';

/** Which methods a path has, for 405 and its Allow header. Asked only when no route matched. */
interface RouteTable {
  add(route: Pick<RouteOptions, 'method' | 'url'>): void;
  methodsAt(path: string): string[];
}

export function createRouteTable(): RouteTable {
  const patterns = new Map<string, { matches: RegExp; methods: Set<string> }>();
  return {
    add({ method, url }) {
      const pattern = patterns.get(url) ?? { matches: toRegExp(url), methods: new Set() };
      for (const name of [method].flat()) pattern.methods.add(name);
      patterns.set(url, pattern);
    },
    methodsAt(path) {
      const methods = new Set<string>();
      for (const pattern of patterns.values()) {
        if (pattern.matches.test(path)) for (const name of pattern.methods) methods.add(name);
      }
      return [...methods].sort();
    },
  };
}

/** `/users/:id` matches one segment at `:id`, `/docs/*` anything below. */
function toRegExp(url: string): RegExp {
  const source = url
    .split('/')
    .map((segment) => {
      if (segment.startsWith(':')) return '[^/]+';
      return segment === '*' ? '.*' : RegExp.escape(segment);
    })
    .join('/');
  return new RegExp(`^${source}/?$`);
}
