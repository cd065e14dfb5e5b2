/*
 * Captures x87 results from the processor it runs on, as the vectors that x87-vectors.test.ts replays.
 *
 *   cc -O2 -o capture-x87 capture-x87.c && ./capture-x87 <seed> <count> | gzip -9n > x87-vectors.bin.gz
 *
 * Output: one line of JSON (processor, seed, count, names of the operations), then the records, of 35 bytes each:
 *   0  operation   index into the header's list
 *   1  FCW         2 bytes
 *   3  ST0 before  10 bytes
 *   13 operand     10 bytes: ST1 before, or the memory operand (zero extended)
 *   23 FSW after   2 bytes; before, it was 0600h (TOP 0, C2 and C1 set, so that an instruction's clearing them shows)
 *   25 result      10 bytes: ST0 after, or the memory destination, which held CCh in every byte
 */
#include "capture.h"

typedef struct { uint64_t significand; uint16_t exponent; } __attribute__((packed)) tbyte;

/* The 108 bytes of FNSAVE and FRSTOR in their 32-bit protected-mode form (SDM volume 1, figure 8-9). */
typedef struct {
  uint32_t fcw, fsw, ftw, fip, fcs, fdp, fds;
  tbyte st[8];
} __attribute__((packed)) image;

static const uint16_t edge_exponents[] = {
  0, 0, 0, 1, 2, 24, 53, 64, 0x7FFD, 0x7FFE, 0x7FFE, 0x7FFF, 0x7FFF, 0x7FFF, /* limits of the format */
  0x3FFD, 0x3FFE, 0x3FFF, 0x3FFF, 0x4000, 0x4001,                            /* about 1 */
  0x3F68, 0x3F69, 0x3F6A, 0x3F70, 0x3F80, 0x3F81, 0x3F82, 0x407D, 0x407E, 0x407F, /* limits of single precision */
  0x3BCB, 0x3BCC, 0x3BCD, 0x3BE0, 0x3C00, 0x3C01, 0x3C02, 0x43FD, 0x43FE, 0x43FF, /* limits of double precision */
  0x400D, 0x400E, 0x400F, 0x401D, 0x401E, 0x401F, 0x403C, 0x403D, 0x403E, 0x403F, /* limits of integers */
  0x1FFF, 0x2000, 0x5FFE, 0x5FFF,                                            /* products at the limits */
};

/* Each class of SDM volume 1, tables 4-3 and 8-3, and several of those that meet their like. */
static const tbyte special[] = {
  { 0, 0 }, { 1, 0 }, { ~0ull >> 1, 0 }, { 1ull << 63, 0 }, { (1ull << 63) + 1, 0 }, /* zero to pseudo-denormal */
  { 1ull << 63, 1 }, { 1ull << 63, 0x3FFF }, { ~0ull, 0x7FFE },                                /* normal */
  { 1ull << 63, 0x7FFF },                                                                      /* infinity */
  { (1ull << 63) + 1, 0x7FFF }, { 5ull << 61, 0x7FFF }, { (5ull << 61) + 1, 0x7FFF },          /* signalling NaN */
  { 3ull << 62, 0x7FFF }, { (3ull << 62) + 1, 0x7FFF }, { 7ull << 61, 0x7FFF },                /* quiet NaN */
  { 1ull << 62, 0x4000 }, { 0, 0x7FFF }, { 3, 0x7FFF },                                        /* unsupported */
};

#define SPECIAL_COUNT (2 * sizeof(special) / sizeof(special[0]))

/* With either sign. */
static tbyte nth_special(unsigned n) {
  tbyte x = special[n / 2];
  x.exponent |= n % 2 ? 0x8000 : 0;
  return x;
}

/* At the limits of the integer types: 2^15, 2^31 or 2^63, less or more by something near 1. */
static tbyte random_integer_limit(void) {
  static const uint16_t exponents[] = { 0x400D, 0x400E, 0x401D, 0x401E, 0x403D, 0x403E };
  uint64_t bit = 1ull << below(64);
  tbyte x = { below(2) ? ~0ull - (bit - 1) : below(2) ? 1ull << 63 : (1ull << 63) | bit, PICK(exponents) };
  x.exponent |= below(2) ? 0x8000 : 0;
  return x;
}

