import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { type Anomaly, checkHistory, History, type SendOutcome } from "../../src/sim/history/index.ts";

const PARTITIONS = 3;
const PRODUCERS = 4;

interface Send {
  readonly producer: number;
  partition: number;
  readonly value: number;
  readonly startedAt: number;
  endedAt: number;
  outcome: SendOutcome;
  /** Where it stands, told or not; -1 = not in the log. */
  offset: number;
  isTold: boolean;
}

interface Read {
  readonly reader: number;
  readonly kind: "assigned" | "group" | "drain";
  readonly partition: number;
  offset: number;
  value: number;
}

interface Story {
  readonly sends: Send[];
  readonly reads: Read[];
}

/** A run of a log that keeps its word: some answers get lost, some sends are refused, readers follow at their own pace. */
function validStory(seed: number): Story {
  const random = new SeededRandom(seed);
  const sends: Send[] = [];
  const logs: number[][] = Array.from({ length: PARTITIONS }, () => []);
  const reads: Read[] = [];
  const positions = new Map<string, number>();
  let now = 0;
  for (let value = 0; value < 300; value++) {
    const partition = random.below(PARTITIONS);
    const log = logs[partition] ?? [];
    const startedAt = (now += 1 + random.below(5));
    const endedAt = (now += 1 + random.below(5));
    const chance = random.below(10);
    const outcome: SendOutcome = chance === 0 ? "fail" : chance === 1 ? "info" : "ok";
    const isWritten = outcome === "ok" || (outcome === "info" && random.below(2) === 0);
    const offset = isWritten ? log.push(value) - 1 : -1;
    const producer = value % PRODUCERS;
    sends.push({ producer, partition, value, startedAt, endedAt, outcome, offset, isTold: outcome === "ok" });
    const reader = random.below(4);
    const readFrom = positions.get(`${reader} ${partition}`) ?? 0;
    const readTo = Math.min(log.length, readFrom + random.below(8));
    for (let at = readFrom; at < readTo; at++)
      reads.push({ reader, kind: reader < 2 ? "assigned" : "group", partition, offset: at, value: log[at] ?? -1 });
    positions.set(`${reader} ${partition}`, readTo);
  }
  logs.forEach((log, partition) =>
    log.forEach((value, offset) => reads.push({ reader: 100, kind: "drain", partition, offset, value })),
  );
  return { sends, reads };
}

function historyOf(story: Story): History {
  const history = new History();
  for (const send of story.sends) {
    const { producer, partition, value, startedAt } = send;
    const handle = history.begin({ producer, topic: "t", partition, value, startedAt, isDurable: true });
    if (send.outcome !== "info") history.complete(handle, send.outcome, send.endedAt, send.isTold ? send.offset : -1);
  }
  const readers = new Map<string, number>();
  for (const { reader, kind, partition, offset, value } of story.reads) {
    const key = `${reader} ${partition}`;
    const id = readers.get(key) ?? history.openReader({ topic: "t", partition, kind });
    readers.set(key, id);
    history.delivered(id, offset, value);
  }
  return history;
}

function fatalClasses(story: Story, isIdempotent = true): Anomaly[] {
  const { anomalies } = checkHistory(historyOf(story), { isIdempotent });
  return anomalies.filter(({ isFatal }) => isFatal).map(({ anomaly }) => anomaly);
}

/** An acknowledged send with later records behind it in its partition. */
function acknowledgedInside({ sends, reads }: Story, random: SeededRandom): Send {
  const candidates = sends.filter(
    (send) =>
      send.outcome === "ok" && reads.some((read) => read.partition === send.partition && read.offset > send.offset + 2),
  );
  return candidates[random.below(candidates.length)] as Send;
}

interface Mutation {
  readonly title: string;
  readonly anomaly: Anomaly;
  readonly apply: (story: Story, random: SeededRandom) => void;
}

