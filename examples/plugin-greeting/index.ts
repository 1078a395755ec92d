/**
 * An example of a plugin: a kind of its own, `Greeting`, which lives in a realm and is a file on the host; and a hook that greets
 * every container in its environment. README.md says how to install it.
 */
import capitalize from 'just-capitalize';
import {
  defineKind,
  definePlugin,
  type KindDefinition,
  type PluginKernel,
  parentId,
  type Resource,
  type ResourceRef,
} from 'kuke/plugin';
import * as v from 'valibot';

/** `plugins.greeting` in /etc/kukeon/kuke.yaml. */
const config = v.strictObject({
  /** What every greeting begins with. */
  word: v.optional(v.pipe(v.string(), v.regex(/^\p{L}+$/u, 'must be one word')), 'hello'),
});

type Config = v.InferOutput<typeof config>;

/** This is all that a field takes: validation, diff, types, `kuke explain` and `kuke schema` follow from it. */
const spec = v.strictObject({
  realmId: parentId('realm', 'main'),
  to: v.pipe(
    v.string(),
    v.regex(/^[^\n]{1,80}$/, 'must be one line of at most 80 characters'),
    v.description('who is greeted'),
  ),
});

type GreetingSpec = v.InferOutput<typeof spec>;

interface GreetingStatus {
  state: 'Ready' | 'Failed';
  reason?: string;
  message?: string;
  /** What stands in the file. */
  text?: string;
}

// Whoever imports this plugin's types knows the kind by its name.
declare module 'kuke/plugin' {
  interface KukeKinds {
    Greeting: KindDefinition<GreetingSpec, GreetingStatus>;
  }
}

type Greeting = Resource<GreetingSpec, GreetingStatus>;

/** Below `<run path>/.kuke`. */
const fileOf = (ref: ResourceRef): string => ['greetings', ...ref.path].join('/');

const textFor = ({ word }: Config, to: string): string => `${capitalize(word)}, ${capitalize(to)}!\n`;

function greeting(kernel: PluginKernel<Config>): KindDefinition<GreetingSpec, GreetingStatus> {
  const inFile = async ({ ref }: Greeting) => (await kernel.use('store')).readFile(fileOf(ref));
  return defineKind<GreetingSpec, GreetingStatus>({
    kind: 'Greeting',
    plural: 'greetings',
    aliases: ['gr'],
    parent: 'Realm',
    description: 'a line of text that greets somebody',
    spec,
    columns: [
      { header: 'STATE', value: ({ manifest }) => String(manifest.status?.state ?? 'Pending') },
      { header: 'TEXT', value: ({ manifest }) => String(manifest.status?.text ?? '') },
      { header: 'TO', wide: true, value: ({ manifest }) => String(manifest.spec.to) },
    ],
    lifecycle: {
      // A step that is not needed is not planned: so applying the same again is `unchanged`.
      async plan(context, desired) {
        const content = textFor(kernel.config, desired.spec.to);
        if ((await inFile(desired)) === content) return;
        context.plan.add(desired.ref, 'store.writeFile', { path: fileOf(desired.ref), content });
      },
      // For `kuke doctor`, to tell it from what is left over.
      claims: async (_, { ref }) => ({ files: [fileOf(ref)] }),
      async planDelete(context, { ref }) {
        context.plan.add(ref, 'store.removeFile', { path: fileOf(ref) });
      },
      // The status is what the host says, and not what the manifest wishes.
      async observe(_, resource) {
        const text = (await inFile(resource))?.trimEnd();
        if (text === undefined)
          return { state: 'Failed', reason: 'Missing', message: 'its file is gone; apply it again' };
        return { state: 'Ready', text };
      },
    },
  });
}

export default definePlugin({
  name: 'greeting',
  version: '1.0.0',
  requires: ['kind:Realm', 'backend:store'],
  provides: { kinds: ['Greeting'] },
  config,
  setup(kernel) {
    kernel.kind(greeting(kernel));
    kernel.hook('container:spec', ({ container, spec }) => {
      // What the manifest says of the variable comes first.
      if (container.env.some(entry => entry.startsWith('GREETING='))) return;
      spec.process.env.push(`GREETING=${textFor(kernel.config, container.hostname).trimEnd()}`);
    });
  },
});
