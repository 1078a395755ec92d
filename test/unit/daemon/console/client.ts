/** `client.ts SOCKET WORD...`: the face of a command line that a daemon runs. Exit code 99: it is to be run here. */
import { handOver } from '../../../../src/cli/console/hand-over.ts';

const [socket = '', ...argv] = process.argv.slice(2);
process.exit((await handOver(argv, process.env, socket)) ?? 99);
