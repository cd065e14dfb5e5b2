/** x87 exceptions with CR0.NE = 0: FERR#, IRQ 13, port F0h and IGNNE#; and #MF with CR0.NE = 1 beside it. */

import { type BochsCase, bochsCase } from '../case.ts';

/** Slave IRR into the record's next place; AL is lost. */
const request = (place: 'seen' | 'again'): string => `
        mov    al, 0x0a
        out    0xa0, al
        in     al, 0xa0
        mov    [${place}], al`;
const native = `
        mov    eax, cr0
        or     al, 0x20
        mov    cr0, eax`;

/**
 * Each begins with 1 and 0 on the stack, a division by zero unmasked, interrupts off, no exception and no request, and
 * SI = 0. None has an instruction wait while interrupts are off, which would be for ever.
 */
const ATTEMPTS: Readonly<Record<string, string>> = {
  'fdivp, interrupts on': 'sti\n fdivp\n nop\n nop\n fwait\n nop',
  'fdivp, interrupts off': `fdivp${request('seen')}\n fnclex${request('again')}`,
  'fld1 waits': `fdivp${request('seen')}\n sti\n fld1\n inc si`,
  'fwait waits': 'fdivp\n sti\n fwait\n inc si',
  'movq mm0, mm1 waits': 'fdivp\n sti\n movq mm0, mm1\n inc si',
  'fnstsw, fnstcw and fnclex do not wait': 'fdivp\n fnstsw [scratch]\n fnstcw [scratch]\n fnclex\n inc si\n fwait\n inc si',
  'out 0xf0 takes the request back, and fld1 goes on': `fdivp\n out 0xf0, al${request('seen')}\n fld1\n inc si\n fwait\n inc si${request('again')}`,
  'out 0xf0 without an exception': 'out 0xf0, al\n sti\n fdivp\n nop\n fwait\n nop',
  'out 0xf0, fnclex, and another exception': `fdivp\n out 0xf0, al\n fnclex\n fld1\n fldz\n sti\n fdivp\n nop\n fwait${request('seen')}`,
  'a handler that leaves the exception pending': 'mov byte ptr [keep], 1\n sti\n fdivp\n nop\n fld1\n inc si\n fwait\n inc si',
  'fldcw that unmasks': 'fldcw [masked]\n fdivp\n sti\n fldcw [control]\n nop\n nop\n fwait\n nop',
  'CR0.NE = 1': `${native}\n sti\n fdivp\n nop\n fwait\n inc si`,
  'CR0.NE = 1 with an exception pending': `fdivp${native}\n nop\n fwait\n inc si`,
};

const FIELDS = 16;
const names = Object.keys(ATTEMPTS);
/** Interrupts, where the first came, FSW there; #MFs; SI; the slave's IRR as looked at; FSW and FTW at the end. */
const attempts = Object.values(ATTEMPTS).map((body, n) => `
        mov    word ptr [base], here_${n}
        call   prepare
here_${n}:
${body}
        call   note`).join('\n');

export const COPROCESSOR_ERROR: BochsCase = bochsCase({
  name: 'coprocessor-error',
  title: 'FERR#, IRQ 13, port F0h and IGNNE#',
  memory: { records: { at: 'records', bytes: FIELDS * names.length, records: { bytes: FIELDS, names } } },
  text: `
        xor    ax, ax
        mov    word ptr [0x75 * 4], interrupt
        mov    word ptr [0x75 * 4 + 2], ax
        mov    word ptr [0x10 * 4], error
        mov    word ptr [0x10 * 4 + 2], ax
        mov    di, records
${attempts}
        point the end
        finish

; a processor without a request or an exception, and the record's fields
prepare:
        cli
        mov    eax, cr0
        and    al, 0xd9
        mov    cr0, eax
        fninit
        mov    al, 0x11
        out    0x20, al
        out    0xa0, al
        mov    al, 8
        out    0x21, al
        mov    al, 0x70
        out    0xa1, al
        mov    al, 4
        out    0x21, al
        mov    al, 2
        out    0xa1, al
        mov    al, 1
        out    0x21, al
        out    0xa1, al
        mov    al, 0xfb
        out    0x21, al
        mov    al, 0xdf
        out    0xa1, al
        out    0xf0, al
        xor    ax, ax
        mov    [count], ax
        mov    [place], ax
        mov    [status], ax
        mov    [errors], ax
        mov    [seen], ax
        mov    [keep], al
        xor    si, si
        fldcw  [control]
        fld1
        fldz
        ret

note:
        cli
        mov    ax, [count]
        mov    [di], ax
        mov    ax, [place]
        mov    [di + 2], ax
        mov    ax, [status]
        mov    [di + 4], ax
        mov    ax, [errors]
        mov    [di + 6], ax
        mov    [di + 8], si
        mov    ax, [seen]
        mov    [di + 10], ax
        fnstsw [di + 12]
        fnclex
        fxsave [area]
        mov    ax, [area + 4]
        mov    [di + 14], ax
        add    di, ${FIELDS}
        ret

interrupt:
        push   bp
        mov    bp, sp
        push   ax
        inc    word ptr [count]
        cmp    word ptr [count], 1
        jne    later
        mov    ax, [bp + 2]
        sub    ax, [base]
        mov    [place], ax
        fnstsw [status]
later:  out    0xf0, al
        cmp    byte ptr [keep], 0
        jne    kept
        fnclex
kept:   mov    al, 0x20
        out    0xa0, al
        out    0x20, al
        pop    ax
        pop    bp
        iret

error:
        push   bp
        mov    bp, sp
        push   ax
        inc    word ptr [errors]
        mov    ax, [bp + 2]
        sub    ax, [base]
        mov    [place], ax
        fnstsw [status]
        fnclex
        pop    ax
        pop    bp
        iret

        align  2
control: dw    0x37b
masked: dw     0x37f
scratch: dw    0
base:   dw     0
count:  dw     0
place:  dw     0
status: dw     0
errors: dw     0
seen:   db     0
again:  db     0
keep:   db     0
        align  16
area:   times 512 db 0
records: times ${FIELDS * names.length} db 0
`,
});
