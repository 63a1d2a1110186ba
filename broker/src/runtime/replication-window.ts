/** In a file of its own: who only asks for it is no follower, and loads none of that code. */

/** Records on their way from a leader, that no log has written yet (performance 4.3). */
export const REPLICATION_WINDOW_BYTES = 8 * 1024 * 1024;
