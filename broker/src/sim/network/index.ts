/** sim/network: brokers reach one another in the simulated world; PeerTransport with delay, loss, cuts, stalls and resets. */
export { CALM_NETWORK, SimNetwork, type SimNetworkOptions, type SimNode } from "./sim-network.ts";
export { SimPeerTransport } from "./sim-peer-transport.ts";