const mutations: readonly Mutation[] = [
  {
    title: "a record that was acknowledged is left out everywhere",
    anomaly: "lost-write",
    apply: (story, random) => {
      const { value } = acknowledgedInside(story, random);
      story.reads.splice(0, story.reads.length, ...story.reads.filter((read) => read.value !== value));
    },
  },
  {
    title: "a record that only a reader ever saw is gone at the end",
    anomaly: "lost-write",
    apply: (story, random) => {
      const send = acknowledgedInside(story, random);
      send.outcome = "info";
      send.isTold = false;
      const { partition, offset, value } = send;
      story.reads.splice(
        0,
        story.reads.length,
        ...story.reads.filter((read) => read.kind !== "drain" || read.value !== value),
      );
      story.reads.unshift({ reader: 7, kind: "group", partition, offset, value });
    },
  },
  {
    title: "the tail of a partition is lost",
    anomaly: "unseen",
    apply: (story, random) => {
      const { partition, offset } = acknowledgedInside(story, random);
      story.reads.splice(
        0,
        story.reads.length,
        ...story.reads.filter((read) => read.partition !== partition || read.offset < offset),
      );
    },
  },
  {
    title: "a record stands twice",
    anomaly: "duplicate",
    apply: (story, random) => {
      const { partition, value } = acknowledgedInside(story, random);
      const offset =
        1 + Math.max(...story.reads.filter((read) => read.partition === partition).map((read) => read.offset));
      story.reads.push({ reader: 100, kind: "drain", partition, offset, value });
    },
  },
  {
    title: "two records change places for one reader",
    anomaly: "inconsistent-offsets",
    apply: (story) => {
      const one = story.reads.find((read) => read.kind === "drain" && read.offset === 3) as Read;
      const other = story.reads.find(
        (read) => read.kind === "drain" && read.partition === one.partition && read.offset === 4,
      ) as Read;
      [one.value, other.value] = [other.value, one.value];
    },
  },
  {
    title: "a refused send comes to light",
    anomaly: "G1a",
    apply: (story) => {
      const { partition, value } = story.sends.find((send) => send.outcome === "fail") as Send;
      const offset =
        1 + Math.max(...story.reads.filter((read) => read.partition === partition).map((read) => read.offset));
      story.reads.push({ reader: 100, kind: "drain", partition, offset, value });
    },
  },
  {
    title: "a value lands in another partition",
    anomaly: "foreign-value",
    apply: (story, random) => {
      const send = acknowledgedInside(story, random);
      send.partition = (send.partition + 1) % PARTITIONS;
      send.isTold = false;
      send.outcome = "info";
    },
  },
  {
    title: "a value comes from nowhere",
    anomaly: "foreign-value",
    apply: (story) => {
      const read = story.reads.at(-1) as Read;
      read.value = story.sends.length;
      story.sends.push({ ...(story.sends[0] as Send), value: story.sends.length + 1, outcome: "info", isTold: false });
    },
  },
  {
    title: "a reader is sent back",
    anomaly: "nonmonotonic-poll",
    apply: (story) => {
      const at = story.reads.findLastIndex((read) => read.kind === "assigned" && read.offset > 3);
      const read = story.reads[at] as Read;
      const earlier = story.reads.find(
        (other) => other.kind === "drain" && other.partition === read.partition && other.offset === read.offset - 2,
      ) as Read;
      story.reads.splice(at + 1, 0, { ...earlier, reader: read.reader, kind: "assigned" });
    },
  },
  {
    title: "a reader passes over a record",
    anomaly: "poll-skip",
    apply: (story) => {
      const at = story.reads.findLastIndex((read) => read.kind === "assigned" && read.offset > 3);
      const { reader, partition, offset } = story.reads[at] as Read;
      const before = story.reads.findIndex(
        (read) => read.reader === reader && read.partition === partition && read.offset === offset - 1,
      );
      story.reads.splice(before, 1);
    },
  },
];

