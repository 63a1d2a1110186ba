/**
 * What must hold of the files alone, between two lives, and what must hold of them while a log claims that they are safe.
 * Read by log-image.ts, never through the log.
 */
import type { SeededRandom } from "../../base/index.ts";
import { checkIndexes } from "./index-checks.ts";
import { epochsOf, liveLogs, parseEpochs, parseOffsets, readLogImage, textAt } from "./log-image.ts";
import type { LogImage } from "./log-image.ts";
import { DATA_PATH, pathOf } from "./run-state.ts";
import type { RunState } from "./run-state.ts";
import type { ShadowLog } from "./shadow-log.ts";
import { ensure } from "../violation.ts";

export const RECOVERY_POINTS = `${DATA_PATH}/recovery-point-offset-checkpoint`;
export const HIGH_WATERMARKS = `${DATA_PATH}/replication-offset-checkpoint`;
const LOG_STARTS = `${DATA_PATH}/log-start-offset-checkpoint`;
export const SYNC_FAILED = `${DATA_PATH}/.sync-failed`;
export const CLEAN_MARKER = `${DATA_PATH}/.kafka_cleanshutdown`;

/** After a crash or a stop: history, recovery points, epoch files, creation. The shadows then hold what was found. */
export function checkMedium(state: RunState, after: "process" | "power", wasClean: boolean): void {
  const { medium } = state;
  const recoveryPoints = readRecoveryPoints(state);
  for (const shadow of state.shadows.values()) {
    checkCreated(state, shadow);
    const image = ownImage(state, shadow);
    if (shadow.damagedAt !== null) {
      ensure(
        image?.endOffset === shadow.damagedAt,
        "15.7",
        () => `${shadow.name}: damaged at ${shadow.damagedAt}, it ends at ${image?.endOffset} now`,
      );
      continue;
    }
    if (wasClean && shadow.isCreated) {
      ensure(image !== null && image.endOffset === shadow.endOffset && image.isWhole, "clean stop keeps all", () => {
        return `${shadow.name} ends at ${image?.endOffset}, ${shadow.endOffset} before the stop`;
      });
      checkIndexes(medium, image, Number.POSITIVE_INFINITY);
    }
    shadow.resolve(image?.batches ?? [], image?.endOffset ?? 0, after);
    if (image === null) continue;
    const recoveryPoint = recoveryPoints?.get(shadow.name) ?? 0;
    // A start that died while it began the log anew at its log start (4.2(7)) took what nobody may see.
    const isDeleted = recoveryPoint <= durableLogStart(state, shadow);
    ensure(image.endOffset >= recoveryPoint || isDeleted, "ST3", () => {
      return `${shadow.name}: recovery point ${recoveryPoint} is on disk, but the log ends at ${image.endOffset}`;
    });
    checkEpochFile(state, shadow, image, recoveryPoint);
  }
  if (!wasClean && state.markerEpoch === null) return;
  const marker = textAt(medium, CLEAN_MARKER);
  ensure(!wasClean || marker !== null, "ST7", () => "the marker of a clean stop is gone");
}

/** What stands under the name of `shadow`, if it is that very replica and not one of another topic id. */
export function ownImage(state: RunState, shadow: ShadowLog): LogImage | null {
  const path = pathOf(shadow);
  if (textAt(state.medium, `${path}/partition.metadata`) !== `version: 0\ntopic_id: ${shadow.topicId}`) return null;
  return readLogImage(state.medium, path, shadow.logStartMax, durableLogStart(state, shadow));
}

/** The log start on disk; a new replica has none under its name. */
function durableLogStart(state: RunState, shadow: ShadowLog): number {
  const text = textAt(state.medium, LOG_STARTS);
  return (text === null ? null : parseOffsets(text))?.get(shadow.name) ?? 0;
}

/** 3.1(2): a replica that was reported created is there after anything. */
function checkCreated(state: RunState, shadow: ShadowLog): void {
  if (!shadow.isCreated) return;
  const text = textAt(state.medium, `${pathOf(shadow)}/partition.metadata`);
  ensure(text === `version: 0\ntopic_id: ${shadow.topicId}`, "created replicas survive", () => {
    return `${shadow.name}: partition.metadata is ${text === null ? "gone" : JSON.stringify(text)}`;
  });
}

