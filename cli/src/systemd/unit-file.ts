/**
 * The unit of a broker for systemd, as text: what a person would write, with the comments that its reader needs. Pure.
 *
 * What the exit codes mean to systemd: 143 is a clean stop; 2, 3 and 4 are a configuration that another start will not mend; all else,
 * a fault of the disk (74) among it, is tried again, and the start recovers what was synced.
 */

export interface UnitOptions {
  /** Absolute paths of the program and what stands before the command: `/usr/bin/node`, `/usr/lib/.../tidemark.js`. */
  readonly program: readonly string[];
  /** Absolute path of a properties file. */
  readonly config: string;
  readonly user: string;
  /** The command line that makes this file. */
  readonly madeBy: string;
}

/** The broker hands over what it leads for ten seconds at most, and syncs. */
const STOP_SECONDS = 45;

export function unitFile({ program, config, user, madeBy }: UnitOptions): string {
  return `# Written by \`${madeBy}\`.
[Unit]
Description=Tidemark broker
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User=${user}
ExecStart=${[...program, "server", "start", "--config", config].map(quoted).join(" ")}
# SIGTERM hands leadership over, syncs and leaves the clean marker; the exit code is 143 then.
TimeoutStopSec=${STOP_SECONDS}
SuccessExitStatus=143
Restart=on-failure
RestartSec=2
# Usage, nothing there, in use: another start would end alike.
RestartPreventExitStatus=2 3 4
LimitNOFILE=65536
# /var/lib/tidemark, made by systemd; \`log.dirs\` is \`data\` in it where the file says nothing else.
StateDirectory=tidemark
StateDirectoryMode=0700
WorkingDirectory=/var/lib/tidemark
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=full
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes

[Install]
WantedBy=multi-user.target
`;
}

/** A word of a command line of systemd, where % and $ have meanings. */
function quoted(word: string): string {
  const plain = word.replaceAll("%", "%%").replaceAll("$", () => "$$");
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
