/**
 * Who listens on a TCP port of this machine. Linux only: `/proc/net/tcp` names the socket's inode, and the process whose
 * `/proc/PID/fd` holds that inode is the owner. A process of another user cannot be looked into: its pid stays unknown.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** State of a listening socket in /proc/net/tcp. */
const TCP_LISTEN = "0A";

export interface PortOwner {
  readonly pid: number;
  /** Command line of the process, cut short; empty if it cannot be read. */
  readonly command: string;
}

/** Null: nobody listens there, or the owner cannot be found out. `procRoot` is for tests. */
export function findPortOwner(port: number, procRoot = "/proc"): PortOwner | null {
  const inodes = listeningInodes(port, procRoot);
  if (inodes.size === 0) return null;
  for (const pid of readNames(procRoot)) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of readNames(`${procRoot}/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(readLink(`${procRoot}/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined && inodes.has(inode))
        return { pid: Number(pid), command: readCommand(`${procRoot}/${pid}/cmdline`) };
    }
  }
  return null;
}

/** Lines of /proc/net/tcp: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`, numbers in hex. */
function listeningInodes(port: number, procRoot: string): Set<string> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = new Set<string>();
  for (const table of ["tcp", "tcp6"]) {
    for (const line of readText(`${procRoot}/net/${table}`).split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      const inode = fields[9];
      if (fields[1]?.endsWith(suffix) === true && fields[3] === TCP_LISTEN && inode !== undefined) inodes.add(inode);
    }
  }
  return inodes;
}

function readCommand(path: string): string {
  const command = readText(path).replaceAll("\0", " ").trim();
  return command.length > 80 ? `${command.slice(0, 79)}…` : command;
}

/** What cannot be read is empty here: processes end while we look, and those of other users are closed to us. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
