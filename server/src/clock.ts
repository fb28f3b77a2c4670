/** What time it is. An argument wherever time matters, so that a test can stand at the exact moment it speaks of. */
export type Clock = () => Date;
export const systemClock: Clock = () => new Date();
