/** kukeond as `kuke init` sets it up, and as `kuke uninstall` takes it away. */
import { DAEMON_GROUP } from '../../kernel/daemon-places.ts';
import { asFileError } from '../../kernel/file-errors.ts';
import type { Invocation } from '../command.ts';
import { warn } from '../output/failure.ts';
import { print } from '../output/standard-output.ts';
import { planFlags } from '../plan-flags.ts';
import { ownService, placesOf } from './own-service.ts';

type Opener = Pick<Invocation, 'globals' | 'program'> & { args: object };

/** Makes the group, and kukeond a service that runs; tells what was done. */
export async function setUpDaemon(invocation: Opener): Promise<void> {
  const { program, globals, args } = invocation;
  const service = ownService(invocation);
  const { isDryRun, isExplained } = planFlags(args);
  const daemon = await program.daemon();
  if (isDryRun) {
    const isThere = daemon.runningDaemon(service.places) !== undefined;
    if (!isThere) print(`${isExplained ? '# ' : ''}kukeond would be set up: ${service.command.join(' ')}`);
    return;
  }
  try {
    const fault = await daemon.makeGroup(globals.runPath);
    if (fault !== undefined)
      warn(`the group ${DAEMON_GROUP} could not be made, so kukeond's socket is root's alone: ${fault}`);
    const [executable = ''] = service.command;
    const changeable = (await program.changeableByOthers())(executable);
    if (changeable !== undefined && daemon.isSystemd()) {
      warn(
        `kukeond is not set up: systemd would run ${executable} as root, and ${changeable.path} can be changed by others ` +
          `(owner ${changeable.uid}, mode ${changeable.mode.toString(8)}); install it: ` +
          `install -o root -m 755 ${executable} /usr/local/bin/kuke && kuke init`,
      );
      return;
    }
    const done = await daemon.setUp(service);
    print(`kukeond ${done}${daemon.hasUnit(service.places) ? `: ${service.places.unit}` : ''}`);
  } catch (thrown) {
    throw asFileError(thrown);
  }
}

/** Ends it and takes it away, before what it looks after is removed. Returns what sets it up again, where kuke stays after all. */
export async function endDaemon(invocation: Opener): Promise<() => Promise<void>> {
  const daemon = await invocation.program.daemon();
  const places = placesOf(invocation);
  const wasThere = daemon.hasUnit(places) || daemon.runningDaemon(places) !== undefined;
  if (planFlags(invocation.args).isDryRun) {
    if (wasThere) print(`${planFlags(invocation.args).isExplained ? '# ' : ''}kukeond would be ended and taken away`);
    return async () => {};
  }
  await daemon.tearDown(places);
  const isOwn = daemon.isOwnGroup(invocation.globals.runPath);
  const fault = isOwn ? await daemon.removeGroup() : undefined;
  if (fault !== undefined) warn(`the group ${DAEMON_GROUP} could not be removed: ${fault}`);
  return async () => {
    if (wasThere) await setUpDaemon(invocation);
  };
}
