/*
 * Captures SSE, FMA and F16C results from the processor it runs on, as the vectors that simd-vectors.test.ts replays.
 *
 *   cc -O2 -ffp-contract=off -o capture-simd capture-simd.c
 *   ./capture-simd <seed> <count> | gzip -9n > simd-vectors.bin.gz
 *
 * Output: one line of JSON (processor, seed, count, names of the operations), then the records, of 71 bytes each:
 *   0  operation     index into the header's list
 *   1  immediate     of the operations that have one, else 0
 *   2  MXCSR before  2 bytes
 *   4  first         16 bytes: XMM0 before; where it is no operand it is there to be kept
 *   20 second        16 bytes: XMM1; its low 8 bytes are RAX too
 *   36 third         16 bytes: XMM2
 *   52 MXCSR after   2 bytes: as #XM found it where that was raised
 *   54 trapped       1 where #XM was raised
 *   55 result        16 bytes: XMM0 after, or RAX after, or CF, PF, AF, ZF, SF and OF after
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <xmmintrin.h>
#include "operands.h"

enum kind { f16, f32, f64, i32, i64 };
enum result { xmm, rax, flags };

/* Name, what the lanes of its operands are, where its result is, greatest immediate (or 0), machine code. */
static const struct operation {
  const char *name;
  enum kind kind;
  enum result result;
  unsigned immediates;
  const char *code;
} operations[] = {
#define PACKED(name, opcode) \
  { name "ps", f32, xmm, 0, "0F " opcode " C1" }, { name "pd", f64, xmm, 0, "66 0F " opcode " C1" }
  PACKED("add", "58"), PACKED("mul", "59"), PACKED("sub", "5C"), PACKED("min", "5D"), PACKED("div", "5E"),
  PACKED("max", "5F"), PACKED("sqrt", "51"),
  { "addsubps", f32, xmm, 0, "F2 0F D0 C1" }, { "addsubpd", f64, xmm, 0, "66 0F D0 C1" },
  { "haddps", f32, xmm, 0, "F2 0F 7C C1" }, { "haddpd", f64, xmm, 0, "66 0F 7C C1" },
  { "hsubps", f32, xmm, 0, "F2 0F 7D C1" }, { "hsubpd", f64, xmm, 0, "66 0F 7D C1" },
  { "cmpps", f32, xmm, 32, "C5 F8 C2 C1" }, { "cmppd", f64, xmm, 32, "C5 F9 C2 C1" },
  { "comiss", f32, flags, 0, "0F 2F C1" }, { "comisd", f64, flags, 0, "66 0F 2F C1" },
  { "ucomiss", f32, flags, 0, "0F 2E C1" }, { "ucomisd", f64, flags, 0, "66 0F 2E C1" },
  { "cvtps2pd", f32, xmm, 0, "0F 5A C1" }, { "cvtpd2ps", f64, xmm, 0, "66 0F 5A C1" },
  { "cvtdq2ps", i32, xmm, 0, "0F 5B C1" }, { "cvtdq2pd", i32, xmm, 0, "F3 0F E6 C1" },
  { "cvtps2dq", f32, xmm, 0, "66 0F 5B C1" }, { "cvttps2dq", f32, xmm, 0, "F3 0F 5B C1" },
  { "cvtpd2dq", f64, xmm, 0, "F2 0F E6 C1" }, { "cvttpd2dq", f64, xmm, 0, "66 0F E6 C1" },
  { "cvtsi2ss32", i32, xmm, 0, "F3 0F 2A C0" }, { "cvtsi2ss64", i64, xmm, 0, "F3 48 0F 2A C0" },
  { "cvtsi2sd64", i64, xmm, 0, "F2 48 0F 2A C0" },
  { "cvtss2si32", f32, rax, 0, "F3 0F 2D C1" }, { "cvtss2si64", f32, rax, 0, "F3 48 0F 2D C1" },
  { "cvttss2si32", f32, rax, 0, "F3 0F 2C C1" }, { "cvttss2si64", f32, rax, 0, "F3 48 0F 2C C1" },
  { "cvtsd2si32", f64, rax, 0, "F2 0F 2D C1" }, { "cvtsd2si64", f64, rax, 0, "F2 48 0F 2D C1" },
  { "cvttsd2si32", f64, rax, 0, "F2 0F 2C C1" }, { "cvttsd2si64", f64, rax, 0, "F2 48 0F 2C C1" },
  { "roundps", f32, xmm, 16, "66 0F 3A 08 C1" }, { "roundpd", f64, xmm, 16, "66 0F 3A 09 C1" },
  { "dpps", f32, xmm, 256, "66 0F 3A 40 C1" }, { "dppd", f64, xmm, 256, "66 0F 3A 41 C1" },
  { "rcpps", f32, xmm, 0, "0F 53 C1" }, { "rsqrtps", f32, xmm, 0, "0F 52 C1" },
  { "vcvtph2ps", f16, xmm, 0, "C4 E2 79 13 C1" }, { "vcvtps2ph", f32, xmm, 8, "C4 E3 79 1D C8" },
#define FMA(name, opcode) \
  { "v" name "ps", f32, xmm, 0, "C4 E2 71 " opcode " C2" }, { "v" name "pd", f64, xmm, 0, "C4 E2 F1 " opcode " C2" }
  FMA("fmadd132", "98"), FMA("fmadd213", "A8"), FMA("fmadd231", "B8"), FMA("fmsub132", "9A"), FMA("fmsub213", "AA"),
  FMA("fmsub231", "BA"), FMA("fnmadd132", "9C"), FMA("fnmadd213", "AC"), FMA("fnmadd231", "BC"),
  FMA("fnmsub132", "9E"), FMA("fnmsub213", "AE"), FMA("fnmsub231", "BE"), FMA("fmaddsub132", "96"),
  FMA("fmsubadd213", "A7"),
};

