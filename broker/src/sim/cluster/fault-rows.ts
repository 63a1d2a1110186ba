/**
 * The faults by name: what of each chance decides, and what then strikes. Whatever chance decides is drawn first, as plain values; what
 * strikes knows only these, and decides by itself whether it may. So a fault that is taken out of a plan changes none of the others.
 */
import type { SeededRandom } from "../../base/index.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import { CUT_MS, type FaultDraws, LIE_MS, PAUSE_MS, SLOW_MS } from "./fault-draws.ts";
import type { Faults } from "./fault-plan.ts";
import type { StepValues } from "./plan.ts";

/** Faults by name, each with its chance per second of the cluster. */
export type FaultChances = Readonly<Partial<Record<FaultName, number>>>;

export type FaultName = keyof typeof FAULTS;

export interface Fault {
  /** Null: there is nothing that it could strike. */
  draw(draws: FaultDraws): StepValues | null;
  /** Answers whether it struck. */
  strike(faults: Faults, values: StepValues): boolean;
}

/** Of any kind of value: what `draw` made is what `strike` gets. */
function fault<Values extends StepValues>(
  draw: (draws: FaultDraws) => Values | null,
  strike: (faults: Faults, values: Values) => boolean,
): Fault {
  return { draw, strike: (faults, values) => strike(faults, values as Values) };
}

/** Of one broker, which runs or not. */
function anyBrokerFault<Values extends StepValues>(
  draw: (draws: FaultDraws) => Values,
  strike: (faults: Faults, broker: ClusterBroker, values: Values) => boolean,
): Fault {
  return fault(
    (draws) => ({ broker: draws.victim(), ...draw(draws) }),
    (faults, values) => {
      const broker = faults.broker(values.broker);
      return broker !== undefined && strike(faults, broker, values);
    },
  );
}

/** Of one broker, which is up. */
function brokerFault<Values extends StepValues>(
  draw: (draws: FaultDraws) => Values,
  strike: (faults: Faults, broker: ClusterBroker, values: Values) => boolean,
): Fault {
  return fault(
    (draws) => draws.up((broker) => ({ broker, ...draw(draws) })),
    (faults, values) => {
      const broker = faults.broker(values.broker);
      return broker?.isUp === true && strike(faults, broker, values);
    },
  );
}

const nothing = (): StepValues => ({});

