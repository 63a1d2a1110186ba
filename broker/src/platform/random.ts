/** Chance of the real world: the system's cryptographic generator. */
import { randomBytes as systemRandomBytes } from "node:crypto";
import type { RandomBytes } from "../ports/index.ts";

export const randomBytes: RandomBytes = (count) => systemRandomBytes(count);