#define OPERATION_COUNT (sizeof(operations) / sizeof(operations[0]))

static struct {
  uint8_t first[16], second[16], third[16], xmm0[16];
  uint32_t mxcsr, unused;
  uint64_t rax, rflags;
} state;

/* MOVUPS XMM0 to XMM2, MOV RAX, LDMXCSR; behind the instruction, all is stored. RDI points to `state`. */
static const uint8_t before[] = {
  0x0F, 0x10, 0x07, 0x0F, 0x10, 0x4F, 0x10, 0x0F, 0x10, 0x57, 0x20, 0x48, 0x8B, 0x47, 0x10, 0x0F, 0xAE, 0x57, 0x40,
};
static const uint8_t after[] = {
  0x0F, 0x11, 0x47, 0x30, 0x0F, 0xAE, 0x5F, 0x40, 0x48, 0x89, 0x47, 0x48, 0x9C, 0x58, 0x48, 0x89, 0x47, 0x50, 0xC3,
};

static uint8_t *code, *resume[OPERATION_COUNT];
static volatile int trapped;
static volatile uint32_t mxcsr_of_trap;
static unsigned current;

static void on_fpe(int signal, siginfo_t *info, void *context) {
  ucontext_t *at = context;
  (void)signal, (void)info;
  trapped = 1;
  mxcsr_of_trap = at->uc_mcontext.fpregs->mxcsr;
  at->uc_mcontext.fpregs->mxcsr = 0x1F80;
  at->uc_mcontext.gregs[REG_RIP] = (greg_t)resume[current];
}

#define ROOM 64

static void assemble(unsigned index) {
  uint8_t *at = code + ROOM * index;
  memcpy(at, before, sizeof before);
  at += sizeof before;
  for (const char *text = operations[index].code; *text; text += text[2] ? 3 : 2) {
    *at++ = (uint8_t)strtoul(text, 0, 16);
  }
  if (operations[index].immediates) *at++ = 0;
  resume[index] = at;
  memcpy(at, after, sizeof after);
}

static uint64_t random_pattern(int fraction_bits, int exponent_bits) {
  return random_float(fraction_bits, exponent_bits).significand;
}

/* A second or third float that meets the first: equal, opposite, near in exponent, or with the result at a limit. */
static uint64_t partner(uint64_t a, int fraction_bits, int exponent_bits) {
  uint64_t b = random_pattern(fraction_bits, exponent_bits), greatest = (1ull << exponent_bits) - 1;
  int64_t bias = greatest >> 1, exponent = a >> fraction_bits & greatest, other;
  switch (below(10)) {
    case 0: other = exponent + (int)below(2 * fraction_bits) - fraction_bits; break;
    case 1: other = exponent + (int)below(5) - 2; break;
    case 2: other = bias - exponent + (int)below(fraction_bits + 6) - fraction_bits - 3; break; /* tiny product */
    case 3: other = greatest - 1 + bias - exponent + (int)below(5) - 2; break;                  /* huge product */
    case 4: other = exponent + bias + (int)below(fraction_bits + 6) - 3; break;                 /* tiny quotient */
    case 5: other = exponent - bias + (int)below(5) - 2; break;                                 /* huge quotient */
    case 6: return a ^ (below(2) ? 0 : 1ull << (fraction_bits + exponent_bits)) ^ (below(2) ? 0 : random64() & 7);
    default: return b;
  }
  if (other < 0 || other > (int64_t)greatest) return b;
  return (b & ~(greatest << fraction_bits)) | (uint64_t)other << fraction_bits;
}

/* What cancels or nearly cancels the product of two others, in half of the cases. */
static uint64_t addend(uint64_t a, uint64_t b, enum kind kind) {
  if (kind == f32) {
    uint32_t x = a, y = b, bits;
    float fx, fy, product;
    memcpy(&fx, &x, 4), memcpy(&fy, &y, 4);
    product = fx * fy;
    memcpy(&bits, &product, 4);
    return below(2) ? partner(bits, 23, 8) : bits ^ 1u << 31;
  }
  double fx, fy, product;
  uint64_t bits;
  memcpy(&fx, &a, 8), memcpy(&fy, &b, 8);
  product = fx * fy;
  memcpy(&bits, &product, 8);
  return below(2) ? partner(bits, 52, 11) : bits ^ 1ull << 63;
}

