/** How entries of the metadata log are shown in every format. */
import type { RaftLogEntry } from "@tidemark/client";
import { parseOutput } from "../../src/global-flags.ts";
import { LOG_COLUMNS, logShape } from "../../src/output/raft-views.ts";
import { printRows } from "../../src/output/rows.ts";
import { testContext, textOf } from "../support/context.ts";
import { expectGolden } from "../support/golden.ts";

function entry(index: number, over: Partial<RaftLogEntry> = {}): RaftLogEntry {
  return {
    index,
    term: 4,
    kind: "command",
    committed: true,
    at: Date.UTC(2026, 10, 22, 5, 31, 7, 12),
    bytes: 120,
    records: [],
    recordsLeftOut: 0,
    voters: null,
    ...over,
  };
}

const ENTRIES: readonly RaftLogEntry[] = [
  entry(98, { kind: "leaderStart", bytes: 0, at: null }),
  entry(99, { records: [{ type: "termStarted", term: 4, controllerId: 2, minIsrDefault: null }] }),
  entry(100, {
    kind: "voters",
    at: null,
    bytes: 0,
    voters: [1, 2, 4].map((id) => ({ id, directoryId: `${id}AAAAAAAAAAAAAAAAAAAAA` })),
  }),
  entry(101, {
    records: [
      { type: "topicCreated", topicId: "TTTTTTTTTTTTTTTTTTTTTT", name: "orders", internal: false, overrides: {} },
      {
        type: "partitionCreated",
        topicId: "TTTTTTTTTTTTTTTTTTTTTT",
        partition: 0,
        replicas: [1],
        isr: [1],
        leaderId: 1,
      },
      {
        type: "partitionCreated",
        topicId: "TTTTTTTTTTTTTTTTTTTTTT",
        partition: 1,
        replicas: [2],
        isr: [2],
        leaderId: 2,
      },
    ],
  }),
  entry(102, {
    records: [
      {
        type: "isrsChanged",
        isr: [1],
        partitions: [{ topicId: "TTTTTTTTTTTTTTTTTTTTTT", partitions: [1], topic: "orders" }],
      },
    ],
    recordsLeftOut: 7,
    committed: false,
  }),
];

describe("views of the metadata log", () => {
  for (const format of ["table", "wide", "json", "csv", "name"]) {
    it(`show its entries as ${format}`, () => {
      const context = testContext({ flags: { output: parseOutput(format).format } });
      printRows(context, ENTRIES.map(logShape), LOG_COLUMNS);
      expectGolden(`views/raft-log.${format}`, textOf(context.stdout));
    });
  }
});
