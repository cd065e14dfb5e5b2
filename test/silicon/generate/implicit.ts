/** Registers and memory that an instruction uses without naming them. */

import {
  type Draft, DS, ES, OPERANDS_AT, RAX, RBP, RBX, RCX, RDI, RDX, RSI, SS, STACK_AT, anySelector, baseOf, bytesOf, codeAddress, dataAddress, farTarget,
  offsetIn, putAt, stackTop,
} from './draft.ts';
import { chooseLinear, chooseOverride, segmentUsed } from './address.ts';

const ELEMENT_BYTES: Readonly<Record<string, number>> = { B: 1, W: 2, D: 4, Q: 8 };
/** Not where the register makes an address already. */
const setter = ({ special, mode }: Draft) => (register: number, value: bigint): void => {
  if (!special.has(register)) special.set(register, BigInt.asUintN(mode === 64 ? 64 : 32, value));
};

export function prepareImplicit(draft: Draft): void {
  const { form, random, addressSize, special, mode } = draft;
  const { mnemonic } = form.definition;
  const wide = mode === 64 ? 64 : 32;
  /** What an address size below the register's leaves out. */
  const junk = addressSize < wide && random.chance(0.5) ? (random.value() << BigInt(addressSize)) : 0n;
  const address = (segment: number, linear: bigint): bigint => BigInt.asUintN(wide, offsetIn(draft, segment, linear, addressSize) | junk);
  if (form.definition.repeat) {
    draft.override = chooseOverride(draft);
    const source = segmentUsed(draft, DS);
    const place = (): bigint => dataAddress(draft, random.chance(0.1) ? random.below(24) : random.chance(0.08) ? 0xff0 + random.below(16) : OPERANDS_AT + random.below(64));
    special.set(RCX, BigInt.asUintN(wide, BigInt(random.below(9)) | junk));
    special.set(RSI, address(source, place()));
    special.set(RDI, address(ES, place()));
    if (mnemonic.startsWith('CMPS') && random.chance(0.5)) special.set(RSI, BigInt.asUintN(wide, special.get(RDI)! + baseOf(draft, ES) - baseOf(draft, source)));
    if (mnemonic.startsWith('SCAS') && random.chance(0.5)) scanned(draft);
  }
  if (mnemonic.startsWith('LOOP') || form.onlyAddressSize !== undefined) special.set(RCX, BigInt.asUintN(wide, random.chance(0.7) ? BigInt(random.below(3)) | junk : random.value()));
  if (mnemonic === 'XLATB') {
    draft.override = chooseOverride(draft);
    special.set(RBX, address(segmentUsed(draft, DS), dataAddress(draft, OPERANDS_AT + random.below(64))));
  }
  // CLZERO, MONITOR and the like take an address from rAX.
  if (form.addressSized && !form.definition.repeat && form.operands.length === 0 && mnemonic !== 'XLATB') {
    draft.override = chooseOverride(draft);
    const segment = segmentUsed(draft, DS);
    special.set(RAX, address(segment, chooseLinear(draft, segment)));
  }
  if (/^V?MASKMOV(Q|DQU)$/.test(mnemonic)) {
    draft.override = chooseOverride(draft);
    const segment = segmentUsed(draft, DS);
    special.set(RDI, address(segment, chooseLinear(draft, segment)));
  }
  if (/^V?PCMPESTR/.test(mnemonic)) for (const length of [RAX, RDX]) if (random.chance(0.8)) special.set(length, BigInt.asUintN(wide, BigInt(random.below(40) - 20)));
  if (mnemonic === 'XGETBV' || mnemonic === 'XSETBV') special.set(RCX, random.chance(0.9) ? BigInt(random.below(3)) : random.value());
  // Never PKRU, which would keep the kernel's handler from our memory, nor tiles.
  if (/^X(SAVE|RSTOR)/.test(mnemonic)) {
    special.set(RAX, BigInt(random.below(256)) | (random.chance(0.2) ? 0x8000_0000n : 0n));
    special.set(RDX, random.chance(0.1) ? BigInt.asUintN(wide, random.value()) : 0n);
  }
  if (mnemonic === 'ENTER' || mnemonic === 'LEAVE') {
    const width = mode === 64 ? 64 : 32;
    setter(draft)(RBP, offsetIn(draft, SS, dataAddress(draft, STACK_AT + random.below(0x100)), width));
  }
  arithmetic(draft);
  stack(draft);
}