/** By the name under which a run counts it. */
export const FAULTS = {
  kill: brokerFault(nothing, (faults, broker) => faults.crash(broker, "process")),
  power: brokerFault(nothing, (faults, broker) => faults.losePower(broker)),
  dieInside: brokerFault(
    (draws) => draws.death(),
    (faults, broker, death) => faults.dieInside(broker, death),
  ),
  failpoint: brokerFault(
    (draws) => draws.failpoint(),
    (faults, broker, failpoint) => faults.failAt(broker, failpoint),
  ),
  blackout: fault(nothing, (faults) => faults.blackout()),
  stop: brokerFault(nothing, (faults, broker) => faults.stop(broker)),
  wipe: brokerFault(nothing, (faults, broker) => faults.wipe(broker)),
  /** One that is down comes again. */
  start: fault(
    () => null,
    (faults, { broker }: { broker: number }) => faults.startAgain(broker),
  ),
  pause: brokerFault(
    (draws) => ({ ms: draws.ms(PAUSE_MS) }),
    (faults, broker, { ms }) => faults.pause(broker, ms),
  ),
  clock: brokerFault(
    (draws) => draws.clock(),
    (faults, broker, clock) => faults.setClock(broker, clock),
  ),
  isolate: fault(
    (draws) => draws.isolation(),
    (faults, { broker, from, ms }) => faults.isolate(broker, from, ms),
  ),
  oneWay: fault(
    (draws) => draws.oneWay(),
    (faults, { from, to, ms }) => faults.oneWay(from, to, ms),
  ),
  partClient: fault(
    (draws) => draws.clientCut(),
    (faults, { client, broker, ms }) => faults.isolate(client, [broker], ms),
  ),
  reset: fault(
    (draws) => draws.reset(),
    (faults, { one, other }) => faults.reset(one, other),
  ),
  stall: brokerFault(
    (draws) => draws.stall(),
    (faults, broker, stall) => faults.stall(broker, stall),
  ),
  ioError: brokerFault(
    (draws) => draws.ioError(),
    (faults, broker, error) => faults.ioError(broker, error),
  ),
  rackOut: fault(
    (draws) => ({ rack: draws.rack() }),
    (faults, { rack }) => faults.rackOut(rack),
  ),
  clog: fault(
    (draws) => draws.clog(),
    (faults, { from, to, lateMs, ms }) => faults.clog({ from, to, lateMs, ms }),
  ),
  streamStall: fault(
    (draws) => draws.oneWay(),
    (faults, { from, to, ms }) => faults.stallStreams(from, to, ms),
  ),
  streamReset: fault(
    (draws) => draws.streamReset(),
    (faults, { from, to, events }) => faults.resetStreams(from, to, events),
  ),
  slowReader: fault(
    (draws) => ({ reader: draws.below(1_000), ms: draws.ms(PAUSE_MS) }),
    (faults, { reader, ms }) => faults.stallReader(reader, ms),
  ),
  rot: anyBrokerFault(
    (draws) => draws.rot(),
    (faults, broker, params) => faults.damage.rot(broker, params),
  ),
  foundRot: brokerFault(
    (draws) => ({ ...draws.rot(), isActive: false, slowMs: draws.ms(SLOW_MS) }),
    (faults, broker, { slowMs, ...params }) => faults.damage.foundRot(broker, params, slowMs),
  ),
  misdirect: anyBrokerFault(
    (draws) => draws.misdirect(),
    (faults, broker, params) => faults.damage.misdirect(broker, params),
  ),
  rotMetadata: brokerFault(
    (draws) => draws.metadataRot(),
    (faults, broker, params) => faults.damage.rotMetadata(broker, params),
  ),
  /** A release that none of the others can speak with, by mistake, until somebody sees it. */
  misfit: brokerFault(
    (draws) => ({ ms: draws.ms(CUT_MS) }),
    (faults, broker, { ms }) => faults.misfit(broker, ms),
  ),
  lie: brokerFault(
    (draws) => ({ ms: draws.ms(LIE_MS) }),
    (faults, broker, { ms }) => faults.damage.lie(broker, ms),
  ),
  roll: fault(
    (draws) => draws.settings(),
    (faults, settings) => faults.rolling.begin(settings),
  ),
  domino: brokerFault(
    (draws) => ({ backMs: draws.ms([100, 300]), othersMs: draws.ms([2_000, 3_000]) }),
    (faults, broker, { backMs, othersMs }) => faults.damage.domino(broker, backMs, othersMs),
  ),
  full: brokerFault(
    (draws) => ({ leftBytes: draws.pick([0, 500, 20_000, 200_000]), ms: draws.ms(CUT_MS) }),
    (faults, broker, { leftBytes, ms }) => faults.fill(broker, leftBytes, ms),
  ),
} as const satisfies Record<string, Fault>;

export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

export function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(FAULTS, name);
}

/** They wait until everybody is whole, and seldom find it so. */
const MOSTLY_IN_VAIN: ReadonlySet<FaultName> = new Set(["wipe", "rot", "misdirect", "rotMetadata", "lie"]);

export function drawFaults(random: SeededRandom): FaultChances {
  const chances: Partial<Record<FaultName, number>> = {};
  // Some runs are quiet, and some have everything.
  const share = random.pick([0, 0.25, 0.5, 0.5, 0.8]);
  for (const name of FAULT_NAMES) {
    // Whoever is down comes again in every run.
    if (name === "start") continue;
    // A stream of its own: one fault more changes no other.
    const own = random.fork(name);
    if (own.chance(share)) chances[name] = own.pick(MOSTLY_IN_VAIN.has(name) ? [0.6, 1.5, 4] : [0.02, 0.08, 0.25, 0.6]);
  }
  return chances;
}
