/** Names in an object that mean nothing: what is misspelt would be passed over in silence. */
import { nearest } from "./nearest.ts";

/** The first name in `given` that has a value and is none of `names`, and how to mend it; null: there is none. */
export function unknownName(given: object, names: readonly string[]): { name: string; hint: string } | null {
  const [name] = Object.entries(given).find(([known, value]) => value !== undefined && !names.includes(known)) ?? [];
  if (name === undefined) return null;
  const near = nearest(name, names);
  return { name, hint: `there are ${names.join(", ")}${near === null ? "" : `; did you mean ${near}?`}` };
}
