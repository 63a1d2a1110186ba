/**
 * runtime/cluster: what a broker does among others and not by itself: calls to peers, the way to the controller. Loaded where there
 * are others.
 */
export { ControllerChannel, type ControllerChannelOptions, serveController } from "./controller-channel.ts";
export { askPeer, mayHaveBeenDone, PeerCalls, type PeerMethod } from "./peer-calls.ts";
