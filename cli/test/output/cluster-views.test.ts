/** How a cluster of three, one of them gone, is shown in every format. */
import type {
  BrokerDescription,
  ClusterDescription,
  ClusterFeature,
  PartitionDescription,
  PartitionMove,
  RaftNode,
  RaftStatus,
  Reassignment,
} from "@tidemark/client";
import { expect } from "chai";
import { parseOutput } from "../../src/global-flags.ts";
import {
  BROKER_COLUMNS,
  brokerShape,
  FEATURE_COLUMNS,
  isAsBefore,
  printHealth,
  printInfo,
  printRaft,
} from "../../src/output/cluster-views.ts";
import {
  costOf,
  MOVE_COLUMNS,
  moveShape,
  REASSIGNMENT_COLUMNS,
  reassignmentShape,
} from "../../src/output/move-views.ts";
import { LIST_COLUMNS, listShape, printPartitions, type ReplicaRow } from "../../src/output/partition-views.ts";
import { printRows } from "../../src/output/rows.ts";
import { type TestContext, testContext, textOf } from "../support/context.ts";
import { expectGolden } from "../support/golden.ts";

function broker(id: number, over: Partial<BrokerDescription> = {}): BrokerDescription {
  return {
    id,
    host: `broker-${id}`,
    port: 9192,
    rack: `r${id}`,
    alive: true,
    fenced: false,
    shuttingDown: false,
    draining: false,
    full: false,
    offline: false,
    epoch: 100 + id,
    leaders: 2,
    replicas: 4,
    version: "0.1.0",
    ...over,
  };
}

const CLUSTER: ClusterDescription = {
  clusterId: "AAAAAAAAAAAAAAAAAAAAAA",
  controllerId: 2,
  metadataOffset: 1_234,
  staleMs: null,
  brokers: [
    broker(1, { full: true, machine: "m1" }),
    broker(2, { host: "::1", shuttingDown: true, draining: true }),
    broker(3, { alive: false, fenced: true, leaders: 0, version: null }),
  ],
};

const FEATURES: readonly ClusterFeature[] = [
  { name: "metadata.records", inUse: 0, brokers: [1, 2].map((id) => ({ broker: id, oldest: 0, newest: 0 })) },
  {
    name: "peer.protocol",
    inUse: null,
    brokers: [
      { broker: 1, oldest: 1, newest: 2 },
      { broker: 2, oldest: 3, newest: 3 },
      { broker: 3, oldest: null, newest: null },
      { broker: 4, oldest: 1, newest: 2 },
    ],
  },
];

const REASONS = ["broker 3 is down", "orders-1 has replicas that are not in sync"];
const HEALTH = {
  healthy: false,
  cause: "broker 3 is down",
  reasons: REASONS,
  troubles: [
    { code: "broker-down", text: "broker 3 is down", broker: 3 },
    { code: "under-replicated", text: "orders-1 has replicas that are not in sync", broker: null },
  ],
  controller: 2,
  brokersDown: [3],
  leaderless: [],
  underReplicated: [{ topic: "orders", partition: 1 }],
  underMinIsr: [],
  recovering: [],
};

function node(id: number, over: Partial<RaftNode>): RaftNode {
  return {
    id,
    directoryId: `${id}BBBBBBBBBBBBBBBBBBBBB`,
    role: "follower",
    voter: true,
    term: 7,
    matchIndex: 1_230,
    lag: 5,
    lastContactMs: 120,
    commitIndex: 1_234,
    appliedIndex: 1_230,
    lastIndex: 1_230,
    suspended: false,
    ...over,
  };
}

const RAFT: RaftStatus = {
  leader: 2,
  term: 7,
  commitIndex: 1_234,
  nodes: [
    node(1, { suspended: true }),
    node(2, { role: "leader", matchIndex: 1_235, lag: 0, lastContactMs: 0, appliedIndex: 1_234, lastIndex: 1_235 }),
    node(3, {
      role: "unknown",
      lag: 1_035,
      matchIndex: 200,
      lastContactMs: 61_000,
      term: null,
      commitIndex: null,
      appliedIndex: null,
      lastIndex: null,
    }),
    node(4, { role: "learner", voter: false }),
  ],
};

const PARTITION: PartitionDescription = {
  topic: "orders",
  partition: 1,
  leader: 1,
  leaderEpoch: 9,
  replicas: [3, 1, 2],
  isr: [1],
  elr: [2],
  lastIsr: [1, 2].map((id) => ({ broker: id, directoryId: `${id}BBBBBBBBBBBBBBBBBBBBB` })),
  minIsr: 2,
  recovering: false,
  adding: [],
  removing: [],
  damaged: [3],
  start: 5,
  highWatermark: 1_205,
  lastStable: 1_205,
  end: 1_300,
  bytes: 2_048,
  troubles: ["under-min-isr", "under-replicated", "damaged"],
};
const LEADERLESS: PartitionDescription = {
  ...PARTITION,
  partition: 2,
  leader: null,
  isr: [],
  start: -1,
  highWatermark: -1,
  lastStable: -1,
  end: -1,
  bytes: 0,
  troubles: ["leaderless", "under-min-isr", "under-replicated"],
};
const LOGS: ReplicaRow[] = [
  {
    broker: 3,
    role: "follower",
    inSync: false,
    eligible: false,
    damaged: true,
    bytes: null,
    end: null,
    lag: null,
    path: null,
  },
  {
    broker: 1,
    role: "leader",
    inSync: true,
    eligible: true,
    damaged: false,
    bytes: 2_048,
    end: 1_300,
    lag: 0,
    path: "/data",
  },
  {
    broker: 2,
    role: "follower",
    inSync: false,
    eligible: true,
    damaged: false,
    bytes: 2_000,
    end: 1_205,
    lag: 95,
    path: "/data",
  },
];

