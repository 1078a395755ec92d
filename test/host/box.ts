/** Importing this module is refused outside of a box (test/box.sh), where what a host test does would change the machine. */
if (process.env.KUKE_BOX !== '1') {
  throw new Error('host tests change the host that they run on: run them in a box, as in `test/box.sh bun test FILE`');
}

// kukeond has tests of its own; in the others each command does its own work, and a host has nothing running that they have not started.
process.env.KUKE_NO_DAEMON ??= '1';

export {};
