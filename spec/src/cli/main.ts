/** The command `hidden-state`. */

import { readFileSync } from 'node:fs';
import { asmCommand, disasmCommand } from './assembly.ts';
import { runCommand } from './run.ts';
import { UsageError } from './usage.ts';

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => number | Promise<number>>> =
  { run: runCommand, asm: asmCommand, disasm: disasmCommand };

export const HELP = `hidden-state: an x86 machine that executes real machine code.

  hidden-state run FILE      boots a Multiboot kernel, a boot sector or a ROM
  hidden-state asm FILE      assembles text in Intel syntax
  hidden-state disasm FILE   prints machine code as text

  hidden-state COMMAND --help   says what a command takes
  hidden-state --version        prints the version`;

/** Runs what was typed; answers the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === '--help' || command === '-h' || command === 'help') return say(HELP);
    if (command === '--version') return say(version());
    if (command === undefined) {
      throw new UsageError(`a command is missing; expected ${Object.keys(COMMANDS).join(', ')}, or --help`);
    }
    const action = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
    if (!action) {
      throw new UsageError(
        `there is no command ${JSON.stringify(command)}; expected ${Object.keys(COMMANDS).join(', ')}, or --help`,
      );
    }
    return await action(rest);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`hidden-state: ${error.message}\n`);
    return 2;
  }
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** Of the package, whose manifest lies two folders above both src/cli and dist/cli. */
function version(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return manifest.version;
}
