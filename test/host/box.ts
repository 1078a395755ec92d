/** Importing this module is refused outside of a box (test/box.sh), where what a host test does would change the machine. */
if (process.env.KUKE_BOX !== '1') {
  throw new Error('host tests change the host that they run on: run them in a box, as in `test/box.sh bun test FILE`');
}

export {};