/** What SCAS looks for is there, now and then not at once. */
function scanned(draft: Draft): void {
  const { form, mode, random, special, addressSize } = draft;
  const bytes = ELEMENT_BYTES[form.definition.mnemonic.at(-1)!]!, value = BigInt.asUintN(mode === 64 ? 64 : 32, random.value());
  special.set(RAX, value);
  const linear = baseOf(draft, ES) + BigInt.asUintN(addressSize, special.get(RDI)!);
  putAt(draft, linear - BigInt(4 * bytes), Uint8Array.from({ length: 8 * bytes }, (_, n) => Number((value >> BigInt(8 * (n % bytes))) & 0xffn)));
}

function arithmetic(draft: Draft): void {
  const { form, random, mode, size } = draft;
  const { mnemonic } = form.definition;
  const set = setter(draft);
  if (/^I?DIV$/.test(mnemonic) && random.chance(0.7)) {
    // A dividend whose upper half is no more than a sign, so that quotients fit.
    const value = random.value(), bits = BigInt(form.operands[0]!.size === 8 ? 8 : size);
    const negative = mnemonic === 'IDIV' && (value >> (bits - 1n)) & 1n;
    if (bits === 8n) set(RAX, negative ? value | 0xff00n : value & ~0xff00n);
    else set(RAX, value);
    if (bits !== 8n) set(RDX, negative ? -1n : random.chance(0.5) ? 0n : BigInt(random.below(4)));
  }
  if (mnemonic.startsWith('CMPXCHG') && random.chance(0.5)) {
    const [low, next] = [random.value(), random.value()].map((value) => BigInt.asUintN(mode === 64 ? 64 : 32, value));
    set(RAX, low!);
    if (form.modrm === 1) set(RDX, next!);
    const half = form.modrm !== 1 ? 8 : form.rexW ? 8 : 4;
    if (draft.memory) putAt(draft, draft.linear, Uint8Array.of(...bytesOf(low!, half), ...(form.modrm === 1 ? bytesOf(next!, half) : [])));
    else set(draft.rm, low!);
  }
  if (mnemonic === 'BOUND' && random.chance(0.7)) {
    set(draft.reg, BigInt(random.below(40) - 20));
    putAt(draft, draft.linear, Uint8Array.of(...bytesOf(-15n, size / 8), ...bytesOf(14n, size / 8)));
  }
}

/** What POPF, IRET, a far return and a pop of a segment register find on the stack. */
function stack(draft: Draft): void {
  const { form, random, size } = draft;
  const { mnemonic } = form.definition;
  const top = stackTop(draft), bytes = size / 8;
  const put = (n: number, value: bigint): void => putAt(draft, top + BigInt(n * bytes), bytesOf(value, bytes));
  // Without TF: single steps are not what the record is about.
  const flags = (): bigint => random.value() & ~0x100n;
  if (mnemonic.startsWith('POPF')) put(0, flags());
  if (mnemonic === 'POP' && form.operands[0]?.file === 'segment') put(0, BigInt(anySelector(draft)) | (random.value() << 16n));
  if (mnemonic === 'RET') putAt(draft, top, bytesOf(codeAddress(draft), bytes));
  if (mnemonic === 'RETF' || mnemonic.startsWith('IRET')) {
    const { selector, offset } = farTarget(draft);
    put(0, offset);
    put(1, BigInt(selector) | (random.value() << 16n));
    // An IRET that loads AC checks the alignment of its own frame with it on Intel; Linux takes that #AC for a split lock
    // and tries again for ever.
    const alignmentCheck = top % BigInt(bytes) ? 0x4_0000n : 0n;
    if (mnemonic.startsWith('IRET')) put(2, (flags() & 0x3c_4cd5n & ~alignmentCheck) | 0x202n);
    const next = BigInt.asUintN(16, BigInt(random.below(0x100)) + BigInt(STACK_AT));
    const outer = mnemonic === 'RETF' ? 2 : 3;
    put(outer, dataAddress(draft, Number(next)));
    put(outer + 1, BigInt(random.chance(0.5) ? 0x2b : anySelector(draft)));
  }
}
