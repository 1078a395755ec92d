/** The firewall plugin's configuration: the reference plugin's keys, as far as they mean something to nftables. */
import * as v from 'valibot';
import { conform } from '../../json.ts';
import type { PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { valid } from '../valid.ts';

const POLICIES = ['open', 'same-bridge', 'isolated'] as const;

/**
 * Which connections may come in: all (`open`), none from another bridge that has a policy (`same-bridge`), nor from the same bridge
 * (`isolated`). From outside they always may.
 */
export type IngressPolicy = (typeof POLICIES)[number];

export interface FirewallConfig {
  ingressPolicy: IngressPolicy;
  /** Undefined for the one that lets everything pass. */
  zone: string | undefined;
}

const text = v.nullish(v.string());

const ConfigSchema = v.object({
  backend: text,
  ingressPolicy: text,
  iptablesAdminChainName: text,
  firewalldZone: text,
});

/** Throws PluginError: InvalidConfig, or UnsupportedField for what only iptables or firewalld could do. */
export function readConfig({ config }: PluginCall): FirewallConfig {
  const { backend, ingressPolicy, iptablesAdminChainName, firewalldZone } = valid('InvalidConfig', () =>
    conform(ConfigSchema, config),
  );
  if (backend && backend !== 'nftables') {
    throw unsupported(
      'backend',
      `${JSON.stringify(backend)}: there is nftables only, which is taken when it is left out`,
    );
  }
  if (iptablesAdminChainName) {
    throw unsupported('iptablesAdminChainName', 'rules of your own go into a table of your own, or into DOCKER-USER');
  }
  return { ingressPolicy: policyOf(ingressPolicy || 'open'), zone: zoneOf(firewalldZone) };
}

function policyOf(name: string): IngressPolicy {
  const policy = POLICIES.find(one => one === name);
  if (policy !== undefined) return policy;
  throw new PluginError('InvalidConfig', `ingressPolicy: ${JSON.stringify(name)} is none of ${POLICIES.join(', ')}`);
}

function zoneOf(zone: string | null | undefined): string | undefined {
  return zone && zone !== 'trusted' ? zone : undefined;
}

export function unsupported(key: string, why: string): PluginError {
  return new PluginError('UnsupportedField', `${key} is not supported: ${why}`);
}