/** ST4: strictly ascending, and exact between the log start and the recovery point. */
function checkEpochFile(state: RunState, shadow: ShadowLog, image: LogImage, recoveryPoint: number): void {
  const text = textAt(state.medium, `${image.path}/leader-epoch-checkpoint`);
  const entries = text === null ? [] : parseEpochs(text);
  ensure(entries !== null, "ST6", () => `${image.path}/leader-epoch-checkpoint is malformed: ${JSON.stringify(text)}`);
  entries.forEach(([epoch, start], i) => {
    const before = entries[i - 1];
    ensure(
      before === undefined || (epoch > before[0] && start > before[1]),
      "ST4",
      () => `${image.path}: epochs ${JSON.stringify(entries)}`,
    );
  });
  // At a raised log start the first entry may stand where it stood or at the log start itself.
  const isExact = ([, start]: [number, number]): boolean =>
    start < recoveryPoint && (shadow.logStartMax === 0 || start > shadow.logStartMax);
  const stored = entries.filter(isExact);
  const exact = epochsOf(image.batches).filter(isExact);
  ensure(JSON.stringify(stored) === JSON.stringify(exact), "ST4", () => {
    return `${image.path}: below recovery point ${recoveryPoint} the file says ${JSON.stringify(stored)}, the batches ${JSON.stringify(exact)}`;
  });
}

function readRecoveryPoints(state: RunState): Map<string, number> | null {
  const text = textAt(state.medium, RECOVERY_POINTS);
  if (text === null) return null;
  const offsets = parseOffsets(text);
  if (state.damagedTexts.has(text)) return offsets;
  ensure(offsets !== null, "ST6", () => `the recovery points are malformed: ${JSON.stringify(text)}`);
  return offsets;
}

/** ST3: what the recovery points on disk promise is on the medium, indexes of closed segments included. */
export function checkRecoveryPoints(state: RunState): void {
  const offsets = readRecoveryPoints(state);
  for (const shadow of state.shadows.values()) {
    const recoveryPoint = offsets?.get(shadow.name) ?? 0;
    // A start that begins the log anew at its log start (4.2(7)) may say so before the runner has seen it.
    if (shadow.damagedAt !== null) continue;
    const beginsAnew = shadow.endOffset < recoveryPoint && recoveryPoint <= shadow.logStartMax;
    if (recoveryPoint > 0 && shadow.isCreated && !beginsAnew) checkSynced(state, shadow, recoveryPoint, "ST3");
  }
}

/** Everything below `end` would survive a power failure now: bytes, size and every name on the way. */
export function checkSynced(
  state: RunState,
  shadow: ShadowLog,
  end: number,
  invariant: "ST3" | "ST7" | "ST10",
  from = 0,
): void {
  const { medium } = state;
  const path = pathOf(shadow);
  ensure(
    end <= shadow.endOffset,
    invariant,
    () => `${shadow.name}: safe to ${end}, but it ends at ${shadow.endOffset}`,
  );
  const bases = segmentBases(state, shadow);
  bases.forEach((base, slot) => {
    const next = bases[slot + 1] ?? Number.POSITIVE_INFINITY;
    if (base >= end || next <= from) return;
    const stem = `${path}/${String(base).padStart(20, "0")}`;
    const bytes = bytesBetween(shadow, base, Math.min(end, next));
    const isSafe =
      medium.fileAt(`${stem}.log`)?.isSynced(0, bytes) === true && medium.tree.isEntrySynced(`${stem}.log`);
    ensure(
      isSafe,
      invariant,
      () => `${shadow.name}: said to be safe to ${end}, but ${stem}.log is not synced to byte ${bytes}`,
    );
    if (invariant === "ST10" || next > end) return;
    for (const suffix of [".index", ".timeindex", ".txnindex"]) {
      const file = medium.fileAt(`${stem}${suffix}`);
      if (file === undefined) continue;
      const isIndexSafe = file.isSettled && medium.tree.isEntrySynced(`${stem}${suffix}`);
      ensure(
        isIndexSafe,
        invariant,
        () => `${shadow.name}: the recovery point ${end} has passed ${stem}${suffix}, which is not synced`,
      );
    }
  });
  const first = bases[0];
  ensure(
    first !== undefined && first <= shadow.logStartMax,
    invariant,
    () => `${shadow.name}: the first segment begins at ${first}`,
  );
}