static tbyte random_tbyte(void) {
  if (!below(16)) return nth_special(below(SPECIAL_COUNT));
  if (!below(16)) return random_integer_limit();
  tbyte x = { random_significand(), 0 };
  uint16_t exponent = below(3) ? PICK(edge_exponents) : below(2) ? random64() & 0x7FFF : 0x3FC0 + below(128);
  uint64_t integer = 1ull << 63;
  /* The integer bit is what the exponent asks for, most of the time: the rest are the unsupported encodings. */
  if (below(24)) x.significand = exponent ? x.significand | integer : x.significand & ~integer;
  if (exponent == 0 && !below(3)) x.significand = 0;
  if (exponent == 0 && !below(6)) x.significand = 1ull << below(63);
  if (exponent == 0x7FFF && !below(3)) x.significand = integer;
  if (exponent == 0x7FFF && !below(3)) x.significand |= 1ull << 62;
  x.exponent = exponent | (below(2) ? 0x8000 : 0);
  return x;
}

/* A second operand that meets the first: near in exponent, equal, opposite, or with the result at a limit. */
static tbyte random_partner(tbyte a) {
  tbyte b = random_tbyte();
  int exponent = a.exponent & 0x7FFF, other;
  switch (below(8)) {
    case 0: other = exponent + (int)below(140) - 70; break;
    case 1: other = exponent + (int)below(7) - 3; break;
    case 2: other = 0x3FFF - exponent + (int)below(130) - 65; break;          /* product near the least */
    case 3: other = 0x7FFE + 0x3FFF - exponent + (int)below(5) - 2; break;    /* product near the greatest */
    case 4: other = exponent + 0x3FFF + (int)below(130) - 65; break;          /* quotient near the least */
    case 5: other = exponent - 0x3FFF + (int)below(5) - 2; break;             /* quotient near the greatest */
    case 6:
      if (below(4)) return b;
      b = a;
      b.exponent ^= below(2) ? 0x8000 : 0;
      b.significand ^= below(2) ? 0 : random64() & 7;
      return b;
    default: return b;
  }
  if (other < 1 || other > 0x7FFE) return b;
  b.exponent = (b.exponent & 0x8000) | other;
  b.significand |= 1ull << 63;
  return b;
}

static tbyte random_float(int fraction_bits, int exponent_bits) {
  return (tbyte){ random_pattern(fraction_bits, exponent_bits), 0 };
}

static tbyte random_integer(int bits) { return (tbyte){ random_integer_pattern(bits), 0 }; }

static uint16_t random_fcw(void) {
  static const int precisions[] = { 3, 3, 2, 0 };
  unsigned masks = 0x3F;
  switch (below(4)) {
    case 0: masks ^= 1u << below(6); break;
    case 1: masks = below(64); break;
  }
  return masks | 0x40 | PICK(precisions) << 8 | below(4) << 10;
}

/* Name, what the operand is, instruction, whether the result is in memory. */
#define OPERATIONS(X) \
  X(fadd, st1, "fadd %%st(1), %%st", 0) \
  X(fsub, st1, "fsub %%st(1), %%st", 0) \
  X(fsubr, st1, "fsubr %%st(1), %%st", 0) \
  X(fmul, st1, "fmul %%st(1), %%st", 0) \
  X(fdiv, st1, "fdiv %%st(1), %%st", 0) \
  X(fdivr, st1, "fdivr %%st(1), %%st", 0) \
  X(fsqrt, none, "fsqrt", 0) \
  X(frndint, none, "frndint", 0) \
  X(fxam, none, "fxam", 0) \
  X(ftst, none, "ftst", 0) \
  X(fcom, st1, "fcom %%st(1)", 0) \
  X(fucom, st1, "fucom %%st(1)", 0) \
  X(fcomp, st1, "fcomp %%st(1)", 0) \
  X(fucomp, st1, "fucomp %%st(1)", 0) \
  X(fcom_m32, float32, "fcoms %1", 0) \
  X(fcom_m64, float64, "fcoml %1", 0) \
  X(fadd_m32, float32, "fadds %1", 0) \
  X(fadd_m64, float64, "faddl %1", 0) \
  X(fsubr_m32, float32, "fsubrs %1", 0) \
  X(fmul_m64, float64, "fmull %1", 0) \
  X(fdiv_m32, float32, "fdivs %1", 0) \
  X(fdivr_m64, float64, "fdivrl %1", 0) \
  X(fiadd_m16, int16, "fiadds %1", 0) \
  X(fidiv_m32, int32, "fidivl %1", 0) \
  X(ficom_m32, int32, "ficoml %1", 0) \
  X(fld_m32, float32, "flds %1", 0) \
  X(fld_m64, float64, "fldl %1", 0) \
  X(fild_m16, int16, "filds %1", 0) \
  X(fild_m32, int32, "fildl %1", 0) \
  X(fild_m64, int64, "fildll %1", 0) \
  X(fstp_m32, none, "fstps %2", 1) \
  X(fstp_m64, none, "fstpl %2", 1) \
  X(fistp_m16, none, "fistps %2", 1) \
  X(fistp_m32, none, "fistpl %2", 1) \
  X(fistp_m64, none, "fistpll %2", 1) \
  X(fisttp_m16, none, "fisttps %2", 1) \
  X(fisttp_m32, none, "fisttpl %2", 1) \
  X(fisttp_m64, none, "fisttpll %2", 1)

