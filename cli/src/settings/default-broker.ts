/** Where a broker of `tidemark dev` listens, and clients look when nothing says otherwise. */
export const DEFAULT_BROKER = "127.0.0.1:9192";