function segmentBases(state: RunState, shadow: ShadowLog): number[] {
  const directory = state.medium.tree.find(pathOf(shadow));
  if (directory?.kind !== "directory") return [];
  return liveLogs(directory.written.keys(), durableLogStart(state, shadow)).map((name) => Number(name.slice(0, 20)));
}

/** Stored bytes of the offsets [from, to). */
function bytesBetween(shadow: ShadowLog, from: number, to: number): number {
  let bytes = 0;
  for (const batch of shadow.batches)
    if (batch.baseOffset >= from && batch.lastOffset < to) bytes += batch.bytes.length;
  return bytes;
}

/**
 * Damage between two lives that the log promises to get over (2.5, 2.6(2), 4.2(5)): a bit of a producer snapshot, a
 * malformed checkpoint, a missing index, a bit above the recovery point. After a clean stop only what is checked then.
 */
export function damageFiles(state: RunState): void {
  const { random, medium } = state;
  const isClean = medium.fileAt(CLEAN_MARKER) !== undefined;
  for (const shadow of state.shadows.values()) {
    const image = shadow.damagedAt === null ? ownImage(state, shadow) : null;
    if (image === null) continue;
    const snapshots = image.names.filter((name) => name.endsWith(".snapshot"));
    if (snapshots.length > 0 && random.chance(0.3)) flipBit(state, `${image.path}/${random.pick(snapshots)}`);
    const last = image.segments.at(-1);
    if (isClean || last === undefined) continue;
    if (random.chance(0.2)) {
      const segment = random.pick(image.segments);
      const suffix = random.pick([".index", ".timeindex"]);
      if (medium.fileAt(`${segment.stem}${suffix}`) !== undefined) {
        const directory = medium.tree.find(image.path);
        if (directory?.kind === "directory") {
          const name = `${segment.stem}${suffix}`.slice(image.path.length + 1);
          medium.tree.change([{ directory, name, node: null }]);
          medium.tree.commitAll(medium.tree.order);
          state.count("damage index removed");
          state.world.note("damage: index removed", `${segment.stem}${suffix}`);
        }
      }
    }
    const draw = random.float();
    if (draw < 0.2) flipAboveRecoveryPoint(state, shadow, image);
    else if (draw < 0.25) flipBelowRecoveryPoint(state, shadow, image);
  }
  // Without recovery points rot below them passes for a torn tail (2.6(2)): not both in one run.
  const isAnyDamaged = [...state.shadows.values()].some((shadow) => shadow.damagedAt !== null);
  if (isClean || isAnyDamaged) return;
  if (random.chance(0.2)) malform(state, random, random.pick([RECOVERY_POINTS, HIGH_WATERMARKS]));
  if (!state.rot.chance(0.3) || !malform(state, state.rot, RECOVERY_POINTS)) return;
  // The bit may have hit a name alone.
  if (parseOffsets(textAt(medium, RECOVERY_POINTS) ?? "") === null) flipAnywhere(state);
}

function malform(state: RunState, random: SeededRandom, path: string): boolean {
  const { medium } = state;
  const file = medium.fileAt(path);
  // A second bit might make the first one good.
  if (file === undefined || file.sizeBytes === 0 || state.damagedTexts.has(textAt(medium, path) ?? "")) return false;
  file.flipBit(random.below(file.sizeBytes), 7);
  state.damagedTexts.add(textAt(medium, path) ?? "");
  state.count("damage checkpoint malformed");
  state.world.note("damage: malformed", path);
  return true;
}

/** Rot of any age: without recovery points it passes for a torn tail, and the segments behind it are kept aside (2.6(2), 4.2(6)). */
function flipAnywhere(state: RunState): void {
  for (const shadow of state.shadows.values()) {
    const image = ownImage(state, shadow);
    const segments = image?.segments.slice(0, -1) ?? [];
    const batches = segments.flatMap((segment) => segment.batches.map((batch) => ({ segment, batch })));
    const among = batches.filter(({ batch }) => batch.baseOffset >= shadow.logStartMax);
    if (image === null || among.length === 0 || !state.rot.chance(0.7)) continue;
    const { segment, batch } = state.rot.pick(among);
    segment.file.flipBit(batch.position + state.rot.between(16, batch.bytes.length - 1), state.rot.below(8));
    state.count("damage log bit of any age");
    state.world.note("damage: bit of any age", shadow.name, batch.baseOffset);
    endsBefore(state, shadow, image.path, batch.baseOffset);
  }
}

