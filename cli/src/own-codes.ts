/**
 * Codes that the command line itself can end with, beside those of the error table in @tidemark/proto and the SDK's:
 * text and hint for `tidemark explain`. A code that a command throws and that stands nowhere is caught by a test.
 */
export interface OwnCode {
  readonly code: string;
  readonly text: string;
  readonly hint: string;
}

export const OWN_CODES: readonly OwnCode[] = [
  { code: "USAGE", text: "The command line or its input makes no sense.", hint: "Add --help to the command." },
  { code: "NOT_BUILT", text: "The sources have not been compiled.", hint: "Run `npm run build` in the repository." },
  {
    code: "NOT_IN_THIS_VERSION",
    text: "This version of tidemark cannot do that yet.",
    hint: "See the README for what it does.",
  },
  {
    code: "NEEDS_CONFIRMATION",
    text: "A destructive command was started where nobody can be asked.",
    hint: "Add --yes if you mean it.",
  },
  {
    code: "EDITOR_FAILED",
    text: "The editor could not be started, or ended badly; nothing was changed.",
    hint: "Set VISUAL or EDITOR.",
  },
  {
    code: "DECLINED",
    text: "The question whether to go on was not answered with the name asked for.",
    hint: "Run it again and type the name, or add --yes.",
  },
  {
    code: "PARTIAL",
    text: "Part of the work was done, then something failed; the message says how far it got.",
    hint: "Go on behind that point once the cause is gone.",
  },
  {
    code: "FILE_NOT_FOUND",
    text: "A file or directory named on the command line does not exist.",
    hint: "Check the path.",
  },
  {
    code: "FILE_EXISTS",
    text: "A file that was to be written is there already; it was not touched.",
    hint: "Name another file, or add --force to replace it.",
  },
  {
    code: "PORT_IN_USE",
    text: "Another process listens on a port that the broker needs.",
    hint: "Stop that process, choose another port, or 0 for any free one.",
  },
  {
    code: "DIRECTORY_LOCKED",
    text: "Another broker has the data directory open.",
    hint: "Stop that broker or use another directory.",
  },
  {
    code: "BROKER_RUNNING",
    text: "Brokers that have to be stopped for this listen at their addresses.",
    hint: "Stop their processes (SIGTERM), or look at what else listens there.",
  },
  {
    code: "WRONG_BROKER_COUNT",
    text: "The directory holds the data of another number of brokers than `dev` was asked to start; nothing was started.",
    hint: "Leave --brokers out to start those that it holds, or name another directory with --data-dir.",
  },
  {
    code: "NOT_READY",
    text: "The broker runs, but a record could not be written and read back.",
    hint: "Run again with -v and look at the broker's log.",
  },
  {
    code: "DISK_FAULT",
    text: "The disk failed under a broker, which stopped rather than lose or repeat records.",
    hint: "Look at the disk and its free space; the next start recovers.",
  },
  {
    code: "DISK_FULL",
    text: "The disk has no room left to start a broker on it.",
    hint: "Free some space; a running broker keeps min(256 MiB, 5 %) for that, others do not.",
  },
  {
    code: "READ_ONLY_DISK",
    text: "The data directory lies on a file system that is mounted read-only.",
    hint: "Mount it for writing, or use another directory. A file system turns read-only by itself when its disk fails.",
  },
  {
    code: "PERMISSION_DENIED",
    text: "The user of this process may not read or write the data directory.",
    hint: "Change the owner of the directory (chown -R) or the user of the broker.",
  },
  {
    code: "NOT_A_DIRECTORY",
    text: "A file stands where the data directory should be.",
    hint: "Name another directory, or move the file away.",
  },
  {
    code: "PATH_TOO_LONG",
    text: "The path of the data directory is longer than the file system takes.",
    hint: "Name a shorter one.",
  },
  {
    code: "TOO_MANY_OPEN_FILES",
    text: "The process, or the machine, has no file descriptor left.",
    hint: "Raise the limit: ulimit -n 65536, or LimitNOFILE= in a systemd unit.",
  },
  {
    code: "METADATA_FAULT",
    text: "The metadata could no longer be stored, so the broker stopped.",
    hint: "Look at the disk and its free space; the next start recovers.",
  },
  {
    code: "METADATA_TOO_NEW",
    text: "A later version has written metadata that this one does not know, so the broker stopped.",
    hint: "Start this broker with the version that the others run.",
  },
  {
    code: "BROKER_SUPERSEDED",
    text: "Another process has this broker's node id, so the broker stopped.",
    hint: "Give each broker a node.id of its own, or stop the process at the named address.",
  },
  {
    code: "MALFORMED_CHECKPOINT",
    text: "A checkpoint file that must not be guessed at does not parse.",
    hint: "Restore the named file; without it deleted records could come back.",
  },
  {
    code: "MALFORMED_PARTITION_METADATA",
    text: "A partition.metadata file does not parse.",
    hint: "Restore the named file from a backup.",
  },
  {
    code: "MALFORMED_META_PROPERTIES",
    text: "meta.properties, which says whose the data directory is, does not parse.",
    hint: "Restore the named file from a backup.",
  },
  {
    code: "FOREIGN_DIRECTORY",
    text: "The data directory holds a directory that is no replica's.",
    hint: "Move the named directory elsewhere.",
  },
  {
    code: "DIRECTORY_NOT_EMPTY",
    text: "The directory holds files, and nothing says that they are a broker's.",
    hint: "Name an empty directory or one of this broker.",
  },
  {
    code: "INCONSISTENT_NODE_ID",
    text: "The data directory belongs to another node id.",
    hint: "Set node.id to the one it was made with, or use another directory.",
  },
  {
    code: "METADATA_LOST",
    text: "The metadata store is missing, incomplete or altered.",
    hint: "Restore tidemark-metadata from a backup; the records themselves are untouched.",
  },
  {
    code: "LOG_UNAVAILABLE",
    text: "The log was closed or taken offline while the call was under way.",
    hint: "Look at the broker's log.",
  },
  {
    code: "CORRUPT_SEGMENT",
    text: "A batch of a segment file is damaged.",
    hint: "Behind the recovery point it is a torn tail that the next start cuts; in front of it, data was lost.",
  },
  {
    code: "INVALID_PLAN",
    text: "A file for `partitions reassign --plan` is no plan; nothing was moved.",
    hint: "`partitions reassign --topics a,b --brokers 1,2,3 --dry-run -o json` writes one.",
  },
  {
    code: "BROKER_IN_USE",
    text: "A broker that is to be removed runs, has replicas, or is a voter of the metadata log; nothing was changed.",
    hint: "Drain it, take its vote, stop it, in this order; the error names what comes next.",
  },
  {
    code: "INVALID_PROFILES",
    text: "The file of profiles does not parse, or a setting in it makes no sense.",
    hint: "Correct the named line; `tidemark profile edit` opens the file.",
  },
  { code: "UNKNOWN_PROFILE", text: "There is no profile of that name.", hint: "`tidemark profile list` shows all." },
  { code: "PROFILE_EXISTS", text: "A profile of that name is there already.", hint: "Delete it first, or edit it." },
  {
    code: "DATA_DAMAGED",
    text: "Bytes of a data directory that were on stable storage are bad, missing or contradict each other.",
    hint: "Copy the directory before anything else; `tidemark logs verify` names every place, `logs recover --dry-run` what a start would do.",
  },
  {
    code: "UNHEALTHY",
    text: "A check of `tidemark doctor` failed, or `tidemark cluster health` found something wrong.",
    hint: "Each FAIL line says what to do; `partitions list --unhealthy` and `cluster brokers` show where a cluster is ill.",
  },
  {
    code: "ALREADY_FORMATTED",
    text: "The data directory belongs to a node already, and formatting would take it away.",
    hint: "Use another directory, or `server format --ignore-formatted` to leave this one as it is.",
  },
  {
    code: "NOT_A_DATA_DIRECTORY",
    text: "The directory holds neither the files of a broker nor those of a partition.",
    hint: "Name the one that log.dirs names, or one such as orders-0 in it.",
  },
  {
    code: "INVALID_ARGUMENT",
    text: "A value passed to the SDK makes no sense.",
    hint: "The message names the value and what is expected.",
  },
  {
    code: "UNSUPPORTED",
    text: "What was asked for is not available here.",
    hint: "The message says what is missing; use a client and a broker of matching versions.",
  },
  {
    code: "BROKER_STOPPED",
    text: "A broker that was stopped cannot be started again.",
    hint: "Make a new one with createBroker.",
  },
  {
    code: "STOP_FAILED",
    text: "The broker has stopped, but not in good order.",
    hint: "Look at the log lines before: they name the part. The next start recovers all that was synced.",
  },
  {
    code: "BAD_REQUEST",
    text: "The HTTP door could not read the request.",
    hint: "Ask it with HTTP/1.1; gRPC has a port of its own.",
  },
  {
    code: "NOT_FOUND",
    text: "The HTTP door has no such page.",
    hint: "It has /livez, /readyz, /startupz, /healthz, /metrics and /version.",
  },
  {
    code: "METHOD_NOT_ALLOWED",
    text: "The HTTP door does not take this method there.",
    hint: "Use the one that the Allow header names.",
  },
  {
    code: "FORBIDDEN",
    text: "The HTTP door does not serve this page to this request.",
    hint: "See the setting that the message names.",
  },
  { code: "BODY_TOO_LARGE", text: "The body of an HTTP request is larger than is taken.", hint: "Send none." },
  { code: "HEADERS_TOO_LARGE", text: "The headers of an HTTP request are larger than is taken.", hint: "Send fewer." },
  { code: "UNKNOWN_CODE", text: "There is no such code.", hint: "`tidemark explain` lists all." },
  {
    code: "INTERNAL",
    text: "Something happened that tidemark did not foresee.",
    hint: "Run again with -v and report the stack.",
  },
  {
    code: "CONNECTION_LOST",
    text: "No broker could be reached, or the connection broke.",
    hint: "Check that a broker runs and that -b names its gRPC port.",
  },
  {
    code: "TIMEOUT",
    text: "It was not finished in time. A write may have happened.",
    hint: "Raise --timeout; look at the broker.",
  },
  {
    code: "BUFFER_FULL",
    text: "The producer's buffer stayed full for too long.",
    hint: "The broker is slower than the input; look at the broker.",
  },
  {
    code: "CLOSED",
    text: "The client was closed while this was under way.",
    hint: "Make a new client; close the old one only when everything of it has ended.",
  },
  { code: "CODEC", text: "A key or value could not be encoded or decoded.", hint: "Check the codec of the topic." },
  { code: "ABORTED", text: "It was stopped by its caller.", hint: "Run it again; what was acknowledged before stays." },
  // What `explain acked | visible | isr` answer, and what they find of a replica.
  {
    code: "ACKED",
    text: "The record is below the high watermark: every replica in sync has it.",
    hint: "Nothing is to be done.",
  },
  {
    code: "VISIBLE",
    text: "Readers are given the record: it is below the high watermark.",
    hint: "Nothing is to be done.",
  },
  { code: "ISR_FULL", text: "All replicas of the partition are in sync.", hint: "Nothing is to be done." },
  {
    code: "BELOW_LOG_START",
    text: "The record was deleted: the log begins behind it.",
    hint: "Read from the log's start on, or raise retention.ms and retention.bytes.",
  },
  {
    code: "NOT_WRITTEN",
    text: "No record has this offset yet, and nothing stands in the way of one.",
    hint: "Look whether the producer sends, and to which partition.",
  },
  {
    code: "LEADERLESS",
    text: "The partition has no leader: nobody can read or write it.",
    hint: "Start the brokers that are named; `elect-leader unclean` if they never come back.",
  },
  {
    code: "LEADER_SILENT",
    text: "The partition has a leader, which did not answer.",
    hint: "`tidemark doctor` tries its address from here.",
  },
  {
    code: "LEADER_NOT_OPEN",
    text: "The broker that is to lead the partition does not do so yet.",
    hint: "Ask again; then look at that broker's log.",
  },
  {
    code: "UNDER_MIN_ISR",
    text: "Fewer replicas are in sync than min.insync.replicas: acks=all is refused, and nothing new becomes visible.",
    hint: "Bring the missing replicas back, or lower the minimum and with it the number of copies.",
  },
  {
    code: "WAITS_FOR_REPLICAS",
    text: "Replicas in sync do not have the record yet.",
    hint: "Look at the brokers that are named. One that stays behind leaves the in-sync replicas by itself.",
  },
  {
    code: "WAITS_FOR_LEADER_DISK",
    text: "The leader's own disk has not synced the record yet.",
    hint: "Look at that disk; use a local SSD.",
  },
  { code: "ON_ITS_WAY", text: "Nothing holds the record back: a moment later it is through.", hint: "Ask again." },
  {
    code: "ISR_SHORT",
    text: "Not all replicas are in sync; as many as min.insync.replicas wants are.",
    hint: "Look at the brokers that are named.",
  },
  {
    code: "NOT_REGISTERED",
    text: "The broker that holds a replica is not registered in this cluster.",
    hint: "Start it, or move the replica.",
  },
  { code: "SHUTTING_DOWN", text: "The broker is in a controlled shutdown.", hint: "Wait, then start it again." },
  { code: "OFFLINE", text: "The broker has lost its log directory.", hint: "Mend the disk, then restart the broker." },
  {
    code: "EMPTIED",
    text: "The broker has another disk than when its replica was in sync.",
    hint: "Let it fetch; nothing is lost while others are in sync.",
  },
  {
    code: "SLOW_DISK",
    text: "The broker's disk takes long for a sync.",
    hint: "Find what else writes to it, or use a local SSD.",
  },
  {
    code: "SILENT",
    text: "The metadata takes the broker for alive, and it does not answer.",
    hint: "`tidemark doctor` tries its address from here.",
  },
  {
    code: "NOT_FOLLOWING",
    text: "The broker is alive, and its replica does not follow the leader.",
    hint: "Look at its log.",
  },
  { code: "UNHEARD", text: "The replica has not reported to its leader yet.", hint: "Wait a moment." },
  {
    code: "BEHIND",
    text: "The replica lacks records that the leader has.",
    hint: "Wait; if the lag grows, look at its disk and the network between the brokers.",
  },
  {
    code: "LOG_START",
    text: "The replica has not made the deletion of the oldest records durable yet.",
    hint: "Look whether its disk is full.",
  },
  { code: "JOINING", text: "The replica has caught up and is about to be in sync.", hint: "Wait a moment." },
  {
    code: "NOT_ANSWERED",
    text: "The controller waits for the broker to tell how far its log goes.",
    hint: "Start the others that are named: all logs are compared before one leads.",
  },
  // Of the test kit.
  {
    code: "INVALID_OPTION",
    text: "The test kit was given a value that no option takes.",
    hint: "Look at the message: it names the option and what it takes.",
  },
  {
    code: "UNKNOWN_BROKER",
    text: "A test cluster has no broker with this id.",
    hint: "Take one of the ids that the message names.",
  },
  {
    code: "UNKNOWN_TOPIC",
    text: "A test reads records of a topic that does not exist.",
    hint: "Take one of the names that the message lists, or create the topic first.",
  },
  {
    code: "BROKER_DOWN",
    text: "The broker of a test cluster does not run.",
    hint: "Start it first.",
  },
  {
    code: "BROKER_UP",
    text: "The broker of a test cluster runs already.",
    hint: "Kill or stop it first.",
  },
  {
    code: "BROKER_PAUSED",
    text: "The broker of a test cluster is paused.",
    hint: "Resume it first.",
  },
  {
    code: "BROKER_NOT_PAUSED",
    text: "The broker of a test cluster is not paused.",
    hint: "Pause it first.",
  },
  {
    code: "BROKER_KILLED",
    text: "The broker of a test cluster was killed while the test waited for it.",
    hint: "Wait for it before it is killed, or start it again.",
  },
  {
    code: "REAL_CLOCK",
    text: "The clock of this test cluster walks with the real one.",
    hint: "Start it with the virtual clock to let time pass by a call.",
  },
  {
    code: "WRONG_STORAGE",
    text: "The storage of this test cluster cannot do that.",
    hint: "Start the cluster with its storage in memory.",
  },
  {
    code: "WRONG_SNAPSHOT",
    text: "The snapshot is of another test cluster.",
    hint: "Restore it where the number of brokers and the storage are the same.",
  },
  {
    code: "CLUSTER_STOPPED",
    text: "The test cluster was stopped.",
    hint: "Do it before the stop.",
  },
];