const MOVES: PartitionMove[] = [
  {
    topic: "orders",
    partition: 0,
    current: [1, 2, 3],
    replicas: [4, 2, 3],
    adding: [4],
    removing: [1],
    bytes: 52_428_800,
  },
  { topic: "orders", partition: 1, current: [1, 2], replicas: [2, 1], adding: [], removing: [], bytes: 0 },
  { topic: "payments", partition: 0, current: [1], replicas: [3, 4], adding: [3, 4], removing: [1], bytes: null },
];
const REASSIGNMENTS: Reassignment[] = [
  {
    topic: "orders",
    partition: 0,
    replicas: [4, 2, 3],
    adding: [4],
    removing: [1],
    copies: [{ broker: 4, bytes: 13_107_200, ofBytes: 52_428_800 }],
  },
  {
    topic: "payments",
    partition: 0,
    replicas: [3, 4],
    adding: [3, 4],
    removing: [1],
    copies: [
      { broker: 3, bytes: 10, ofBytes: 10 },
      { broker: 4, bytes: null, ofBytes: 10 },
    ],
  },
];

const VIEWS: Record<string, (context: TestContext) => void> = {
  "cluster-info": (context) => printInfo(context, CLUSTER),
  "cluster-brokers": (context) =>
    printRows(
      context,
      CLUSTER.brokers.map((one) => brokerShape(one, CLUSTER.controllerId)),
      BROKER_COLUMNS,
    ),
  "cluster-features": (context) => printRows(context, FEATURES, FEATURE_COLUMNS),
  "cluster-health": (context) => printHealth(context, HEALTH),
  "raft-status": (context) => printRaft(context, RAFT),
  "partitions-moves": (context) => printRows(context, MOVES.map(moveShape), MOVE_COLUMNS),
  "partitions-reassignments": (context) =>
    printRows(context, REASSIGNMENTS.map(reassignmentShape), REASSIGNMENT_COLUMNS),
  "partitions-list": (context) => printRows(context, [PARTITION, LEADERLESS].map(listShape), LIST_COLUMNS),
  "partitions-describe": (context) =>
    printPartitions(context, [
      { partition: PARTITION, replicas: LOGS },
      { partition: LEADERLESS, replicas: LOGS.map((log) => ({ ...log, role: "follower" })) },
    ]),
};

describe("what a plan costs", () => {
  it("is a sentence: replicas, partitions, bytes as far as they are known", () => {
    expect(costOf(MOVES)).to.equal("3 replicas of 3 partitions, at least 50.0 MiB to copy");
    expect(costOf(MOVES.slice(0, 1))).to.equal("1 replica of 1 partition, 50.0 MiB to copy");
    expect(costOf(MOVES.slice(1, 2))).to.equal("1 partition in another order, or with fewer replicas; nothing to copy");
  });
});

describe("views of a cluster", () => {
  function shown(view: string, output: string, columns: readonly string[] | null = null): string {
    const context = testContext({ flags: { output: parseOutput(output).format, columns } });
    VIEWS[view]?.(context);
    return textOf(context.stdout);
  }

  for (const view of Object.keys(VIEWS)) {
    it(`show ${view} in every format`, () => {
      for (const format of ["table", "wide", "json", "csv", "name"])
        expectGolden(`views/${view}.${format}`, shown(view, format));
    });
  }

  it("say in one word that all is well", () => {
    const context = testContext();
    printHealth(context, { ...HEALTH, healthy: true, cause: null, reasons: [], troubles: [] });
    expect(textOf(context.stdout)).to.equal("healthy\n");
  });

  it("are rows where columns are chosen", () => {
    expect(shown("raft-status", "table", ["node", "lag"])).to.equal(
      "NODE   LAG\n   1     5\n   2     0\n   3  1035\n   4     5\n",
    );
    expect(shown("cluster-info", "table", ["alive"])).to.equal("ALIVE\n    2\n");
    expect(shown("cluster-info", "table", ["Broker", "leaders"])).to.equal(
      "BROKER  LEADERS\n     1        2\n     2        2\n     3        0\n",
    );
    expect(shown("partitions-describe", "table", ["partition", "broker"])).to.include(
      "PARTITION  BROKER\n        1       3\n",
    );
  });

  it("knows a health that is as before, however often a silent broker was tried meanwhile", () => {
    const silent = (attempts: number, ms: number, port = 1): { reasons: string[] } => ({
      reasons: [`broker 4 does not answer at 127.0.0.1:${port}: ECONNREFUSED (${attempts} attempts in ${ms} ms)`],
    });
    expect(isAsBefore(silent(13, 379), silent(9, 1_402))).to.equal(true);
    expect(isAsBefore(silent(13, 379), silent(13, 379, 2))).to.equal(false);
    expect(isAsBefore(silent(13, 379), { reasons: [...silent(13, 379).reasons, "broker 3 is down"] })).to.equal(false);
  });
});
