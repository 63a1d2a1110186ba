import { MemoryStore } from "../../src/platform/index.ts";
import { kvSuite } from "../suites/kv-suite.ts";

kvSuite("MemoryStore", { isDurable: false }, async () => {
  const store = new MemoryStore();
  return { store, reopen: async () => store, cleanUp: () => store.close() };
});
