import { Fault, type Machine, cpus, symbol } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CR0, CR4, EFER } from '../../spec/src/isa/system/control-bits.ts';
import { CS, OFFSET, SS } from '../../spec/src/state/fields.ts';
import { A, CODE, D, G, NX, P, PS, type Structure, TABLES, RW, US, paged } from './page-tables.ts';

const STRUCTURES = ['32-bit', 'PAE', '4-level', '5-level'] as const;
const DATA = 0x40_0000n, FRAME = 0x80_0000n;

/** Runs to HLT; the fault that comes instead, as a string. */
function outcome(machine: Machine): string {
  try {
    return machine.run({ limit: 10_000 }).reason;
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    throw error;
  }
}

const size = (structure: Structure): 32 | 64 => (structure === '32-bit' || structure === 'PAE' ? 32 : 64);

describe.each(STRUCTURES)('%s paging', (structure) => {
  test('a page is read and written through its frame, and its entries become accessed, then dirty', () => {
    const { machine, tables } = paged(`mov eax, [${DATA + 8n}]\n hlt\n mov dword ptr [${DATA + 16n}], 0x55\n hlt`, structure);
    machine.memory.map(FRAME, 0x1000);
    machine.memory.write(FRAME + 8n, 4, 0x1234n);
    tables.map(DATA, FRAME, P | RW);
    const directory = tables.entry(DATA, structure === '32-bit' ? 22 : 21);
    expect(outcome(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(0x1234n);
    expect(tables.read(tables.entry(DATA))).toBe(FRAME | P | RW | A);
    expect(tables.read(directory) & (A | D)).toBe(A);
    machine.state.halted = false;
    expect(outcome(machine)).toBe('halted');
    expect(machine.memory.read(FRAME + 16n, 4)).toBe(0x55n);
    expect(tables.read(tables.entry(DATA))).toBe(FRAME | P | RW | A | D);
    expect(tables.read(directory) & (A | D)).toBe(A);
  });

  test('a page that is not there: CR2, and an error code that says how', () => {
    const { machine, tables } = paged(`or byte ptr [${DATA + 5n}], 1\n hlt`, structure);
    expect(outcome(machine)).toBe('#PF(0x2)');
    expect(machine.state.quad(OFFSET.cr2)).toBe(DATA + 5n);
    // 32-bit paging has no execute-disable: I/D is never set without SMEP.
    tables.write(tables.entry(CODE), 0n);
    machine.paging.invalidate({ kind: 'all' });
    expect(outcome(machine)).toBe(structure === '32-bit' ? '#PF(0)' : '#PF(0x10)');
  });

  test('a large page maps all its bytes, and sets D in the entry that maps it', () => {
    const shift = structure === '32-bit' ? 22 : 21;
    const inside = 0x12_3458n;
    const { machine, tables } = paged(`mov eax, [${DATA + inside}]\n mov [${DATA + inside + 0x1000n}], eax\n hlt`, structure);
    machine.memory.map(FRAME + 0x12_3000n, 0x2000);
    machine.memory.write(FRAME + inside, 4, 0xabcdn);
    tables.map(DATA, FRAME, P | RW | PS, shift);
    expect(outcome(machine)).toBe('halted');
    expect(machine.memory.read(FRAME + inside + 0x1000n, 4)).toBe(0xabcdn);
    expect(tables.read(tables.entry(DATA, shift))).toBe(FRAME | P | RW | PS | A | D);
  });

  test('an access across two pages needs both; a write to neither when one refuses', () => {
    const { machine, tables } = paged(`mov dword ptr [${DATA + 0xffen}], 0x44332211\n hlt`, structure);
    machine.memory.map(FRAME, 0x2000);
    tables.map(DATA, FRAME, P | RW);
    tables.map(DATA + 0x1000n, FRAME + 0x1000n, P);
    expect(outcome(machine)).toBe('#PF(0x3)');
    expect(machine.state.quad(OFFSET.cr2)).toBe(DATA + 0x1000n);
    expect(machine.memory.read(FRAME + 0xffcn, 8)).toBe(0n);
    expect(tables.read(tables.entry(DATA))).toBe(FRAME | P | RW);
    tables.write(tables.entry(DATA + 0x1000n), (FRAME + 0x1000n) | P | RW);
    expect(outcome(machine)).toBe('halted');
    expect(machine.memory.read(FRAME + 0xffen, 4)).toBe(0x4433_2211n);
  });

  test('translations stay until INVLPG, or not at all without a TLB', () => {
    const source = `mov eax, [${DATA}]\n mov dword ptr [${'%entry'}], ${Number(FRAME) + 0x1000 + 1}\n mov ebx, [${DATA}]\n invlpg [${DATA}]\n mov ecx, [${DATA}]\n hlt`;
    for (const tlb of [true, false]) {
      const probe = paged('nop', structure);
      const { machine, tables } = paged(source.replace('%entry', String(probe.tables.entry(DATA))), structure, { tlb });
      machine.memory.map(FRAME, 0x2000);
      machine.memory.write(FRAME, 4, 1n);
      machine.memory.write(FRAME + 0x1000n, 4, 2n);
      tables.map(DATA, FRAME, P | RW);
      expect(outcome(machine)).toBe('halted');
      expect([0, 3, 1].map((index) => machine.state.gpr[index])).toEqual([1n, tlb ? 1n : 2n, 2n]);
    }
  });

  test('global translations outlive a load of CR3, and go with CR4.PGE', () => {
    const register = size(structure) === 64 ? 'r' : 'e';
    const [ax, dx] = [`${register}ax`, `${register}dx`];
    const source = `mov eax, [${DATA}]\n mov ebx, [${DATA + 0x1000n}]\n mov ${dx}, cr3\n mov cr3, ${dx}\n mov esi, [${DATA}]\n mov edi, [${DATA + 0x1000n}]
      mov ${dx}, cr4\n xor edx, 0x80\n mov cr4, ${dx}\n mov ebp, [${DATA}]\n hlt`;
    const { machine, tables } = paged(source, structure);
    machine.memory.map(FRAME, 0x4000);
    for (let n = 0n; n < 4n; n++) machine.memory.write(FRAME + n * 0x1000n, 4, n + 1n);
    machine.state.cr4 |= CR4.PGE;
    tables.map(DATA, FRAME, P | RW | G);
    tables.map(DATA + 0x1000n, FRAME + 0x1000n, P | RW);
    machine.step();
    machine.step();
    tables.map(DATA, FRAME + 0x2000n, P | RW | G);
    tables.map(DATA + 0x1000n, FRAME + 0x3000n, P | RW);
    expect(outcome(machine)).toBe('halted');
    expect([0, 3, 6, 7, 5].map((index) => machine.state.gpr[index]), ax).toEqual([1n, 2n, 1n, 4n, 3n]);
  });
});

describe('access rights', () => {
  /** SDM vol. 3A, 4.6, as a list of refusals: independent of the engine's own reading. */
  function expected(o: Record<'rw' | 'us' | 'nx' | 'user' | 'wp' | 'smep' | 'smap' | 'ac', boolean>, access: 'read' | 'write' | 'fetch'): boolean {
    const refusals = o.user
      ? [!o.us, access === 'write' && !o.rw, access === 'fetch' && o.nx]
      : [
        access === 'fetch' && o.nx, access === 'fetch' && o.us && o.smep, access === 'write' && o.wp && !o.rw,
        access !== 'fetch' && o.us && o.smap && !o.ac,
      ];
    return refusals.includes(true);
  }

  const NAMES = ['rw', 'us', 'nx', 'user', 'wp', 'smep', 'smap', 'ac'] as const;
  const ACCESS = { read: 'mov al, [rbx]', write: 'mov [rbx], al', fetch: 'jmp rbx' } as const;

  test.each(Object.entries(ACCESS))('%s: every combination of R/W, U/S, XD, CPL, WP, SMEP, SMAP and AC', (access, code) => {
    const { machine, tables } = paged(code, '4-level');
    machine.memory.map(FRAME, 0x1000);
    machine.memory.writeBytes(FRAME, Uint8Array.of(0xf4));
    const start = machine.state.snapshot();
    for (let n = 0; n < 1 << NAMES.length; n++) {
      const o = Object.fromEntries(NAMES.map((name, at) => [name, ((n >> at) & 1) === 1])) as Record<(typeof NAMES)[number], boolean>;
      machine.state.restore(start);
      tables.map(CODE, CODE, P | RW | (o.user ? US : 0n));
      tables.map(DATA, FRAME, P | (o.rw ? RW : 0n) | (o.us ? US : 0n) | (o.nx ? NX : 0n));
      const { state } = machine;
      state.gpr[3] = DATA;
      state.cr0 = (state.cr0 & ~CR0.WP) | (o.wp ? CR0.WP : 0n);
      state.cr4 |= (o.smep ? CR4.SMEP : 0n) | (o.smap ? CR4.SMAP : 0n);
      state.rflags |= o.ac ? 1 << 18 : 0;
      if (o.user) for (const segment of [CS, SS]) state.setSegment(segment, { ...state.segment(segment), attributes: state.attributes(segment) | 0x60 });
      machine.paging.invalidate({ kind: 'all' });
      const fault = faultOf(machine, access === 'fetch' ? 2 : 1);
      const code = 1 | (access === 'write' ? 2 : 0) | (o.user ? 4 : 0) | (access === 'fetch' ? 0x10 : 0);
      // HLT at CPL 3 is the fetch's proof that it got there.
      const reached = access === 'fetch' && o.user ? '#GP(0)' : 'none';
      expect(fault, JSON.stringify(o)).toBe(expected(o, access as keyof typeof ACCESS) ? `#PF(0x${code.toString(16)})` : reached);
    }
  });

  function faultOf(machine: Machine, steps: number): string {
    try {
      for (let n = 0; n < steps; n++) machine.step();
      return 'none';
    } catch (error) {
      if (error instanceof Fault) return error.notation;
      throw error;
    }
  }

  test('a right that an upper entry withholds is withheld', () => {
    const linear = 0x80_4000_0000n + DATA;
    for (const shift of [39, 30, 21]) {
      const { machine, tables } = paged(`mov rbx, ${linear}\n mov byte ptr [rbx], 1\n hlt`, '4-level');
      machine.memory.map(FRAME, 0x1000);
      tables.map(linear, FRAME, P | RW);
      const upper = tables.entry(linear, shift);
      tables.write(upper, tables.read(upper) & ~RW);
      expect(outcome(machine)).toBe('#PF(0x3)');
    }
  });

  test('protection keys: access-disable for reads and writes, write-disable under WP or at CPL 3, fetches never', () => {
    const rows = [
      ['mov al, [rbx]', 1, true, '#PF(0x21)'], ['mov [rbx], al', 1, true, '#PF(0x23)'], ['mov al, [rbx]', 2, true, 'halted'],
      ['mov [rbx], al', 2, true, '#PF(0x23)'], ['mov [rbx], al', 2, false, 'halted'], ['call rbx', 3, true, 'halted'],
    ] as const;
    for (const [code, rights, wp, expected] of rows) {
      const { machine, tables } = paged(`${code}\n hlt`, '4-level');
      machine.memory.map(FRAME, 0x1000);
      machine.memory.writeBytes(FRAME, Uint8Array.of(0xc3));
      tables.map(DATA, FRAME, P | RW | US | (5n << 59n));
      machine.state.gpr[3] = DATA;
      machine.state.cr4 |= CR4.PKE;
      machine.state.setDoubleword(OFFSET.pkru, rights << 10);
      if (!wp) machine.state.cr0 &= ~CR0.WP;
      expect(outcome(machine), `${code}, rights ${rights}`).toBe(expected);
    }
  });
});

describe('reserved bits', () => {
  const rows: readonly (readonly [Structure, number, bigint, string])[] = [
    ['4-level', 12, 1n << 51n, '#PF(0x9)'], ['4-level', 30, PS | (1n << 29n), '#PF(0x19)'], ['4-level', 39, PS, '#PF(0x19)'], ['4-level', 21, PS | (1n << 13n), '#PF(0x9)'],
    ['4-level', 21, PS | (1n << 20n), '#PF(0x9)'], ['4-level', 12, 1n << 52n, 'halted'], ['4-level', 12, 1n << 62n, 'halted'],
    ['PAE', 12, 1n << 52n, '#PF(0x9)'], ['PAE', 12, 1n << 62n, '#PF(0x9)'], ['PAE', 21, PS | (1n << 14n), '#PF(0x9)'],
    ['32-bit', 22, PS | (1n << 21n), '#PF(0x9)'],
  ];
  test.each(rows)('%s, level of bit %i, %s: %s', (structure, shift, bits, expected) => {
    // The entries of the upper levels are those of the code as well: there the fetch already faults. Haswell has 39 physical address bits.
    const { machine, tables } = paged(`mov eax, [${DATA}]\n hlt`, structure, { cpu: cpus.haswell });
    machine.memory.map(FRAME, 0x1000);
    tables.map(DATA, FRAME, P | RW);
    const entry = tables.entry(DATA, shift);
    tables.write(entry, tables.read(entry) | bits);
    expect(outcome(machine)).toBe(expected);
  });

  test('execute-disable is reserved while IA32_EFER.NXE is 0', () => {
    const { machine, tables } = paged(`mov eax, [${DATA}]\n hlt`, '4-level');
    machine.state.efer &= ~EFER.NXE;
    tables.map(DATA, FRAME, P | RW | NX);
    expect(outcome(machine)).toBe('#PF(0x9)');
  });

  test('a 4-MByte page can lie above 4 GiB (PSE-36)', () => {
    const { machine, tables } = paged(`mov eax, [${DATA + 4n}]\n hlt`, '32-bit');
    machine.memory.map(0x3_0040_0000n, 0x1000);
    machine.memory.write(0x3_0040_0004n, 4, 0x77n);
    tables.write(tables.entry(DATA, 22), 0x40_0000n | (3n << 13n) | P | RW | PS);
    expect(outcome(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(0x77n);
  });
});

describe('PAE paging begins at registers', () => {
  test('a PDPTE changed in memory counts only after the next load of CR3', () => {
    const { machine } = paged(`mov dword ptr [${TABLES}], 0\n invlpg [${DATA}]\n nop\n mov eax, cr3\n mov cr3, eax\n nop\n hlt`, 'PAE');
    for (let n = 0; n < 5; n++) machine.step();
    expect(outcome(machine)).toBe('#PF(0x10)');
  });

  test('reserved bits in a present PDPTE are #GP(0) at the load, and nothing is loaded', () => {
    const { machine, tables } = paged(`mov eax, ${TABLES}\n mov cr3, eax\n hlt`, 'PAE');
    tables.write(TABLES + 24n, 2n);
    expect(outcome(machine)).toBe('halted');
    machine.state.halted = false;
    machine.state.rip = CODE;
    tables.write(TABLES + 24n, 3n);
    expect(outcome(machine)).toBe('#GP(0)');
    expect(machine.state.quad(OFFSET.pdpte3)).toBe(2n);
  });
});

describe('process-context identifiers', () => {
  const source = `mov rax, [${DATA}]\n mov rcx, cr3\n or rcx, 1\n mov cr3, rcx\n mov rbx, [${DATA}]\n bts rcx, 63\n dec rcx\n mov cr3, rcx\n mov rsi, [${DATA}]\n btr rcx, 63\n mov cr3, rcx\n mov rdi, [${DATA}]\n hlt`;
  test('each has its own translations; bit 63 of the source keeps them', () => {
    const { machine, tables } = paged(source, '4-level');
    machine.memory.map(FRAME, 0x2000);
    machine.memory.write(FRAME, 8, 1n);
    machine.memory.write(FRAME + 0x1000n, 8, 2n);
    tables.map(DATA, FRAME, P | RW);
    machine.state.cr4 |= CR4.PCIDE;
    machine.step();
    tables.map(DATA, FRAME + 0x1000n, P | RW);
    expect(outcome(machine)).toBe('halted');
    expect([0, 3, 6, 7].map((index) => machine.state.gpr[index])).toEqual([1n, 2n, 1n, 2n]);
    expect(machine.state.quad(OFFSET.cr3)).toBe(TABLES);
  });

  test('INVPCID forgets what its type says', () => {
    for (const [type, left] of [[0, [2n, 1n]], [1, [2n, 2n]], [2, [2n, 2n]], [3, [2n, 2n]]] as const) {
      const { machine, tables, program } = paged(`mov rax, [${DATA}]\n mov rbx, [${DATA + 0x1000n}]\n mov ecx, ${type}\n invpcid rcx, [descriptor]\n mov rax, [${DATA}]\n mov rbx, [${DATA + 0x1000n}]\n hlt\n align 16\ndescriptor: dq 0, ${DATA}`, '4-level');
      machine.memory.map(FRAME, 0x2000);
      machine.memory.write(FRAME, 8, 1n);
      machine.memory.write(FRAME + 0x1000n, 8, 2n);
      for (const page of [DATA, DATA + 0x1000n]) tables.map(page, FRAME, P | RW);
      machine.step();
      machine.step();
      for (const page of [DATA, DATA + 0x1000n]) tables.map(page, FRAME + 0x1000n, P | RW);
      expect(outcome(machine), symbol(program, 'descriptor').toString(16)).toBe('halted');
      expect([0, 3].map((index) => machine.state.gpr[index]), `type ${type}`).toEqual(left);
    }
  });

  test.each([['type 4', 4n, 0n, 0n], ['an identifier without CR4.PCIDE', 0n, 1n, 0n], ['reserved bits', 2n, 0x1000n, 0n], ['an address that is not canonical', 0n, 0n, 1n << 63n]])(
    'INVPCID with %s is #GP(0)', (_, type, low, high) => {
      const { machine } = paged(`mov rcx, ${type}\n invpcid rcx, [descriptor]\n hlt\n align 16\ndescriptor: dq ${low}, ${high}`, '4-level');
      expect(outcome(machine)).toBe('#GP(0)');
    });
});

describe('decoded code follows its bytes and its mapping', () => {
  test('code changed through another linear address of the same frame is seen at once', () => {
    const { machine, tables } = paged(`mov rbx, ${DATA}\n mov rsi, ${DATA + 0x1000n}\n call rbx\n mov byte ptr [rsi+1], 7\n call rbx\n hlt`, '4-level');
    machine.memory.map(FRAME, 0x1000);
    machine.memory.writeBytes(FRAME, Uint8Array.of(0xb0, 1, 0x48, 0x01, 0xc1, 0xc3)); // mov al, 1; add rcx, rax; ret
    tables.map(DATA, FRAME, P | RW);
    tables.map(DATA + 0x1000n, FRAME, P | RW);
    expect(outcome(machine)).toBe('halted');
    expect(machine.state.gpr[1]).toBe(8n);
  });

  test('another mapping of the same linear address brings other code', () => {
    const source = `mov rbx, ${DATA}\n call rbx\n mov esi, eax\n mov dword ptr [rcx], ${Number(FRAME) + 0x1003}\n invlpg [rbx]\n call rbx\n hlt`;
    const { machine, tables } = paged(source, '4-level');
    machine.memory.map(FRAME, 0x2000);
    machine.memory.writeBytes(FRAME, Uint8Array.of(0xb0, 1, 0xc3)); // mov al, 1; ret
    machine.memory.writeBytes(FRAME + 0x1000n, Uint8Array.of(0xb0, 2, 0xc3));
    tables.map(DATA, FRAME, P | RW);
    machine.state.gpr[1] = tables.entry(DATA);
    expect(outcome(machine)).toBe('halted');
    expect([6, 0].map((index) => machine.state.gpr[index])).toEqual([1n, 2n]);
  });
});

// Found in review: a translation from the TLB set the accessed bits again, in whatever its tables' memory had become.
test('a translation from the TLB does not touch the paging structures', () => {
  const { machine, tables } = paged(`mov eax, [${DATA}]\n mov rcx, cr0\n mov cr0, rcx\n mov eax, [${DATA}]\n invlpg [${DATA}]\n mov eax, [${DATA}]\n hlt`, '4-level');
  machine.memory.map(FRAME, 0x1000);
  tables.map(DATA, FRAME, P | RW);
  const entry = tables.entry(DATA);
  machine.step();
  expect(tables.read(entry)).toBe(FRAME | P | RW | A);
  tables.write(entry, FRAME | P | RW);
  for (let n = 0; n < 3; n++) machine.step();
  expect(tables.read(entry)).toBe(FRAME | P | RW);
  expect(outcome(machine)).toBe('halted');
  expect(tables.read(entry)).toBe(FRAME | P | RW | A);
});

test('a device answers at its physical addresses, through paging, with the processor that asks', () => {
  const { machine, tables } = paged(`mov eax, [${DATA + 0x20n}]\n mov dword ptr [${DATA + 0x30n}], 9\n hlt`, '4-level');
  const seen: unknown[] = [];
  machine.memory.attach(0xfee0_0000n, 0x1000, {
    read: (offset, bytes, processor) => { seen.push(['read', offset, bytes, processor]); return 0x1234_5678n; },
    write: (offset, bytes, value, processor) => { seen.push(['write', offset, bytes, value, processor]); },
  });
  tables.map(DATA, 0xfee0_0000n, P | RW);
  expect(outcome(machine)).toBe('halted');
  expect(machine.state.gpr[0]).toBe(0x1234_5678n);
  expect(seen).toEqual([['read', 0x20, 4, 0], ['write', 0x30, 4, 9n, 0]]);
});

test('a snapshot holds the TLB: what was stale is stale again', () => {
  const { machine, tables } = paged(`mov eax, [${DATA}]\n nop\n mov ebx, [${DATA}]\n hlt`, '4-level');
  machine.memory.map(FRAME, 0x2000);
  machine.memory.write(FRAME + 0x1000n, 4, 2n);
  tables.map(DATA, FRAME, P | RW);
  machine.step();
  const before = machine.snapshot();
  tables.map(DATA, FRAME + 0x1000n, P | RW);
  machine.paging.invalidate({ kind: 'all' });
  machine.run();
  expect(machine.state.gpr[3]).toBe(2n);
  machine.restore(before);
  expect(machine.memory.read(tables.entry(DATA), 8) & ~0xfffn).toBe(FRAME);
  machine.memory.write(tables.entry(DATA), 8, (FRAME + 0x1000n) | P | RW);
  machine.run();
  expect(machine.state.gpr[3]).toBe(0n);
});
