import { Machine, asm64, cpus, symbol } from 'hidden-state';
import { expect, test } from 'vitest';

test('the wide form and FNSTENV together hold all four pointers', () => {
  const program = asm64`
        fninit
        fld      qword ptr [value]
        fxsave64 [area]
        fnstenv  [environment]
        hlt
value:  dq 1.0
        align 16
area:   resb 512
environment: resb 28
`;
  const machine = new Machine(program, { cpu: cpus.ivyBridge });
  machine.run();
  const area = symbol(program, 'area'), environment = symbol(program, 'environment');
  expect(machine.memory.read(area + 8n, 8)).toBe(program.listing[1]!.address);
  expect(machine.memory.read(area + 16n, 8)).toBe(symbol(program, 'value'));
  expect(machine.memory.read(environment + 16n, 2)).toBe(0x10n);
  expect(machine.memory.read(environment + 24n, 2)).toBe(0x2bn);
});
