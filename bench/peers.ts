/**
 * The same loop in the same ROM, in this engine, in Debian's Bochs, and in Debian's QEMU with one instruction per
 * translated block: what an emulator reaches that goes instruction by instruction.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Machine, assemble } from 'hidden-state';
import { digits, median, type Section } from './table.ts';

const PER_ITERATION = 7;
const ROM_BYTES = 0x1_0000;
const RUNS = 3;

/** Real-address mode to 32-bit protected mode, the loop, and every way to end that one of the three knows. */
const source = (iterations: number): string => `
        org    0xf0000
        bits   16
begin:  lgdt   cs:[gdtr-begin]
        mov    eax, 1
        mov    cr0, eax
        db     0x66, 0xea            ; jmp 0x08:wide
        dd     wide
        dw     8
        bits   32
wide:   mov    ecx, ${iterations}
        xor    eax, eax
        mov    ebx, 1
next:   add    eax, ebx
        lea    ebx, [ebx+eax*2]
        xor    ebx, ecx
        shr    eax, 1
        sub    ecx, 1
        cmp    ecx, 0
        jne    next
        mov    ax, 0x10
        mov    ds, ax
        mov    esi, goodbye
        mov    dx, 0x8900            ; Bochs ends at the word Shutdown
more:   mov    al, [esi]
        out    dx, al
        inc    esi
        cmp    al, 0
        jne    more
        mov    dx, 0xf4              ; QEMU ends at its debug exit
        out    dx, al
        cli
        hlt
goodbye: db    'Shutdown', 0
        align  8
gdt:    dq     0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   dw     23
        dd     gdt
        times  0xfff0 - ($ - begin) db 0
        bits   16
        db     0xea                  ; the reset vector: jmp F000:0000
        dw     0, 0xf000
        times  ${ROM_BYTES} - ($ - begin) db 0
`;

interface Peer {
  readonly name: string;
  /** What has to be installed, and what is started. */
  readonly program: string;
  readonly command: string;
  readonly arguments: (rom: string, folder: string) => string[];
}

const bochsConfiguration = (rom: string, folder: string): string => {
  const file = join(folder, 'rc');
  writeFileSync(file, [
    'display_library: term', `romimage: file=${rom}`, 'megs: 32', 'cpu: model=corei7_ivy_bridge_3770k, count=1, ips=50000000',
    'plugin_ctrl: biosdev=0, speaker=0, parallel=0, serial=0, gameport=0', `log: ${join(folder, 'log')}`, 'panic: action=fatal',
  ].join('\n'));
  return file;
};

const PEERS: readonly Peer[] = [
  {
    // Its display wants a terminal: script gives it one.
    name: 'Bochs', program: 'bochs', command: 'script',
    arguments: (rom, folder) => ['-qec', `bochs -q -f ${bochsConfiguration(rom, folder)} -rc ${goOn(folder)}`, '/dev/null'],
  },
  {
    name: 'QEMU, one instruction per block', program: 'qemu-system-x86_64', command: 'qemu-system-x86_64',
    arguments: (rom) => ['-accel', 'tcg', '-singlestep', '-display', 'none', '-bios', rom, '-device', 'isa-debug-exit,iobase=0xf4,iosize=1', '-serial', 'none', '-monitor', 'none'],
  },
];

/** Debian's Bochs has the debugger built in: it waits for a word. */
function goOn(folder: string): string {
  const file = join(folder, 'commands');
  writeFileSync(file, 'continue\nquit\n');
  return file;
}

/** Seconds of the whole process. */
function seconds(peer: Peer, iterations: number, folder: string): number | undefined {
  const rom = join(folder, 'rom');
  writeFileSync(rom, assemble(source(iterations), { mode: 16 }).bytes);
  if (spawnSync(peer.program, ['--help'], { stdio: 'ignore' }).error) return undefined;
  const started = performance.now();
  const { error, signal } = spawnSync(peer.command, peer.arguments(rom, folder), { stdio: ['pipe', 'ignore', 'ignore'], input: '', timeout: 60_000 });
  if (error || signal) throw new Error(`${peer.name} did not end: ${error?.message ?? signal}`);
  return (performance.now() - started) / 1000;
}

/** Millions of instructions a second: the difference between a long and a short run, so that starting up does not count. */
function mipsOf(peer: Peer): number | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'peer-'));
  try {
    const long = 3_000_000;
    const rates: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const [short, whole] = [seconds(peer, 1, folder), seconds(peer, long, folder)];
      if (short === undefined || whole === undefined) return undefined;
      rates.push((long * PER_ITERATION) / (whole - short) / 1e6);
    }
    return median(rates);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** This engine over the same loop, from the ROM's 32-bit entry. */
function ownMips(): number {
  const rates: number[] = [];
  for (let run = 0; run <= RUNS; run++) {
    const program = assemble(source(100_000), { mode: 16 });
    const machine = new Machine({ mode: 32, origin: program.origin, bytes: program.bytes });
    machine.state.rip = program.symbols['wide']!;
    const started = performance.now();
    const { executed } = machine.run({ limit: 700_000 });
    rates.push(executed / (performance.now() - started) / 1000);
  }
  return median(rates.slice(1));
}

export function besidePeers(): Section {
  const own = ownMips();
  return {
    title: 'Guest speed beside other interpreters: the same loop from the same ROM',
    rows: PEERS.map((peer) => {
      const rate = mipsOf(peer);
      return {
        what: peer.name, value: `${digits(own)} MIPS`,
        beside: rate === undefined ? `not installed here (${peer.program})` : `${digits(rate)} MIPS`, ratio: rate === undefined ? '' : `1/${digits(rate / own)}`,
      };
    }),
  };
}
