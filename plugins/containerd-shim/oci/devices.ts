/** Devices of the host that a container may use: nodes in its /dev, and the rules of its device filter. */
import { readdirSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { KukeError, type OciSpec } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';

export type OciDevice = NonNullable<OciSpec['linux']['devices']>[number];
export type DeviceRule = NonNullable<NonNullable<OciSpec['linux']['resources']>['devices']>[number];

export interface ContainerDevices {
  devices: OciDevice[];
  rules: DeviceRule[];
}

// File systems of their own in a container's /dev, and what the runtime makes there itself.
const NOT_HOST_DEVICES = new Set(['pts', 'shm', 'mqueue', 'fd', 'console', 'ptmx', '.udev', '.lxc', '.lxd-mounts']);

/**
 * Without `privileged`: the runtime's own few (null, zero, full, random, urandom, tty, ptmx, pts) and the ones named, as `/dev/kvm`, as a
 * directory of devices, or in Docker's long form `HOST[:CONTAINER[:rwm]]`. With it: all of the host.
 * Throws InvalidManifest for what is no device, NotFound for what is not there.
 */
export function containerDevices(named: readonly string[], privileged: boolean): ContainerDevices {
  const wanted = named.flatMap(namedDevices);
  const devices = new Map(
    [...(privileged ? devicesBelow('/dev') : []), ...wanted.map(({ device }) => device)].map(d => [d.path, d]),
  );
  const rules: DeviceRule[] = privileged
    ? [{ allow: true, access: 'rwm' }]
    : [{ allow: false, access: 'rwm' }, ...wanted.map(({ rule }) => rule)];
  return { devices: [...devices.values()], rules };
}

function namedDevices(text: string): { device: OciDevice; rule: DeviceRule }[] {
  const invalid = (fault: string, code: 'InvalidManifest' | 'NotFound' = 'InvalidManifest') =>
    new KukeError(code, `device ${text}: ${fault}`, {
      field: 'devices',
      remedy: 'name a device of this host: see `ls /dev`',
    });
  const [host = '', inside, given, ...rest] = text.split(':');
  // Docker reads `/dev/sda:rw` as a mode without another path.
  const isMode = inside !== undefined && given === undefined && /^[rwm]+$/.test(inside);
  const path = inside === undefined || isMode ? host : inside;
  const access = (isMode ? inside : given) ?? 'rwm';
  if (rest.length > 0 || !/^[rwm]{1,3}$/.test(access)) throw invalid('is not HOST[:CONTAINER[:rwm]]');
  if (![host, path].every(part => posix.isAbsolute(part) && posix.normalize(part) === part))
    throw invalid('is not an absolute path');
  try {
    const found = statSync(host).isDirectory() ? devicesBelow(host, path) : [deviceAt(host, path)];
    const devices = found.filter(device => device !== undefined);
    if (devices.length === 0) throw invalid('is not a device');
    return devices.map(device => ({
      device,
      rule: { allow: true, type: device.type, major: device.major, minor: device.minor, access },
    }));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) throw invalid('is not on this host', 'NotFound');
    throw error;
  }
}

function devicesBelow(host: string, inside = host): OciDevice[] {
  return readdirSync(host, { withFileTypes: true }).flatMap(entry => {
    if (NOT_HOST_DEVICES.has(entry.name)) return [];
    const [path, target] = [posix.join(host, entry.name), posix.join(inside, entry.name)];
    if (entry.isDirectory()) return devicesBelow(path, target);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    return deviceAt(path, target) ?? [];
  });
}

/** Undefined for what is no device, or one that has just gone (hotplug). */
function deviceAt(host: string, path: string): OciDevice | undefined {
  const stat = statSync(host, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  return {
    path,
    type: stat.isBlockDevice() ? 'b' : 'c',
    ...deviceNumber(stat.rdev),
    fileMode: Number(stat.mode & 0o777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
  };
}

/** makedev(3): glibc's 64-bit layout. */
export function deviceNumber(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & ~0xffn & 0xffffffffn)),
  };
}
