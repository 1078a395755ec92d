/** Whether a URL's host is this machine's loopback, which nobody listens in on. */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(hostname) || hostname === '[::1]' || hostname === '::1'
  );
}
