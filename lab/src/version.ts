/** The version of the lab, as results carry it. */
import manifest from '../package.json' with { type: 'json' };

export const labVersion: string = manifest.version;
