/** Chance comes in here: cryptographic in the real world, seeded in the simulated one. */
export type RandomBytes = (count: number) => Uint8Array;
