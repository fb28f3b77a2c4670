import manifest from '../package.json' with { type: 'json' };

/** Semantic version of the service. */
export const { version } = manifest;
