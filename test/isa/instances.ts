/** Instances of iced's codes, made by its own encoder. */

import { Encoder, Instruction, OpCodeOperandKind as Kind, OpKind, Register } from 'iced-x86';
import type { Mode } from '../../spec/src/isa/instruction.ts';
import { ADDRESS, type CodeFacts } from './iced.ts';

type Setter = (i: Instruction, n: number, variant: number, mode: Mode) => void;

const register = (first: Register, count: number, step = 1): Setter => (i, n, variant, mode) => {
  i.setOpKind(n, OpKind.Register);
  // The upper eight only where they exist; high bytes stay out, they cannot stand beside a REX prefix.
  const there = mode === 64 ? count : Math.min(count, 8);
  i.setOpRegister(n, first + ((variant * step + n * 3) % there));
};

const fixed = (which: Register): Setter => (i, n) => {
  i.setOpKind(n, OpKind.Register);
  i.setOpRegister(n, which);
};

const IMMEDIATES = [0n, 1n, 0x7fn, -0x80n, -1n, 0x55n];
const immediate = (kind: OpKind): Setter => (i, n, variant) => {
  // ENTER has two, and so do EXTRQ and INSERTQ.
  if (n > 0 && (i.opKind(n - 1) === OpKind.Immediate16 || i.opKind(n - 1) === OpKind.Immediate8)) {
    i.setOpKind(n, OpKind.Immediate8_2nd);
    i.immediate8_2nd = (variant * 7) & 0xff;
    return;
  }
  i.setOpKind(n, kind);
  const value = IMMEDIATES[variant % IMMEDIATES.length]!;
  if (kind === OpKind.Immediate64) i.immediate64 = BigInt.asUintN(64, value);
  else if (kind === OpKind.Immediate16) i.immediate16 = Number(BigInt.asUintN(16, value));
  else if (kind === OpKind.Immediate32) i.immediate32 = Number(BigInt.asUintN(32, value));
  else if (kind === OpKind.Immediate8) i.immediate8 = Number(BigInt.asUintN(8, value));
  else if (kind === OpKind.Immediate8to16) i.immediate8to16 = Number(value);
  else if (kind === OpKind.Immediate8to32) i.immediate8to32 = Number(value);
  else if (kind === OpKind.Immediate8to64) i.immediate8to64 = value;
  else i.immediate32to64 = value;
};

const branch = (kind: OpKind): Setter => (i, n, variant, mode) => {
  i.setOpKind(n, kind);
  const target = ADDRESS[mode] + [0n, 0x10n, -0x20n, 0x70n, 2n, -0x70n][variant % 6]!;
  if (kind === OpKind.NearBranch16) i.nearBranch16 = Number(target & 0xffffn);
  else if (kind === OpKind.NearBranch32) i.nearBranch32 = Number(target & 0xffff_ffffn);
  else i.nearBranch64 = target;
};

const memory: Setter = (i, n, variant, mode) => {
  i.setOpKind(n, OpKind.Memory);
  const first = mode === 64 ? Register.RAX : mode === 32 ? Register.EAX : undefined;
  if (first === undefined) {
    i.memoryBase = variant % 2 ? Register.BP : Register.BX;
    i.memoryIndex = variant % 3 ? Register.SI : Register.None;
    i.memoryDisplSize = 2;
    i.memoryDisplacement = 0x1234n;
    return;
  }
  i.memoryBase = first + ((variant * 5) % (mode === 64 ? 16 : 8));
  i.memoryIndex = variant % 3 ? first + 1 + (variant % 3) : Register.None;
  i.memoryIndexScale = [1, 2, 4, 8][variant % 4]!;
  i.memoryDisplSize = variant % 2 ? 1 : mode / 8;
  i.memoryDisplacement = variant % 2 ? 0x55n : 0x1234_5678n;
};

