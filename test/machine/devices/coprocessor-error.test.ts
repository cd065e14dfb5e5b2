import { Pc, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';

/** A boot sector with CR0.NE = 0, IRQ 13 at vector 75h, and a division by zero that is not masked. */
const sector = (body: string): Pc => new Pc({
  cpu: cpus.ivyBridge,
  program: assemble(`
        xor    ax, ax
        mov    ds, ax
        mov    word ptr [0x75*4], handler
        mov    word ptr [0x75*4+2], ax
        mov    al, 0xdf
        out    0xa1, al
        mov    al, 0xfb
        out    0x21, al
        fninit
        fldcw  [control]
        fld1
        fldz
${body}
        cli
        hlt
handler:
        push   bp
        mov    bp, sp
        mov    dx, [bp+2]
        pop    bp
        inc    bx
        out    0xf0, al
        fwait
        fld1
        fnstsw [seen]
        fnclex
        mov    al, 0x20
        out    0xa0, al
        out    0x20, al
        iret
        align  2
control: dw    0x37b
seen:   dw     0
`, { mode: 16, origin: 0x7c00n }),
});

const run = (body: string, limit = 1000) => {
  const pc = sector(body);
  const { reason } = pc.run({ limit });
  const [processor] = pc.processors;
  return { pc, reason, bx: processor!.state.gpr[3]!, dx: processor!.state.gpr[2]!, state: processor!.state, ip: processor!.state.rip };
};

describe('CR0.NE = 0: FERR#, IRQ 13, port F0h and IGNNE#', () => {
  test('an exception raises IRQ 13; in its handler a write to F0h lets waiting instructions go on', () => {
    const { pc, reason, bx, state } = run('sti\n fdivp\n nop\n nop\n fwait\n');
    expect(reason).toBe('halted');
    expect(bx).toBe(1n);
    expect(state.fsw & 0x80ff).toBe(0);
    expect(pc.board.coprocessorError.snapshot()).toEqual({ error: 0, requested: false, ignored: false });
  });

  test('without interrupts the next waiting instruction waits for ever, and does nothing', () => {
    const { pc, reason, bx, state, ip } = run('cli\n fdivp\n mov si, 7\n fld1\n mov si, 8\n');
    expect(reason).toBe('limit');
    expect([bx, state.gpr[6]]).toEqual([0n, 7n]);
    expect(pc.processors[0]!.decodeAt(ip).definition.mnemonic).toBe('FLD1');
    expect((state.fsw >> 11) & 7).toBe(6);
  });

  test('an instruction that waits is where the handler returns to, and is executed then', () => {
    // The request comes while IF is 0; STI shadows the instruction behind it, which waits.
    const { bx, dx, state, reason, pc } = run('cli\n fdivp\n sti\n fld1\n');
    expect([bx, reason]).toEqual([1n, 'halted']);
    expect(pc.processors[0]!.decodeAt(dx).definition.mnemonic).toBe('FLD1');
    // Two operands of the division, FLD1 of the handler, FLD1 behind it.
    expect((state.fsw >> 11) & 7).toBe(4);
  });

  test('instructions that do not wait go on', () => {
    const { reason, state } = run('cli\n fdivp\n fnstsw ax\n fnclex\n fwait\n');
    expect(reason).toBe('halted');
    expect(Number(state.gpr[0]! & 0x84n)).toBe(0x84);
  });

  test('IGNNE# is asserted from a write to F0h until FERR# goes away', () => {
    const { reason, state, pc } = run('cli\n fdivp\n out 0xf0, al\n fwait\n fld1\n fnclex\n fldz\n fdivp\n fwait\n', 200);
    expect(reason).toBe('limit');
    expect(pc.processors[0]!.decodeAt(state.rip).definition.mnemonic).toBe('FWAIT');
  });

  test('a write to F0h without an exception asserts nothing', () => {
    expect(run('cli\n out 0xf0, al\n fdivp\n fwait\n', 200).reason).toBe('limit');
  });

  test('FXRSTOR of a state without an exception takes FERR# back, and setting CR0.NE as well', () => {
    const { pc } = run('cli\n fxsave [0x8000]\n fdivp\n fxrstor [0x8000]\n fwait\n');
    expect(pc.board.coprocessorError.snapshot().error).toBe(0);
    const other = run('cli\n fdivp\n mov eax, cr0\n or al, 0x20\n mov cr0, eax\n');
    expect(other.pc.board.coprocessorError.snapshot().error).toBe(0);
  });

  test('RESET takes FERR# back; INIT, which clears CR0.NE and leaves the x87 unit alone, lets it go up', () => {
    const { pc } = run('cli\n fdivp\n');
    pc.processors[0]!.reset();
    expect(pc.board.coprocessorError.snapshot().error).toBe(0);
    const other = run('cli\n mov eax, cr0\n or al, 0x20\n mov cr0, eax\n fdivp\n');
    expect(other.pc.board.coprocessorError.snapshot().error).toBe(0);
    other.pc.processors[0]!.init();
    expect(other.pc.board.coprocessorError.snapshot().error).toBe(1);
  });

  test('a snapshot holds the latch', () => {
    const { pc } = run('cli\n fdivp\n');
    const copy = sector('');
    copy.restore(pc.snapshot());
    expect(copy.board.coprocessorError.snapshot()).toEqual({ error: 1, requested: true, ignored: false });
  });
});
