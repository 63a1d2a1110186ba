/**
 * A follower's side of a snapshot: whether it is needed, and how far it has arrived. The follower asks for one piece after
 * the other; a piece or a question that was lost is asked for again, and a transfer goes on with another leader if that
 * offers the same bytes.
 *
 * The decision goes by the own commit index (semantics 10.2, P56): compared with the log end, a snapshot for a log with a
 * long tail of an old term would be sent for ever.
 */
import type { SnapshotChunk, SnapshotOffer } from "./messages.ts";
import type { NodeState } from "./node-state.ts";
import { isSameReplica, isSameSnapshot } from "./types.ts";
import type { LogIndex, ReplicaId, Snapshot } from "./types.ts";

interface Download {
  readonly snapshot: Snapshot;
  readonly source: ReplicaId;
  /** Bytes received. */
  readonly position: number;
  readonly silentTicks: number;
}

export class SnapshotDownload {
  readonly #state: NodeState;
  #download: Download | null = null;

  constructor(state: NodeState) {
    this.#state = state;
  }

  /** What the leader may be told to match, or null while the bytes are missing. */
  onOffer(offer: SnapshotOffer): LogIndex | null {
    const matchIndex = this.#matchWithout(offer.snapshot);
    if (matchIndex !== null) return matchIndex;
    const current = this.#download;
    const isSame = current !== null && isSameSnapshot(current.snapshot, offer.snapshot);
    const isRepeat = isSame && isSameReplica(current.source, offer.from);
    if (isRepeat) return null;
    this.#ask({
      snapshot: offer.snapshot,
      source: offer.from,
      position: isSame ? current.position : 0,
      silentTicks: 0,
    });
    return null;
  }

  /** As `onOffer`; installs the snapshot when this was the last piece. */
  onChunk(chunk: SnapshotChunk): LogIndex | null {
    const current = this.#download;
    if (current === null || !isSameSnapshot(current.snapshot, chunk.snapshot)) return null;
    if (chunk.position !== current.position) return null;
    // A late repeat of an earlier attempt can come before the piece in hand has gone to the disk: one at a time.
    if (this.#state.chunk !== null) return null;
    const matchIndex = this.#matchWithout(chunk.snapshot);
    if (matchIndex !== null) return matchIndex;
    const { snapshot, position, bytes } = chunk;
    const end = position + bytes.byteLength;
    // A piece that is none is asked for again in good time, not at once and for ever.
    if (end > snapshot.sizeBytes || (end === position && end < snapshot.sizeBytes)) return null;
    this.#state.chunk = { snapshot, position, bytes };
    if (end < snapshot.sizeBytes) {
      this.#ask({ snapshot, source: chunk.from, position: end, silentTicks: 0 });
      return null;
    }
    this.#download = null;
    this.#state.log.restore(snapshot);
    this.#state.install = snapshot;
    return snapshot.index;
  }

  /** A leader needs no snapshot of anybody. */
  drop(): void {
    this.#download = null;
  }

  tick(): void {
    const current = this.#download;
    // The log may have come by without it.
    if (current === null || this.#matchWithout(current.snapshot) !== null) return;
    const silentTicks = current.silentTicks + 1;
    if (silentTicks < this.#state.options.electionTicks) this.#download = { ...current, silentTicks };
    else this.#ask({ ...current, silentTicks: 0 });
  }

  /** Null when the snapshot is needed. A log that holds its last entry only learns that it is committed. */
  #matchWithout({ index, term }: Snapshot): LogIndex | null {
    const { log } = this.#state;
    if (index > log.commitIndex && !log.holds(index, term)) return null;
    log.commitTo(index);
    this.#download = null;
    return log.commitIndex;
  }

  #ask(download: Download): void {
    this.#download = download;
    const { replica, term } = this.#state;
    const { source, snapshot, position } = download;
    this.#state.sendAfterSync({ kind: "snapshotFetch", from: replica, to: source, term, snapshot, position });
  }
}
