/**
 * A client that knows one broker and no other: `node probe.js HOST:PORT TOPIC PARTITIONS`. Until its standard input ends it sends
 * batches with acks=all to every partition, whoever leads it, and says at once what became of each: a line of a code, `NONE` for an
 * acknowledgement. The SDK would look for the leader elsewhere; this one is on the victim's side of a cut, whatever the network.
 */
import { connect } from "node:http2";
import { Acks, DATA_SERVICE, errorRow, RecordBatchBuilder, wire } from "@tidemark/proto";

const AGAIN_MS = 250;
const REQUEST_TIMEOUT_MS = 1_000;
/** Of gRPC: a byte for compression, four for the length. */
const PREFIX_BYTES = 5;

const [address = "", topic = "", partitionsCount = "1"] = process.argv.slice(2);
const session = connect(`http://${address}`);
const stream = session.request({
  ":method": "POST",
  ":path": DATA_SERVICE.produce.path,
  "content-type": "application/grpc",
  te: "trailers",
});
let correlationId = 0;
let timer: NodeJS.Timeout | undefined;
let unread = Buffer.alloc(0);

session.on("error", end);
stream.on("error", end);
stream.on("close", end);
stream.on("data", (bytes: Buffer) => {
  unread = Buffer.concat([unread, bytes]);
  while (unread.length >= PREFIX_BYTES) {
    const end = PREFIX_BYTES + unread.readUInt32BE(1);
    if (unread.length < end) return;
    const { results } = wire.produceResponse.decode(unread.subarray(PREFIX_BYTES, end));
    unread = unread.subarray(end);
    for (const { errorCode } of results) process.stdout.write(`${errorRow(errorCode).name}\n`);
    // The grant that opens the stream.
    if (timer === undefined) {
      timer = setInterval(sendToAll, AGAIN_MS);
      sendToAll();
    }
  }
});
process.stdin.on("end", () => process.exit(0)).resume();

function sendToAll(): void {
  for (let partition = 0; partition < Number(partitionsCount); partition++) {
    const builder = new RecordBatchBuilder();
    builder.append(Date.now(), null, "a record that must not be acknowledged", null);
    const message = wire.produceRequest.encode({
      correlationId: ++correlationId,
      acks: Acks.ALL,
      timeoutMs: REQUEST_TIMEOUT_MS,
      inParts: false,
      partitions: [
        { topic, partition, topicId: Buffer.alloc(0), records: Buffer.from(builder.build()), expectedEnd: null },
      ],
    });
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    stream.write(Buffer.concat([prefix, message]));
  }
}

/** The broker let go of it, or was never reached: what it said until then stands. */
function end(): void {
  process.exit(1);
}
