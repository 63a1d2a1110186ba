/**
 * runtime/cluster: what a broker does among others and not by itself: calls to peers, a seat in the cluster, the way to the controller,
 * an eye on the leader. Loaded where there are others.
 */
export {
  askMembership,
  type Membership,
  type Seat,
  type SeatOptions,
  SeatSearch,
  serveMembership,
} from "./birth.ts";
export { ControllerChannel, type ControllerChannelOptions, serveController } from "./controller-channel.ts";
export { askPeer, mayHaveBeenDone, PeerCalls, peerInTrouble, type PeerMethod } from "./peer-calls.ts";
export { LeaderWatch, type LeaderWatchOptions } from "./leader-watch.ts";
export { VoterKeeper, type VoterKeeperOptions } from "./voter-keeper.ts";