/* At a limit of the 32-bit or 64-bit integers, more or less. */
static uint64_t integer_limit(int fraction_bits, int exponent_bits) {
  uint64_t bias = (1ull << (exponent_bits - 1)) - 1, exponent = bias + (below(2) ? 30 : 62) + below(3);
  uint64_t fraction = random_significand() << 1 >> (64 - fraction_bits);
  if (below(3)) exponent = bias - 2 + below(fraction_bits + 4);
  return (uint64_t)below(2) << (fraction_bits + exponent_bits) | exponent << fraction_bits | fraction;
}

static void random_lane(enum kind kind, uint64_t *a, uint64_t *b, uint64_t *c) {
  int fraction_bits = kind == f16 ? 10 : kind == f32 ? 23 : 52;
  int exponent_bits = kind == f16 ? 5 : kind == f32 ? 8 : 11;
  if (kind == i32 || kind == i64) {
    *a = random64();
    *b = random_integer(kind == i32 ? 32 : 64).significand;
    *c = random64();
    return;
  }
  *a = random_pattern(fraction_bits, exponent_bits);
  *b = below(4) ? partner(*a, fraction_bits, exponent_bits) : integer_limit(fraction_bits, exponent_bits);
  *c = random_pattern(fraction_bits, exponent_bits);
  if (kind != f16 && below(2)) {
    switch (below(3)) {
      case 0: *c = addend(*a, *b, kind); break;
      case 1: *b = addend(*a, *c, kind); break;
      default: *a = addend(*b, *c, kind); break;
    }
  }
}

/* Bits 5:0 are what was there before: flags that stay. */
static uint32_t random_mxcsr(void) {
  uint32_t masks = 0x3F;
  switch (below(4)) {
    case 0: masks ^= 1u << below(6); break;
    case 1: masks = below(64); break;
  }
  uint32_t flush = below(3) ? 0 : 0x8000, zeros = below(3) ? 0 : 0x40;
  return masks << 7 | flush | zeros | below(4) << 13 | (below(4) ? 0 : below(64));
}

static void capture(unsigned index) {
  const struct operation *operation = &operations[index];
  int bytes = operation->kind == f16 ? 2 : operation->kind == f32 || operation->kind == i32 ? 4 : 8;
  for (int at = 0; at < 16; at += bytes) {
    uint64_t a, b, c;
    random_lane(operation->kind, &a, &b, &c);
    memcpy(state.first + at, &a, bytes), memcpy(state.second + at, &b, bytes), memcpy(state.third + at, &c, bytes);
  }
  uint16_t mxcsr = state.mxcsr = random_mxcsr();
  uint8_t immediate = operation->immediates ? below(operation->immediates) : 0;
  if (operation->immediates) resume[index][-1] = immediate;
  current = index;
  trapped = 0;
  ((void (*)(void *))(code + ROOM * index))(&state);
  _mm_setcsr(0x1F80);
  uint16_t mxcsr_after = trapped ? mxcsr_of_trap : state.mxcsr;
  uint64_t result[2] = { operation->result == rax ? state.rax : state.rflags & 0x8D5, 0 };
  if (operation->result == xmm) memcpy(result, state.xmm0, 16);
  uint8_t record[71] = { index, immediate };
  memcpy(record + 2, &mxcsr, 2);
  memcpy(record + 4, state.first, 48);
  memcpy(record + 52, &mxcsr_after, 2);
  record[54] = trapped;
  memcpy(record + 55, result, 16);
  fwrite(record, sizeof record, 1, stdout);
}

static void header(uint64_t seed, long count) {
  unsigned a, b, c, d, leaf1 = 0, vendor[4] = { 0 };
  __get_cpuid(0, &a, &vendor[0], &vendor[2], &vendor[1]);
  __get_cpuid(1, &leaf1, &b, &c, &d);
  unsigned family = leaf1 >> 8 & 15, model = leaf1 >> 4 & 15;
  if (family == 6 || family == 15) model |= (leaf1 >> 16 & 15) << 4;
  if (family == 15) family += leaf1 >> 20 & 255;
  printf("{\"cpu\":{\"vendor\":\"%.12s\",\"family\":%u,\"model\":%u,\"stepping\":%u,\"leaf1Eax\":%u},",
         (char *)vendor, family, model, leaf1 & 15, leaf1);
  printf("\"seed\":%llu,\"count\":%ld,\"operations\":[", (unsigned long long)seed, count);
  for (unsigned i = 0; i < OPERATION_COUNT; i++) printf("%s\"%s\"", i ? "," : "", operations[i].name);
  printf("]}\n");
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s <seed> <count>\n", argv[0]);
    return 2;
  }
  uint64_t seed = random_state = strtoull(argv[1], 0, 0);
  long count = atol(argv[2]);
  code = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) {
    perror("no memory for code");
    return 1;
  }
  struct sigaction action = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO };
  sigaction(SIGFPE, &action, 0);
  for (unsigned i = 0; i < OPERATION_COUNT; i++) assemble(i);
  header(seed, count);
  for (long i = 0; i < count; i++) capture(i % OPERATION_COUNT);
  return 0;
}