/** A vector of indexes; there is none with addresses of 16 bits. */
const vectorMemory = (first: Register): Setter => (i, n, variant, mode) => {
  memory(i, n, variant, mode === 16 ? 32 : mode);
  // Not the destination, and not the mask.
  i.memoryIndex = first + ((variant + 4) % (mode === 64 ? 16 : 8));
};

const offset: Setter = (i, n, variant, mode) => {
  i.setOpKind(n, OpKind.Memory);
  i.memoryDisplSize = mode / 8;
  i.memoryDisplacement = BigInt.asUintN(mode, 0x1234_5678_9abc_def0n >> BigInt(variant));
};

const either = (first: Register): Setter => (i, n, variant, mode) =>
  (variant % 2 ? memory : register(first, 16))(i, n, variant, mode);

const STRING: Readonly<Record<Mode, readonly [OpKind, OpKind]>> = {
  16: [OpKind.MemoryESDI, OpKind.MemorySegSI], 32: [OpKind.MemoryESEDI, OpKind.MemorySegESI],
  64: [OpKind.MemoryESRDI, OpKind.MemorySegRSI],
};
const string = (which: 0 | 1): Setter => (i, n, _, mode) => i.setOpKind(n, STRING[mode][which]);

const table: Setter = (i, n, _, mode) => {
  i.setOpKind(n, OpKind.Memory);
  i.memoryBase = { 16: Register.BX, 32: Register.EBX, 64: Register.RBX }[mode];
  i.memoryIndex = Register.AL;
};

const byte: Setter = (i, n, variant) => fixed([Register.AL, Register.CL, Register.DL,
  Register.BL][(variant + n) % 4]!)(i, n, variant, 64);

