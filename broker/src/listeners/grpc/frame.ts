/**
 * A message in pieces: what encoding would put together, and grpc-js would then copy into its frame, is copied there at once.
 * Records on their way to a reader are so copied once instead of twice.
 *
 * Of what a serializer returns, grpc-js reads `byteLength` and calls `copy(target, at)`; a test over a socket holds it to that.
 */
export class Frame {
  readonly #pieces: Uint8Array[] = [];
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#byteLength += piece.length;
  }

  copy(target: Uint8Array, at: number): void {
    let end = at;
    for (const piece of this.#pieces) {
      target.set(piece, end);
      end += piece.length;
    }
  }
}

/** The serializer of methods that answer with frames. */
export function asFrame(frame: Frame): Buffer {
  // A codec's cast: to grpc-js a frame is a Buffer as far as it looks.
  return frame as unknown as Buffer;
}
