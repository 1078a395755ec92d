/** What the command line needs of files that are copied, which is where Linux is spoken: src/host/file-tree. Archives are tar's. */

export interface Unpacked {
  files: number;
  bytes: number;
}

type Skipped = (name: string) => void;

/** `root`: a descriptor of a container's root file system; `skipped` is told of what is neither file, folder nor link. Errors are SystemErrors. */
export interface FileTrees {
  whatIsIn(root: number, path: string): 'file' | 'folder' | 'other' | null;
  packIn(root: number, path: string, name: string, skipped: Skipped): AsyncIterable<Uint8Array>;
  unpackIn(root: number, folder: string, archive: AsyncIterable<Uint8Array>, skipped: Skipped): Promise<Unpacked>;
  /** Of this process's own. */
  packPath(path: string, name: string, skipped: Skipped): AsyncIterable<Uint8Array>;
  unpackTo(path: string, isFolder: boolean, archive: AsyncIterable<Uint8Array>, skipped: Skipped): Promise<Unpacked>;
}
