/** The tests of a profile's mutations: each is caught. */
import { expect } from "chai";
import { MUTATIONS } from "./index.ts";
import type { Profile } from "./mutation.ts";
import { searchMutation } from "./search.ts";

export function describeKnownMistakes(profile: Profile): void {
  describe("known mistakes are caught", () => {
    for (const mutation of MUTATIONS.filter((each) => each.profile === profile && each.isDear !== true)) {
      const { id, what, seedsMax, seed } = mutation;
      it(`${id}: ${what}, within ${seedsMax} seeds`, async () => {
        const caught = await searchMutation(mutation, { isKnownFirst: true });
        expect(caught.failure, "no seed failed").to.not.equal(null);
        expect(caught.failure?.invariant, caught.failure?.stack).to.not.equal("error");
        if (caught.seed !== seed) console.log(`      caught by seed ${caught.seed} now, not by ${seed}`);
      });
    }
  });
}
