import { expect } from "chai";
import { asOffset } from "../../../src/base/index.ts";
import { ClusterChecks } from "../../../src/sim/replication-cluster/cluster-checks.ts";
import type { ModelController } from "../../../src/sim/replication-cluster/model-controller.ts";
import { type HostWorld, ReplicaHost } from "../../../src/sim/replication-cluster/replica-host.ts";

describe("The checks of simulated replicas", () => {
  it("fail where a broker has changed and nothing has looked at it", () => {
    const host = new ReplicaHost(1, {} as HostWorld);
    const checks = new ClusterChecks(
      () => [host],
      () => ({}) as ModelController,
    );
    const changes: Readonly<Record<string, () => void>> = {
      "a start": () => host.start(),
      "another log": () => host.log.restart(asOffset(5)),
      "another life": () => {
        host.die();
        host.start();
      },
    };
    // Who is down has nothing to show.
    checks.ensureSeen();
    for (const [what, change] of Object.entries(changes)) {
      change();
      expect(() => checks.ensureSeen(), what).to.throw("broker 1 has changed, and nothing has looked at it");
      checks.afterEvent(host);
      checks.ensureSeen();
    }
  });
});
