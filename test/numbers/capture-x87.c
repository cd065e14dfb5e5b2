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
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "operands.h"

/* The 108 bytes of FNSAVE and FRSTOR in their 32-bit protected-mode form (SDM volume 1, figure 8-9). */
typedef struct {
  uint32_t fcw, fsw, ftw, fip, fcs, fdp, fds;
  tbyte st[8];
} __attribute__((packed)) image;

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
