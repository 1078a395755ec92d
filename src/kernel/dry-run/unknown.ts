/** What only the run will know, such as an address: a shell variable in the commands that a dry run explains. */

/**
 * Stands in the params of steps for such a value. The command that makes it leaves it in a shell variable that is called as the field of the
 * step's result is (`addresses`), several values in as many lines; each step's is kept in an array of its own (`addresses_7`).
 */
export class Unknowns {
  /** Nobody's manifest has it. */
  readonly #token = crypto.randomUUID();

  /** The value with this index in the variable, up to the first `/`: an address without the length of its prefix. */
  unknown(variable: string, index: number): string {
    return `{${this.#token} ${variable} ${index}}`;
  }

  /** The result of a step as those that refer to it get it. */
  of(step: number, result: unknown): unknown {
    if (result === undefined) return undefined;
    return JSON.parse(JSON.stringify(result).replaceAll(`{${this.#token} `, `{${this.#token} ${step} `));
  }

  /** The steps whose variables a text has: `[{ step: 7, variable: 'addresses' }]`. */
  usedIn(text: string): { step: number; variable: string }[] {
    return [...text.matchAll(this.#pattern())].map(([, step, variable = '']) => ({ step: Number(step), variable }));
  }

  /** A command whose words have them in single quotes, with variables in their place. */
  inShell(command: string): string {
    return command.replace(
      this.#pattern(),
      (_, step, variable, index) => `'"\${${arrayOf(step, variable)}[${index}]%%/*}"'`,
    );
  }

  /** For a person: `<address>`. */
  inWords(text: string): string {
    return text.replace(this.#pattern(), (_, _step, variable: string) => `<${variable}>`);
  }

  /** After the command of a step: its variable is kept for those that come later. */
  keep(step: number, variable: string): string {
    return `mapfile -t ${arrayOf(step, variable)} <<< "$${variable}"`;
  }

  #pattern(): RegExp {
    return new RegExp(`\\{${this.#token} (\\d+) (\\w+) (\\d+)\\}`, 'g');
  }
}

const arrayOf = (step: number | string, variable: string): string => `${variable}_${step}`;
