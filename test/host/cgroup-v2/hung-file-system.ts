/**
 * Run as a program: mounts a FUSE file system at the path given, and never answers what it is asked. A process that asks cannot be killed,
 * for it waits uninterruptibly until this program ends. Prints `mounted`, then `asked` for every question. (linux/fuse.h)
 */
import { openSync, readSync, writeSync } from 'node:fs';
import { checked, cstring, libc } from '../../../src/host/libc.ts';

const FUSE_INIT = 26;
const [, , path = ''] = process.argv;
const device = openSync('/dev/fuse', 'r+');
const options = cstring(`fd=${device},rootmode=40000,user_id=0,group_id=0`);
checked('mount', libc().mount(cstring('hung'), cstring(path), cstring('fuse'), 0, options), path);
writeSync(1, 'mounted\n');

const question = Buffer.alloc(1 << 17);
for (;;) {
  readSync(device, question);
  // struct fuse_in_header {u32 len, opcode; u64 unique, ...}
  if (question.readUInt32LE(4) === FUSE_INIT) writeSync(device, initAnswer(question.readBigUInt64LE(8)));
  else writeSync(1, 'asked\n');
}

/** struct fuse_out_header {u32 len; i32 error; u64 unique} and struct fuse_init_out {u32 major, minor, ...}, which is 64 bytes. */
function initAnswer(unique: bigint): Buffer {
  const answer = Buffer.alloc(16 + 64);
  answer.writeUInt32LE(answer.length, 0);
  answer.writeBigUInt64LE(unique, 8);
  answer.writeUInt32LE(7, 16);
  answer.writeUInt32LE(31, 20);
  answer.writeUInt32LE(4096, 36); // max_write
  return answer;
}
