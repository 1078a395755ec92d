/** Where host-local keeps a folder of reservations for each network, if the configuration (`dataDir`) does not say: the reference plugin's. */
export const DEFAULT_DATA_DIR = '/var/lib/cni/networks';
