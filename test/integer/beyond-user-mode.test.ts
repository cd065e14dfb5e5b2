/** What vectors captured in user mode cannot show: other processors, privilege, what a fault leaves, single iterations. */

import { type CpuProfile, Fault, Machine, type Program, Unmodelled, asm32, asm64, assemble, cpus, symbol } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import { AC, CF, ID, IF, NT, OF, RF, ZF } from '../../spec/src/isa/flags.ts';
import { CS, SS } from '../../spec/src/state/fields.ts';

const IOPL_3 = 0x3000;

function run(program: Program, cpu: CpuProfile = cpus.zen4): Machine {
  const machine = new Machine(program, { cpu });
  machine.run();
  return machine;
}
const rax = (program: Program, cpu?: CpuProfile): bigint => run(program, cpu).state.gpr[0]!;

describe('what a processor lacks', () => {
  const leading = asm64`
        mov   ebx, 0x10
        lzcnt eax, ebx
        hlt`;
  const trailing = asm64`
        xor   ebx, ebx
        mov   eax, 7
        tzcnt eax, ebx
        hlt`;

  test('LZCNT is BSR where it is unknown', () => {
    expect([rax(leading, cpus.haswell), rax(leading, cpus.amdK10), rax(leading, cpus.ivyBridge)]).toEqual([27n, 27n, 4n]);
  });
  test('TZCNT is BSF where it is unknown: of 0, the destination stays and ZF is set', () => {
    expect([rax(trailing, cpus.haswell), rax(trailing, cpus.amdK10)]).toEqual([32n, 7n]);
    expect(run(trailing, cpus.amdK10).state.rflags & (ZF | CF)).toBe(ZF);
    expect(run(trailing, cpus.haswell).state.rflags & (ZF | CF)).toBe(CF);
  });
  test.for([
    ['ANDN', asm64`andn eax, ebx, ecx`, 'ivyBridge'], ['MULX', asm64`mulx eax, ebx, ecx`, 'amdK10'],
    ['MOVBE', asm64`movbe eax, [rsp]`, 'ivyBridge'], ['ADCX', asm64`adcx eax, ebx`, 'haswell'],
    ['CRC32', asm64`crc32 eax, bl`, 'amdK10'], ['CLWB', asm64`clwb [rsp]`, 'haswell'],
  ] as const)('%s is #UD', ([mnemonic, program, cpu]) => {
    expect(() => run(program, cpus[cpu])).toThrow(expect.objectContaining({ mnemonic: '#UD', message: expect.stringContaining(mnemonic) }));
  });
});

test('a word shifted by more than 16 gets the first operand again on Intel, the second on AMD', () => {
  const program = asm64`
        mov  eax, 0x1234
        mov  ebx, 0xabcd
        shld ax, bx, 20
        hlt`;
  expect([rax(program, cpus.haswell), rax(program, cpus.zen4)]).toEqual([0xbcd1n, 0xbcdan]);
});

describe('flags by privilege', () => {
  const all = asm64`
        push  -1
        popfq
        nop`;
  /** RFLAGS after POPFQ of all ones but TF. */
  function popped(cpl: 0 | 3, before: number): number {
    const machine = new Machine(all, { cpu: cpus.zen4 });
    machine.step();
    machine.memory.write(machine.state.gpr[4]!, 8, 0xffff_ffff_ffff_feffn);
    const { state } = machine;
    for (const segment of [CS, SS]) {
      const attributes = (state.attributes(segment) & ~0x60) | (cpl << 5);
      state.setSegment(segment, { selector: state.selector(segment), base: state.base(segment), limit: state.limit(segment), attributes });
    }
    state.rflags = before;
    machine.step();
    return machine.state.rflags;
  }
  test('CPL 0 sets IOPL and IF', () => expect(popped(0, 2) & (IOPL_3 | IF)).toBe(IOPL_3 | IF));
  test('CPL 3 sets neither with IOPL 0', () => expect(popped(3, 2) & (IOPL_3 | IF)).toBe(0));
  test('CPL 3 sets IF with IOPL 3, whose own value stays', () => expect(popped(3, 2 | IOPL_3) & (IOPL_3 | IF)).toBe(IOPL_3 | IF));
  test('AC, ID and NT are for all, RF for nobody', () => expect(popped(3, 2) & (AC | ID | NT | RF)).toBe(AC | ID | NT));
});