const SETTERS: Readonly<Partial<Record<Kind, Setter>>> = {
  [Kind.mem_offs]: offset, [Kind.mem]: memory,
  [Kind.r8_or_mem]: (i, n, variant, mode) => (variant % 2 ? memory : byte)(i, n, variant, mode),
  [Kind.r16_or_mem]: either(Register.AX), [Kind.r32_or_mem]: either(Register.EAX),
  [Kind.r64_or_mem]: either(Register.RAX),
  [Kind.xmm_or_mem]: either(Register.XMM0),
  [Kind.mm_or_mem]: (i, n, variant, mode) => (variant % 2 ? memory : register(Register.MM0, 8))(i, n, variant, mode),
  [Kind.r8_reg]: byte, [Kind.r8_opcode]: byte,
  [Kind.r16_reg]: register(Register.AX, 16), [Kind.r32_reg]: register(Register.EAX, 16),
  [Kind.r64_reg]: register(Register.RAX, 16),
  [Kind.r32_vvvv]: register(Register.EAX, 16), [Kind.r64_vvvv]: register(Register.RAX, 16),
  [Kind.r16_rm]: register(Register.AX, 16), [Kind.r32_rm]: register(Register.EAX, 16),
  [Kind.r64_rm]: register(Register.RAX, 16),
  [Kind.r16_opcode]: register(Register.CX, 7), [Kind.r32_opcode]: register(Register.ECX, 7),
  [Kind.r64_opcode]: register(Register.RCX, 15),
  [Kind.xmm_reg]: register(Register.XMM0, 16), [Kind.xmm_rm]: register(Register.XMM0, 16),
  [Kind.mm_reg]: register(Register.MM0, 8), [Kind.mm_rm]: register(Register.MM0, 8),
  [Kind.xmm_vvvv]: register(Register.XMM0, 16), [Kind.xmm_is4]: register(Register.XMM0, 16),
  [Kind.ymm_or_mem]: either(Register.YMM0), [Kind.ymm_reg]: register(Register.YMM0, 16),
  [Kind.ymm_rm]: register(Register.YMM0, 16), [Kind.ymm_vvvv]: register(Register.YMM0, 16),
  [Kind.ymm_is4]: register(Register.YMM0, 16),
  [Kind.r32_or_mem_mpx]: either(Register.EAX), [Kind.r64_or_mem_mpx]: either(Register.RAX),
  [Kind.mem_vsib32x]: vectorMemory(Register.XMM0), [Kind.mem_vsib64x]: vectorMemory(Register.XMM0),
  [Kind.mem_vsib32y]: vectorMemory(Register.YMM0), [Kind.mem_vsib64y]: vectorMemory(Register.YMM0),
  [Kind.seg_reg]: (i, n, variant, mode) => fixed([Register.ES, Register.SS, Register.DS, Register.FS,
    Register.GS][variant % 5]!)(i, n, variant, mode),
  [Kind.cr_reg]: (i, n, variant, mode) => fixed([Register.CR0, Register.CR2, Register.CR3,
    Register.CR4][variant % 4]!)(i, n, variant, mode),
  [Kind.dr_reg]: register(Register.DR0, 8), [Kind.tr_reg]: register(Register.TR0, 8),
  [Kind.es]: fixed(Register.ES), [Kind.cs]: fixed(Register.CS), [Kind.ss]: fixed(Register.SS),
  [Kind.ds]: fixed(Register.DS),
  [Kind.fs]: fixed(Register.FS), [Kind.gs]: fixed(Register.GS), [Kind.al]: fixed(Register.AL),
  [Kind.cl]: fixed(Register.CL),
  [Kind.ax]: fixed(Register.AX), [Kind.dx]: fixed(Register.DX), [Kind.eax]: fixed(Register.EAX),
  [Kind.rax]: fixed(Register.RAX),
  [Kind.st0]: fixed(Register.ST0), [Kind.sti_opcode]: register(Register.ST0, 8),
  [Kind.imm8]: immediate(OpKind.Immediate8), [Kind.imm16]: immediate(OpKind.Immediate16),
  [Kind.imm32]: immediate(OpKind.Immediate32),
  [Kind.imm64]: immediate(OpKind.Immediate64), [Kind.imm8sex16]: immediate(OpKind.Immediate8to16),
  [Kind.imm8sex32]: immediate(OpKind.Immediate8to32), [Kind.imm8sex64]: immediate(OpKind.Immediate8to64),
  [Kind.imm32sex64]: immediate(OpKind.Immediate32to64),
  [Kind.imm8_const_1]: (i, n) => {
    i.setOpKind(n, OpKind.Immediate8);
    i.immediate8 = 1;
  },
  [Kind.seg_rDI]: (i, n, _, mode) => i.setOpKind(n, { 16: OpKind.MemorySegDI, 32: OpKind.MemorySegEDI, 64: OpKind.MemorySegRDI }[mode]),
  [Kind.seg_rBX_al]: table, [Kind.seg_rSI]: string(1), [Kind.es_rDI]: string(0),
  [Kind.br16_1]: branch(OpKind.NearBranch16), [Kind.br32_1]: branch(OpKind.NearBranch32),
  [Kind.br64_1]: branch(OpKind.NearBranch64),
  [Kind.br16_2]: branch(OpKind.NearBranch16), [Kind.br32_4]: branch(OpKind.NearBranch32),
  [Kind.br64_4]: branch(OpKind.NearBranch64),
  [Kind.farbr2_2]: (i, n) => i.setOpKind(n, OpKind.FarBranch16),
  [Kind.farbr4_2]: (i, n) => i.setOpKind(n, OpKind.FarBranch32),
};

/** Different instances of one code. */
export const VARIANTS = 12;

/** Bytes of instance `variant` of `code`. Throws when iced cannot encode it. */
export function instanceOf({ code, operandKinds }: CodeFacts, mode: Mode, variant: number): Uint8Array {
  const encoder = new Encoder(mode);
  const i = new Instruction();
  try {
    i.code = code;
    for (const [n, kind] of operandKinds.entries()) {
      const set = SETTERS[kind as Kind];
      if (!set) throw new TypeError(`no way to make an operand of kind ${Kind[kind]}`);
      set(i, n, variant, mode);
    }
    encoder.encode(i, ADDRESS[mode]);
    return encoder.takeBuffer();
  } finally {
    encoder.free();
    i.free();
  }
}
