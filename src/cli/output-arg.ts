/** `-o`: how what a command shows is printed. */
import type { ArgsDef } from 'citty';

const output = { type: 'enum', alias: 'o', description: 'how it is printed' } as const;

export const textOutputArg = {
  output: { ...output, options: ['text', 'json'], default: 'text' },
} as const satisfies ArgsDef;

export const tableOutputArg = {
  output: { ...output, options: ['table', 'json'], default: 'table' },
} as const satisfies ArgsDef;
