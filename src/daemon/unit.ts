/** kukeond's unit for systemd: systemd.service(5), systemd.exec(5). */

/** By it a unit is known as ours. */
export const MARK = '# Made by `kuke init`, which writes it anew; `systemctl edit` adds to it.';

/**
 * `command`: program and arguments. Containers and their shims are containerd's children, and CNI's and runc's helpers are short-lived: with
 * KillMode=process whatever still runs of them is left alone. What would give it a mount namespace of its own (ProtectSystem=, PrivateTmp=, ...)
 * is left out: mounts made there, such as a cell's /run/netns file, would not be seen by the host. Exit status 2 is a configuration file that makes
 * no sense, and is not mended by starting again.
 */
export function unitText(command: readonly string[], description: string): string {
  return `${MARK}
[Unit]
Description=${description}
After=containerd.service network.target nftables.service
Wants=containerd.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${command.map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartPreventExitStatus=2
RestartSec=1
WatchdogSec=60
TimeoutStartSec=120
TimeoutStopSec=120
KillMode=process
OOMPolicy=continue
OOMScoreAdjust=-900
LimitNOFILE=524288
LimitCORE=0
TasksMax=infinity
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN NODE_OPTIONS LD_PRELOAD LD_LIBRARY_PATH
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
CapabilityBoundingSet=~CAP_SYS_BOOT CAP_SYS_TIME CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_SYS_PACCT CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_AUDIT_CONTROL CAP_SYSLOG

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line, whatever is in it: systemd expands %, $ and backslashes. */
function quoted(word: string): string {
  if (/[\n\0]/.test(word)) throw new RangeError(`no word of a unit: ${JSON.stringify(word)}`);
  const text = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w/.,:=@%+-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
