/**
 * One replication stream under simulation: two ordered queues, between one life of a follower and one of its leader. A reset
 * drops what is on its way; both sides hear of it later.
 */
import type { ReplicaReport } from "../../replication/index.ts";
import type { ModelFrame, ReplicaHost } from "./replica-host.ts";

export class Link {
  readonly follower: ReplicaHost;
  readonly leader: ReplicaHost;
  readonly up: ReplicaReport[] = [];
  readonly down: ModelFrame[] = [];
  /** Reports that wait for the metadata that they speak of. */
  parked: ReplicaReport[] = [];
  isOpen = true;
  readonly #deliver: (link: Link, isUp: boolean) => void;

  constructor(follower: ReplicaHost, leader: ReplicaHost, deliver: (link: Link, isUp: boolean) => void) {
    this.follower = follower;
    this.leader = leader;
    this.#deliver = deliver;
  }

  sendUp(report: ReplicaReport): void {
    if (!this.isOpen) return;
    this.up.push(report);
    this.#deliver(this, true);
  }

  sendDown(frame: ModelFrame): void {
    if (!this.isOpen) return;
    this.down.push(frame);
    this.#deliver(this, false);
  }
}
