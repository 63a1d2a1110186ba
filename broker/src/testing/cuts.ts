/** Who does not hear of whom: brokers of each other, clients of brokers and brokers of clients. One cut is one direction. */
import { invalid } from "./options.ts";
import type { Shut } from "./front-door.ts";

/** A broker by its id, or whoever comes by the doors for clients. */
export type Party = number | "clients";

export interface Cut {
  /** Who sends. */
  readonly from: Party | readonly Party[];
  /** Whom it does not reach. */
  readonly to: Party | readonly Party[];
}

/** One direction. */
export type Direction = readonly [from: Party, to: Party];

/** Throws TestClusterError INVALID_OPTION, and what `assertBroker` throws. */
export function directionsOf({ from, to }: Cut, assertBroker: (id: number) => void): Direction[] {
  const [senders, receivers] = [from, to].map((parties) => (Array.isArray(parties) ? parties : [parties]) as Party[]);
  for (const party of [...(senders ?? []), ...(receivers ?? [])]) if (party !== "clients") assertBroker(party);
  const directions: Direction[] = [];
  for (const sender of senders ?? [])
    for (const receiver of receivers ?? []) {
      if (sender === receiver)
        throw invalid(
          `cut: ${nameOf(sender)} cannot be cut off from ${sender === "clients" ? "themselves" : "itself"}`,
        );
      directions.push([sender, receiver]);
    }
  if (directions.length === 0) throw invalid("cut: somebody is cut off from somebody; from and to name them");
  return directions;
}

/**
 * Both ways between every two groups; brokers that are not named form one more, and clients that are not named reach all of them. Throws
 * TestClusterError INVALID_OPTION, and what `assertBroker` throws.
 */
export function directionsBetween(
  groups: readonly (readonly Party[])[],
  ids: readonly number[],
  assertBroker: (id: number) => void,
): Direction[] {
  if (!Array.isArray(groups) || !groups.every((group) => Array.isArray(group)))
    throw invalid("partition: groups are lists of brokers, as [[1], [2, 3]]");
  const named = groups.flat();
  for (const party of named) if (party !== "clients") assertBroker(party);
  const twice = named.find((party, slot) => named.indexOf(party) !== slot);
  if (twice !== undefined) throw invalid(`partition: ${nameOf(twice)} is named twice`);
  const sides = [...groups, ids.filter((id) => !named.includes(id))];
  return sides.flatMap((side, slot) =>
    side.flatMap((one) =>
      sides
        .slice(slot + 1)
        .flat()
        .flatMap((other): Direction[] => [
          [one, other],
          [other, one],
        ]),
    ),
  );
}

/**
 * Less than a majority of the brokers hears this one and is heard by it: what it leads is another's as soon as the others have noticed,
 * and until then it can commit nothing.
 */
export function isCutOff(directions: readonly Direction[], id: number, ids: readonly number[]): boolean {
  const isOpen = (one: number, other: number): boolean =>
    !directions.some(([from, to]) => from === one && to === other);
  const reached = ids.filter((other) => isOpen(id, other) && isOpen(other, id)).length;
  return 2 * reached <= ids.length;
}

/** Where this broker is cut off from clients. */
export function shutBy(directions: readonly Direction[], id: number): Shut {
  return {
    in: directions.some(([from, to]) => from === "clients" && to === id),
    out: directions.some(([from, to]) => from === id && to === "clients"),
  };
}

function nameOf(party: Party): string {
  return party === "clients" ? "clients" : `broker ${party}`;
}
