/**
 * When to doubt that the other end of a connection lives: asked once per interval with what has come in so far, it answers with a
 * ping where nothing did, and gives up where nothing came after that either. Who asks owns timer and socket.
 */
export class Keepalive {
  #receivedBytes = 0;
  #isDoubtful = false;

  /** `receivedBytes`: since the connection was made. */
  check(receivedBytes: number): "alive" | "ping" | "dead" {
    const isSilent = receivedBytes === this.#receivedBytes;
    this.#receivedBytes = receivedBytes;
    if (!isSilent) {
      this.#isDoubtful = false;
      return "alive";
    }
    if (this.#isDoubtful) return "dead";
    this.#isDoubtful = true;
    return "ping";
  }
}