#define DEFINE(name, kind, text, in_memory) \
  static void run_##name(image *state, tbyte *operand, tbyte *result) { \
    __asm__ volatile("frstor %0\n\t" text "\n\tfnsave %0" : "+m"(*state), "+m"(*operand), "+m"(*result)); \
  }
OPERATIONS(DEFINE)

enum kind { none, st1, float32, float64, int16, int32, int64 };

static const struct operation {
  const char *name;
  enum kind kind;
  int in_memory;
  void (*run)(image *, tbyte *, tbyte *);
} operations[] = {
#define ROW(name, kind, text, in_memory) { #name, kind, in_memory, run_##name },
  OPERATIONS(ROW)
};

#define OPERATION_COUNT (sizeof(operations) / sizeof(operations[0]))

static tbyte random_operand(enum kind kind, tbyte a) {
  switch (kind) {
    case st1: return random_partner(a);
    case float32: return random_float(23, 8);
    case float64: return random_float(52, 11);
    case int16: return random_integer(16);
    case int32: return random_integer(32);
    case int64: return random_integer(64);
    default: return (tbyte){ 0, 0 };
  }
}

static void header(uint64_t seed, long count) {
  print_processor();
  printf("\"seed\":%llu,\"count\":%ld,\"operations\":[", (unsigned long long)seed, count);
  for (unsigned i = 0; i < OPERATION_COUNT; i++) printf("%s\"%s\"", i ? "," : "", operations[i].name);
  printf("]}\n");
}

static void capture(unsigned index, uint16_t fcw, tbyte a, tbyte b) {
  const struct operation *operation = &operations[index];
  tbyte operand = b, result;
  image state = { .fcw = fcw, .fsw = 0x0600, .ftw = operation->kind == st1 ? 0xFFF0 : 0xFFFC };
  state.st[0] = a;
  state.st[1] = b;
  memset(&result, 0xCC, sizeof result);
  operation->run(&state, &operand, &result);
  uint8_t record[35] = { index };
  uint16_t fsw = state.fsw;
  memcpy(record + 1, &fcw, 2);
  memcpy(record + 3, &a, 10);
  memcpy(record + 13, &b, 10);
  memcpy(record + 23, &fsw, 2);
  memcpy(record + 25, operation->in_memory ? &result : &state.st[0], 10);
  fwrite(record, sizeof record, 1, stdout);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s <seed> <count of random records>\n", argv[0]);
    return 2;
  }
  uint64_t seed = random_state = strtoull(argv[1], 0, 0);
  long count = atol(argv[2]), pairs = 0;
  for (unsigned i = 0; i < OPERATION_COUNT; i++) {
    pairs += operations[i].kind == st1 ? SPECIAL_COUNT * SPECIAL_COUNT : operations[i].kind == none ? SPECIAL_COUNT : 0;
  }
  header(seed, pairs + count);
  /* Every special value with every other, then random ones. */
  for (unsigned i = 0; i < OPERATION_COUNT; i++) {
    for (unsigned a = 0; a < SPECIAL_COUNT; a++) {
      if (operations[i].kind == none) capture(i, random_fcw(), nth_special(a), (tbyte){ 0, 0 });
      for (unsigned b = 0; operations[i].kind == st1 && b < SPECIAL_COUNT; b++) {
        capture(i, random_fcw(), nth_special(a), nth_special(b));
      }
    }
  }
  for (long i = 0; i < count; i++) {
    unsigned index = i % OPERATION_COUNT;
    uint16_t fcw = random_fcw();
    tbyte a = random_tbyte();
    capture(index, fcw, a, random_operand(operations[index].kind, a));
  }
  return 0;
}
