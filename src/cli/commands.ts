/** All commands of kuke. Each is imported only when it runs; keys are literal, so that the compiler bundles them. */
import type { CommandEntry } from './command.ts';

const below = (entries: Record<string, CommandEntry>): Record<string, CommandEntry> =>
  Object.assign(Object.create(null), entries);

export const commands: Record<string, CommandEntry> = below({
  init: { summary: 'make this host ready for kuke', load: () => import('./init.ts') },
  apply: { summary: 'create or change what manifests describe', load: () => import('./apply.ts') },
  create: { summary: 'create an empty realm, space, stack or cell', load: () => import('./create.ts') },
  diff: { summary: 'show what apply would change', load: () => import('./diff.ts') },
  get: { summary: 'show resources', load: () => import('./get.ts') },
  describe: { summary: 'show all that is known of a resource', load: () => import('./describe.ts') },
  history: { summary: 'see what was done to a cell, and by whom', load: () => import('./history.ts') },
  tree: { summary: 'see the whole hierarchy, with states, addresses and use', load: () => import('./tree.ts') },
  delete: { summary: 'delete resources', load: () => import('./delete.ts') },
  start: { summary: 'start a cell', load: () => import('./start.ts') },
  stop: { summary: 'stop a cell', load: () => import('./stop.ts') },
  kill: { summary: 'stop a cell at once', load: () => import('./kill.ts') },
  rollout: {
    summary: 'restart cells, and go back to what they were before a change',
    below: below({
      restart: {
        summary: 'start the containers of cells anew, in their order',
        load: () => import('./rollout-restart.ts'),
      },
      undo: { summary: 'bring a cell back to an earlier revision', load: () => import('./rollout-undo.ts') },
      history: { summary: 'see the revisions of a cell', load: () => import('./rollout-history.ts') },
      status: { summary: 'wait until cells are Ready and healthy', load: () => import('./rollout-status.ts') },
    }),
  },
  events: { summary: 'see what happened, with cells and on this host', load: () => import('./events.ts') },
  wait: { summary: 'wait until cells are as they are to be', load: () => import('./wait.ts') },
  run: { summary: 'run an image in a cell of its own', load: () => import('./run.ts') },
  exec: { summary: 'run a command in a container', load: () => import('./exec.ts') },
  attach: { summary: 'be at the terminal, or the input, of a container', load: () => import('./attach.ts') },
  cp: { summary: 'copy files into a container, or out of it', load: () => import('./cp.ts') },
  logs: { summary: 'show what a container wrote', load: () => import('./logs.ts') },
  set: {
    summary: 'change a part of what is there',
    below: below({
      resources: { summary: 'set limits of CPU, memory, io, processes', load: () => import('./set-resources.ts') },
    }),
  },
  status: { summary: 'see how kuke is: daemon, host, versions, drift', load: () => import('./status.ts') },
  top: { summary: 'see what uses how much, live', load: () => import('./top.ts') },
  image: {
    summary: 'pull, load, list, save and remove images',
    below: below({
      pull: { summary: 'pull images from registries', load: () => import('./image-pull.ts') },
      load: { summary: 'load images from an archive', load: () => import('./image-load.ts') },
      ls: { summary: 'list the images of a realm', load: () => import('./image-ls.ts') },
      inspect: { summary: 'show what an image is made of', load: () => import('./image-inspect.ts') },
      tag: { summary: 'give an image one more name', load: () => import('./image-tag.ts') },
      save: { summary: 'save images as an archive', load: () => import('./image-save.ts') },
      rm: { summary: 'remove images', load: () => import('./image-rm.ts') },
      prune: { summary: 'remove images that nobody uses', load: () => import('./image-prune.ts') },
    }),
  },
  plugin: {
    summary: 'see which plugins are loaded',
    below: below({ list: { summary: 'list plugins, and what they cost', load: () => import('./plugin-list.ts') } }),
  },
  cni: {
    summary: 'give the CNI plugins that are built in to other container runtimes',
    below: below({
      install: { summary: 'lay the CNI plugins down in a folder', load: () => import('./cni-install.ts') },
      uninstall: { summary: 'take them out again', load: () => import('./cni-uninstall.ts') },
    }),
  },
  daemon: {
    summary: 'start, end and look after kukeond, which keeps cells as they should be',
    below: below({
      status: { summary: 'see whether kukeond runs', load: () => import('./daemon-status.ts') },
      start: { summary: 'start kukeond', load: () => import('./daemon-start.ts') },
      stop: { summary: 'end kukeond; containers go on', load: () => import('./daemon-stop.ts') },
      restart: { summary: 'start kukeond anew; containers go on', load: () => import('./daemon-restart.ts') },
      logs: { summary: 'show what kukeond has said', load: () => import('./daemon-logs.ts') },
      serve: { summary: 'be kukeond', load: () => import('./daemon-serve.ts') },
      stdio: { summary: 'connect to kukeond, for --host', load: () => import('./daemon-stdio.ts') },
    }),
  },
  explain: { summary: 'explain the fields of a manifest', load: () => import('./explain.ts') },
  schema: { summary: 'print the JSON Schema of manifests', load: () => import('./schema.ts') },
  doctor: { summary: 'look for what is wrong with this host', load: () => import('./doctor.ts') },
  completion: { summary: 'complete words in bash, zsh or fish', load: () => import('./completion.ts') },
  help: { summary: 'show how a command is used', load: () => import('./show-help.ts') },
  version: { summary: 'show the version of kuke', load: () => import('./version.ts') },
  uninstall: { summary: 'remove everything that kuke has made on this host', load: () => import('./uninstall.ts') },
});
