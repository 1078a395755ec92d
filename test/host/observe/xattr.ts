/** Extended attributes, read by perl, which every Debian has (getfattr is a package of its own). */
import { output } from './command.ts';

// getxattr(2) has no name in perl, only its number.
const GETXATTR = process.arch === 'arm64' ? 8 : 191;
const SCRIPT = `my ($number, $path, $name) = @ARGV; my $value = "\\0" x 1000;
my $length = syscall($number + 0, $path, $name, $value, 1000); print substr($value, 0, $length) if $length > 0`;

/** Undefined: there is no such attribute, or it is empty. */
export async function xattr(path: string, name: string): Promise<string | undefined> {
  return (await output('perl', '-e', SCRIPT, `${GETXATTR}`, path, name)) || undefined;
}
