/**
 * What is wrong with a cluster or a partition, by the codes of `cluster health`, `partitions list` and `doctor`: for `tidemark explain`, and as the fix
 * in the doctor's line. A code that a broker or the SDK tells and that stands nowhere here is caught by a test.
 */
export interface TroubleCode {
  readonly code: string;
  readonly text: string;
  readonly cause: string;
  readonly hint: string;
}

const WHY_ISR = "`tidemark explain isr T:P` says which broker it is, since when, and why";

export const TROUBLE_CODES: readonly TroubleCode[] = [
  {
    code: "quorum-lost",
    text: "No majority of the metadata's voters is there: nothing about the cluster can change, and no leader is chosen.",
    cause: "Half of the voters, or more, are down or cannot reach the others.",
    hint: "start the brokers that are away: a majority of the voters has to be there",
  },
  {
    code: "no-controller",
    text: "The broker knows nobody who decides on the metadata.",
    cause: "An election is under way, or the broker is cut off from the voters.",
    hint: "wait a moment; then look whether the brokers reach each other's PEER listeners",
  },
  {
    code: "metadata-full",
    text: "The broker cannot store metadata for want of room, and takes no part in deciding on it.",
    cause: "The disk that holds its data directory is full.",
    hint: "delete topics, lower retention, or give it a larger disk; it goes on by itself",
  },
  {
    code: "disk-full",
    text: "The broker appends nothing: what is left of its disk is kept in reserve.",
    cause: "Retention keeps more than fits, or something else fills the disk.",
    hint: "delete topics, lower retention, or give it a larger disk; appends go on by themselves",
  },
  {
    code: "directory-offline",
    text: "The data directory of the broker has failed: nothing is read from it or written to it.",
    cause: "The disk answered a read, a write or a sync with an error.",
    hint: "mend the disk, then restart the broker; docs/operations.md says how one is replaced",
  },
  {
    code: "damaged",
    text: "Bytes of a replica are bad.",
    cause: "The disk, or the memory on the way to it, changed them.",
    hint: "where another good copy is, it is repaired by itself; `tidemark partitions verify` says where the damage is",
  },
  {
    code: "broker-down",
    text: "The controller hears nothing of the broker: it leads nothing, and is in sync nowhere.",
    cause: "It was stopped, killed or stands still, or the network between the brokers is broken.",
    hint: "start it, or look why the controller does not hear it; gone for good: `tidemark cluster remove ID` says what comes first",
  },
  {
    code: "broker-unreachable",
    text: "The cluster takes the broker for alive, and no connection to its address is made from here.",
    cause: "Its advertised address is wrong for this place, or a firewall stands in between.",
    hint: "set its advertised.listeners, or open the way to that address",
  },
  {
    code: "broker-silent",
    text: "The cluster takes the broker for alive, and it does not answer.",
    cause: "Its process stands still, swaps, or has no processor to run on.",
    hint: "look whether its process stands still (stopped, swapping, no processor)",
  },
  {
    code: "log-not-open",
    text: "The broker leads the partition, and has not opened its log yet.",
    cause: "It was made leader just now, or opens or recovers many logs.",
    hint: "wait a moment; then look at the broker's log",
  },
  {
    code: "leaderless",
    text: "The partition has no leader: nobody reads or writes it.",
    cause: "Every replica that has all its records is down, or its disk was emptied.",
    hint: "`tidemark explain isr T:P` says whom it waits for: start those; `partitions elect-leader unclean` if they never come back",
  },
  {
    code: "leader-silent",
    text: "The partition's leader did not answer, or has its log not open.",
    cause: "The broker has just died, stands still, or opens its logs.",
    hint: "wait a moment; then `tidemark doctor`",
  },
  {
    code: "under-min-isr",
    text: "Fewer replicas are in sync than min.insync.replicas: acks=all is refused.",
    cause: "Brokers are down or behind, or the minimum is as high as the number of replicas.",
    hint: WHY_ISR,
  },
  {
    code: "under-replicated",
    text: "A replica of the partition is not in sync: one more failure may be one too many.",
    cause: "A broker is down, was started a moment ago, or takes over less than is written.",
    hint: WHY_ISR,
  },
  {
    code: "recovering",
    text: "The partition's leader may have lacked records when it was chosen, and has not recovered yet.",
    cause: "It was chosen among those that had been in sync last, or by an operator's unclean choice.",
    hint: "it passes by itself",
  },
];

/** What to do about it; of a code that another version tells, how to find out. */
export function fixOf(code: string): string {
  return TROUBLE_CODES.find((row) => row.code === code)?.hint ?? "tidemark explain isr T:P says why";
}