/** A start will make the log end at `offset`, or before it; the shadow expects no more. */
function endsBefore(state: RunState, shadow: ShadowLog, path: string, offset: number): void {
  shadow.durableEnd = Math.min(shadow.durableEnd, offset);
  shadow.beginCut(offset);
  const left = readLogImage(state.medium, path, shadow.logStartMax, durableLogStart(state, shadow));
  shadow.resolve(left?.batches ?? [], left?.endOffset ?? 0, "process");
}

/** Segments that a start without recovery points may not delete, by replica: null where it has them, or need not look. */
export function segmentsToKeep(state: RunState): ReadonlyMap<ShadowLog, readonly string[]> | null {
  const { medium } = state;
  const text = textAt(medium, RECOVERY_POINTS);
  if (text === null || parseOffsets(text) !== null || medium.fileAt(CLEAN_MARKER) !== undefined) return null;
  return new Map(
    [...state.shadows.values()].map((shadow) => {
      const path = pathOf(shadow);
      const directory = medium.tree.find(path);
      const names = directory?.kind === "directory" ? [...directory.written.keys()] : [];
      return [shadow, liveLogs(names, durableLogStart(state, shadow)).map((name) => `${path}/${name}`)];
    }),
  );
}

/** 4.2(6): of those, each that the log does not go on in is kept aside for the operator. */
export function checkKeptAside(
  state: RunState,
  shadow: ShadowLog,
  paths: readonly string[],
  log: { readonly logStartOffset: number; readonly logEndOffset: number },
): void {
  // 4.2(7): what lies below the log start goes.
  if (log.logEndOffset === log.logStartOffset) return;
  for (const path of paths) {
    const isThere = state.medium.fileAt(path) !== undefined || state.medium.fileAt(`${path}.damaged`) !== undefined;
    ensure(isThere, "4.2(6)", () => `${shadow.name}: ${path} was deleted though the recovery points are malformed`);
    if (state.medium.fileAt(`${path}.damaged`) !== undefined) state.count("segment kept aside");
  }
}

function flipBit(state: RunState, path: string): void {
  const file = state.medium.fileAt(path);
  if (file === undefined || file.sizeBytes === 0) return;
  file.flipBit(state.random.below(file.sizeBytes), state.random.below(8));
  state.count("damage snapshot bit");
  state.world.note("damage: bit", path);
}

/** Rot of synced bytes where recovery looks: from here on the replica is damaged (4.2(6), 15.7). */
function flipBelowRecoveryPoint(state: RunState, shadow: ShadowLog, image: LogImage): void {
  const { random } = state;
  const recoveryPoint = readRecoveryPoints(state)?.get(shadow.name) ?? 0;
  const scanned = image.segments.findLast((segment) => segment.baseOffset <= recoveryPoint);
  const candidates = (scanned?.batches ?? []).filter(
    (batch) => batch.header.lastOffset < recoveryPoint && batch.baseOffset >= shadow.logStartMax,
  );
  if (scanned === undefined || candidates.length === 0 || state.damagedTexts.size > 0) return;
  const batch = random.pick(candidates);
  scanned.file.flipBit(batch.position + random.between(16, batch.bytes.length - 1), random.below(8));
  state.count("damage below the recovery point");
  state.world.note("damage below the recovery point", shadow.name, batch.baseOffset);
  shadow.damagedAt = batch.baseOffset;
  shadow.beginCut(batch.baseOffset);
  shadow.finishCut(batch.baseOffset, false);
}

/** Rot where recovery looks: the log then ends before it, and the shadow expects no more. */
function flipAboveRecoveryPoint(state: RunState, shadow: ShadowLog, image: LogImage): void {
  const { random } = state;
  const recoveryPoint = readRecoveryPoints(state)?.get(shadow.name) ?? 0;
  const candidates = image.batches.filter((batch) => batch.baseOffset >= recoveryPoint);
  if (candidates.length === 0) return;
  const batch = random.pick(candidates);
  const segment = image.segments.find((other) => other.batches.includes(batch));
  // Bytes 16 to the end: magic, CRC and what the CRC covers. The length may point anywhere, the epoch may look older.
  segment?.file.flipBit(batch.position + random.between(16, batch.bytes.length - 1), random.below(8));
  state.count("damage log bit");
  state.world.note("damage: bit", shadow.name, batch.baseOffset);
  endsBefore(state, shadow, image.path, batch.baseOffset);
}
