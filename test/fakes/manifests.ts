/** Manifests by which tests of whole commands begin. */
import type { ResourceRef } from '../../src/kernel/resource.ts';

/** What init is given. */
export const parents = `
apiVersion: v1beta1
kind: Realm
metadata: { name: main }
---
apiVersion: v1beta1
kind: Space
metadata: { name: default }
spec: { realmId: main }
---
apiVersion: v1beta1
kind: Stack
metadata: { name: default }
spec: { realmId: main, spaceId: default }
`;

export const cellRef = (name: string): ResourceRef => ({ kind: 'Cell', path: ['main', 'default', 'default', name] });

export function cellYaml(name: string, containers = '[{ id: web, image: busybox, root: true }]'): string {
  return `
apiVersion: v1beta1
kind: Cell
metadata: { name: ${name} }
spec: { id: ${name}, realmId: main, spaceId: default, stackId: default, containers: ${containers} }
`;
}