/** The log holds two sends of one producer the other way round, for everybody. */
function swapInLog(story: Story, one: Send, other: Send): void {
  [one.offset, other.offset] = [other.offset, one.offset];
  for (const read of story.reads) {
    if (read.value === one.value) read.value = other.value;
    else if (read.value === other.value) read.value = one.value;
  }
}

function neighbours(story: Story, isSameProducer: boolean): [Send, Send] {
  for (const one of story.sends) {
    if (one.outcome !== "ok") continue;
    const other = story.sends.find(
      (send) =>
        send.outcome === "ok" &&
        send.partition === one.partition &&
        send.offset > one.offset &&
        (send.producer === one.producer) === isSameProducer,
    );
    if (other !== undefined) return [one, other];
  }
  throw new Error("no such pair");
}

describe("The history checker", () => {
  it("finds nothing in histories of a log that kept its word", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const verdict = checkHistory(historyOf(validStory(seed)), { isIdempotent: true });
      expect(verdict.anomalies, `seed ${seed}`).to.deep.equal([]);
      expect(verdict.isValid).to.equal(true);
      expect(verdict.sends.ok).to.be.greaterThan(150);
    }
  });

  describe("finds what was done to one", () => {
    for (const { title, anomaly, apply } of mutations) {
      it(`${anomaly}: ${title}`, () => {
        for (let seed = 1; seed <= 20; seed++) {
          const story = validStory(seed);
          apply(story, new SeededRandom(seed));
          expect(fatalClasses(story), `seed ${seed}`).to.include(anomaly);
        }
      });
    }

    it("nonmonotonic-send: two sends of one producer lie the other way round", () => {
      const story = validStory(3);
      swapInLog(story, ...neighbours(story, true));
      expect(fatalClasses(story)).to.include("nonmonotonic-send");
    });

    it("real-time: two sends of two producers lie the other way round, though one was acknowledged before the other began", () => {
      const story = validStory(4);
      swapInLog(story, ...neighbours(story, false));
      expect(fatalClasses(story)).to.include("real-time").and.not.include("nonmonotonic-send");
    });
  });

  it("lets sends that overlapped lie either way round", () => {
    const story = validStory(5);
    const [one, other] = neighbours(story, false);
    one.endedAt = other.endedAt + 1;
    for (const send of story.sends)
      if (send.partition === one.partition && send !== one && send !== other) send.outcome = "info";
    swapInLog(story, one, other);
    expect(fatalClasses(story)).to.deep.equal([]);
  });

  it("counts duplicates of plain producers, and calls nobody a liar for them", () => {
    const story = validStory(6);
    (mutations.find(({ anomaly }) => anomaly === "duplicate") as Mutation).apply(story, new SeededRandom(6));
    expect(fatalClasses(story, false)).to.deep.equal([]);
    const { anomalies } = checkHistory(historyOf(story), { isIdempotent: false });
    expect(anomalies.map(({ anomaly }) => anomaly)).to.include("duplicate");
  });

  it("lets a group go back when it is dealt out anew", () => {
    const story = validStory(7);
    const again = story.reads.filter((read) => read.kind === "group" && read.reader === 2).slice(0, 3);
    story.reads.push(...again);
    expect(fatalClasses(story)).to.deep.equal([]);
  });

  it("proves nothing, and says so, where nobody read to the end", () => {
    const story = validStory(8);
    story.reads.splice(0, story.reads.length, ...story.reads.filter(({ kind }) => kind !== "drain"));
    expect(fatalClasses(story)).to.deep.equal(["not-drained"]);
  });

  it("counts as acknowledged only what all in-sync replicas had", () => {
    const history = new History();
    const handle = history.begin({ producer: 0, topic: "t", partition: 0, value: 0, startedAt: 0, isDurable: false });
    history.complete(handle, "ok", 1, 0);
    history.openReader({ topic: "t", partition: 0, kind: "drain" });
    expect(checkHistory(history, { isIdempotent: true }).anomalies).to.deep.equal([]);
  });

  /** Values of one partition, each told its offset, and what was read in the end. */
  function historyWith(
    sends: readonly { readonly isDurable?: boolean; readonly isPlain?: boolean; readonly offset: number }[],
    drained: readonly (readonly [offset: number, value: number])[],
  ): History {
    const history = new History();
    for (const [value, { isDurable = true, isPlain = false, offset }] of sends.entries()) {
      const call = { producer: value, topic: "t", partition: 0, value, startedAt: 2 * value, isDurable, isPlain };
      history.complete(history.begin(call), "ok", 2 * value + 1, offset);
    }
    const drain = history.openReader({ topic: "t", partition: 0, kind: "drain" });
    for (const [offset, value] of drained) history.delivered(drain, offset, value);
    return history;
  }
  const fatalOf = (history: History): Anomaly[] =>
    checkHistory(history, { isIdempotent: true }).anomalies.flatMap(({ anomaly, isFatal }) =>
      isFatal ? [anomaly] : [],
    );

  it("lets a plain producer's record stand twice, and no idempotent one's", () => {
    const twice = (isPlain: boolean): History =>
      historyWith(
        [{ isPlain, offset: 0 }],
        [
          [0, 0],
          [1, 0],
        ],
      );
    expect(fatalOf(twice(true))).to.deep.equal([]);
    expect(fatalOf(twice(false))).to.deep.equal(["duplicate"]);
  });

  it("lets a record stand twice where the leader of the later place began behind the earlier one", () => {
    const twice = (appendsFrom: number, logStart: number): History => {
      const history = historyWith(
        [{ offset: 0 }],
        [
          [0, 0],
          [5, 0],
        ],
      );
      history.led("t", 0, 0, 0);
      history.led("t", 0, appendsFrom, logStart);
      return history;
    };
    expect(fatalOf(twice(3, 1))).to.deep.equal([]);
    expect(fatalOf(twice(5, 1))).to.deep.equal([]);
    expect(fatalOf(twice(3, 0)), "its log begins no later").to.deep.equal(["duplicate"]);
    expect(fatalOf(twice(6, 1)), "another one led then").to.deep.equal(["duplicate"]);
  });

  it("lets another take the place of what one replica alone has acknowledged", () => {
    const taken = (isDurable: boolean): History =>
      historyWith([{ isDurable, isPlain: true, offset: 0 }, { offset: 0 }], [[0, 1]]);
    expect(fatalOf(taken(false))).to.deep.equal([]);
    expect(fatalOf(taken(true))).to.include("inconsistent-offsets");
  });

  it("lets records be gone, and passed over, below what was deleted, and nowhere else", () => {
    const sends = [0, 1, 2, 3].map((offset) => ({ offset }));
    const deleted = historyWith(sends, [
      [2, 2],
      [3, 3],
    ]);
    deleted.deletedBelow("t", 0, 2);
    expect(fatalOf(deleted)).to.deep.equal([]);
    const beyond = historyWith(sends, [[3, 3]]);
    beyond.deletedBelow("t", 0, 2);
    expect(fatalOf(beyond)).to.deep.equal(["lost-write", "poll-skip"]);
  });

  it("holds a million records in columns, in seconds", () => {
    const history = new History();
    const drain = history.openReader({ topic: "t", partition: 0, kind: "drain" });
    for (let value = 0; value < 1_000_000; value++) {
      const call = { producer: value % 8, topic: "t", partition: 0, value, startedAt: value, isDurable: true };
      history.complete(history.begin(call), "ok", value + 0.5, value);
      history.delivered(drain, value, value);
    }
    expect(checkHistory(history, { isIdempotent: true })).to.deep.include({ isValid: true, reads: 1_000_000 });
  });
});