describe('a fault leaves nothing behind', () => {
  test.for([
    ['DIV by 0', asm64`div ecx`, '#DE'], ['IDIV of the lowest number by -1', asm64`
        mov  rax, 0x8000000000000000
        cqo
        mov  rcx, -1
        idiv rcx`, '#DE'],
    ['AAM with 0', asm32`aam 0`, '#DE'],
    ['CMPXCHG16B at an odd place', asm64`cmpxchg16b [rsp-33]`, '#GP'],
    ['ENTER onto a page that is not there', asm64`enter 0xffff, 31
        hlt`, '#PF'],
    ['PUSHA across the end of the stack', asm32`
        sub  esp, 0xfff0
        pusha`, '#PF'],
    ['BTS of a bit string beyond memory', asm64`
        mov  rax, 0x7000000000
        bts  [rsp], rax`, '#PF'],
    ['UD0', asm64`ud0 eax, [rax]`, '#UD'],
  ] as const)('%s', ([, program, mnemonic]) => {
    const machine = new Machine(program, { cpu: cpus.zen4 });
    let before = machine.snapshot(), fault: unknown;
    try {
      for (let n = 0; n < 9; n++) {
        before = machine.snapshot();
        machine.step();
      }
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({ mnemonic });
    const { fields, memory } = machine.diff(before);
    expect(fields.map(({ field }) => field.name).filter((name) => name !== 'CR2')).toEqual([]);
    expect(memory).toEqual([]);
  });
});

describe('strings', () => {
  const compare = asm64`
        mov  rsi, first
        mov  rdi, second
        mov  ecx, 8
        repe cmpsb
        hlt
first:  db "same old"
second: db "same new"`;

  test('REPE CMPSB stops behind the difference, one iteration a step', () => {
    const machine = new Machine(compare, { cpu: cpus.zen4 });
    machine.run({ limit: 3 });
    const { rip } = machine.state;
    for (let n = 1; n < 6; n++) {
      machine.step();
      expect([machine.state.rip, machine.state.gpr[1]]).toEqual([rip, BigInt(8 - n)]);
    }
    machine.step();
    expect(machine.state.rip).toBe(rip + 2n);
    expect(machine.state.gpr[1]).toBe(2n);
    expect(machine.state.gpr[6]).toBe(symbol(compare, 'first') + 6n);
    expect(machine.state.rflags & ZF).toBe(0);
  });
  test('with a count of 0 nothing is compared and no flag changes', () => {
    const machine = run(asm64`
        xor   ecx, ecx
        stc
        repne scasd
        hlt`);
    expect(machine.state.rflags & (CF | ZF)).toBe(CF | ZF);
  });
});

describe('INTO', () => {
  test('raises #OF with OF = 1', () => {
    expect(() => run(asm32`
        mov al, 0x7f
        inc al
        into`)).toThrow(expect.objectContaining({ mnemonic: '#OF' }));
  });
  test('does nothing with OF = 0', () => {
    expect(run(asm32`
        xor eax, eax
        into
        hlt`).state.rflags & OF).toBe(0);
  });
});

describe('16-bit code', () => {
  /** Registers after a program in real-address mode, from values with upper halves that have to stay. */
  function registers(text: string): string[] {
    const program = assemble(`${text}\nhlt`, { mode: 16, origin: 0x7c00n });
    const machine = new Machine(program, { cpu: cpus.zen4 });
    for (let n = 0; n < 8; n++) if (n !== 4) machine.state.gpr[n] = 0x1111_0000n * BigInt(n + 1) + BigInt(n + 1);
    machine.memory.map(0n, 0x10000);
    machine.state.gpr[4] = 0x5555_7000n;
    machine.run();
    return [...machine.state.gpr.slice(0, 8)].map((value) => value.toString(16));
  }
  const untouched = ['11110001', '22220002', '33330003', '44440004', '55557000', '66660006', '77770007', '88880008'];

  test('PUSHA and POPA move words and keep upper halves', () => expect(registers('pusha\npopa')).toEqual(untouched));
  test('ENTER and LEAVE move SP and BP alone', () => {
    expect(registers('enter 8, 1')).toEqual(untouched.with(4, '55556ff4').with(5, '66666ffe'));
    expect(registers('enter 8, 1\nleave')).toEqual(untouched);
  });
  test('DIV takes DX:AX', () => expect(registers('div bx')).toEqual(untouched.with(0, '1111c000').with(2, '33330001')));
  test('a bit string wraps at 64 KiB', () => {
    expect(registers('mov bx, 0xfffe\nmov cx, 16\nmov word [0], 0x81\nmov word [2], 0\nbtr [bx], cx\nbts [bx+2], cx\nmov ax, [2]\nmov dx, [0]'))
      .toEqual(untouched.with(0, '11110001').with(1, '22220010').with(2, '33330080').with(3, '4444fffe'));
  });
  test('JCXZ looks at CX, JECXZ at ECX', () => {
    expect(registers('xor cx, cx\njcxz on\nmov al, 9\non: jecxz off\nmov ah, 9\noff:')).toEqual(untouched.with(0, '11110901').with(1, '22220000'));
  });
});

describe('VEX prefixes', () => {
  const read = (bytes: string, mode: 16 | 32 | 64 = 64) => {
    const all = Buffer.from(bytes, 'hex');
    return decode((n) => all[n] ?? 0, mode);
  };
  test('what may not stand before one is #UD', () => {
    for (const prefix of ['66', 'f2', 'f3', 'f0', '48']) {
      expect(() => read(`${prefix}c4e278f2c1`), prefix).toThrow(expect.objectContaining({ mnemonic: '#UD' }));
    }
    expect(read('64c4e278f200').operands[2]).toMatchObject({ segment: 4 });
  });
  test('VEX.L = 1, and a register where none is named, are #UD', () => {
    expect(() => read('c4e27cf2c1')).toThrow(expect.objectContaining({ mnemonic: '#UD' }));
    expect(() => read('c4e37bf0c105')).not.toThrow();
    expect(() => read('c4e36bf0c105')).toThrow(expect.objectContaining({ mnemonic: '#UD' }));
  });
  test('outside 64-bit mode W, B and the highest bit of a named register mean nothing', () => {
    expect(read('c4c2b8f2c1', 32).operands.map((operand) => operand.kind === 'register' && operand.index)).toEqual([0, 0, 1]);
  });
  test('C4 and C5 with a memory operand are LES and LDS there', () => {
    for (const bytes of ['c400', 'c500']) {
      let outcome: unknown;
      try {
        outcome = read(bytes, 32).definition.mnemonic;
      } catch (error) {
        outcome = error instanceof Unmodelled ? 'not in the table' : error;
      }
      expect(['LES', 'LDS', 'not in the table']).toContain(outcome);
    }
  });
});
