/** A thread with a heap of its own, small as its modules are, that opens a door for `debug` and tells its port. */
import { parentPort } from "node:worker_threads";
import { openTestDoor } from "./fixtures.ts";

const { door } = await openTestDoor({ debugMode: "loopback" });
parentPort?.postMessage(door.address.port);
