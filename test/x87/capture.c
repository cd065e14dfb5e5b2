/*
 * Runs single x87 instructions on the processor it runs on, each from a random state of the whole unit, and writes what
 * was before and what came of it.
 *
 *   cc -O2 -o capture capture.c && ./capture <seed> <count> [instruction ...]
 *
 * `count` records for each instruction: all, or those named as `D9F0`, `DA/2` or `66D9/4`. Output: one line of JSON
 * (processor, seed, count, instructions), then the records, of 486 bytes each:
 *   0    instruction   index into the header's list, 2 bytes
 *   2    before        240 bytes
 *   242  after         244 bytes, each exclusive or'ed with the byte 240 before it: what did not change is 0
 * A state is an image of FNSAVE in its 32-bit protected-mode form (108 bytes; SDM volume 1, figure 8-9), 128 bytes of
 * memory at the operand's address, RFLAGS and AX (2 bytes each); the last 4 bytes are 1 where #MF was raised, else 0.
 *
 * What an instruction only moves or leaves alone has few values, so that a file of records can be compressed.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include "../numbers/operands.h"

#define CODE 0x10000000ul
#define INSTRUCTION (CODE + 0x100)
#define INSTRUCTION_BYTES 4
#define MEMORY 0x20000000ul
#define MEMORY_BYTES 128

typedef struct {
  uint32_t fcw, fsw, ftw, fip, fcs, fdp, fds;
  tbyte st[8];
  uint8_t memory[MEMORY_BYTES];
  uint16_t rflags, ax;
} __attribute__((packed)) state;

enum kind {
  none, one, near, moderate, scale, remainder_of, logarithm, integer, bcd, float32, float64, float80, int16, int32, int64,
  bcd80, word, anything
};

static const struct instruction { const char *name; enum kind kind; } instructions[] = {
  { "D8/0", float32 }, { "D8/1", float32 }, { "D8/2", float32 }, { "D8/3", float32 },
  { "D8/4", float32 }, { "D8/5", float32 }, { "D8/6", float32 }, { "D8/7", float32 },
  { "D8C1", near }, { "D8C9", near }, { "D8D1", near }, { "D8D9", near },
  { "D8E1", near }, { "D8E9", near }, { "D8F1", near }, { "D8F9", near },
  { "D9/0", float32 }, { "D9/2", one }, { "D9/3", one }, { "D9/4", anything }, { "D9/5", word }, { "D9/6", none },
  { "D9/7", none }, { "66D9/4", anything }, { "66D9/6", none },
  { "D9C0", near }, { "D9C1", near }, { "D9C7", near }, { "D9C8", near }, { "D9C9", near }, { "D9CF", near },
  { "D9D0", near }, { "D9D9", near }, { "D9E0", one }, { "D9E1", one },
  { "D9E4", one }, { "D9E5", one }, { "D9E8", none }, { "D9E9", none }, { "D9EA", none }, { "D9EB", none },
  { "D9EC", none }, { "D9ED", none }, { "D9EE", none },
  { "D9F0", moderate }, { "D9F1", logarithm }, { "D9F2", moderate }, { "D9F3", near }, { "D9F4", one },
  { "D9F5", remainder_of }, { "D9F6", near }, { "D9F7", near },
  { "D9F8", remainder_of }, { "D9F9", logarithm }, { "D9FA", one }, { "D9FB", moderate }, { "D9FC", integer },
  { "D9FD", scale }, { "D9FE", moderate }, { "D9FF", moderate },
  { "DA/0", int32 }, { "DA/1", int32 }, { "DA/2", int32 }, { "DA/3", int32 },
  { "DA/4", int32 }, { "DA/5", int32 }, { "DA/6", int32 }, { "DA/7", int32 },
  { "DAC1", near }, { "DAC9", near }, { "DAD1", near }, { "DAD9", near }, { "DAE9", near },
  { "DB/0", int32 }, { "DB/1", integer }, { "DB/2", integer }, { "DB/3", integer }, { "DB/5", float80 },
  { "DB/7", one }, { "DBC1", near }, { "DBC9", near }, { "DBD1", near }, { "DBD9", near },
  { "DBE0", near }, { "DBE1", near }, { "DBE2", near }, { "DBE3", near }, { "DBE4", near },
  { "DBE9", near }, { "DBF1", near },
  { "DC/0", float64 }, { "DC/1", float64 }, { "DC/2", float64 }, { "DC/3", float64 },
  { "DC/4", float64 }, { "DC/5", float64 }, { "DC/6", float64 }, { "DC/7", float64 },
  { "DCC1", near }, { "DCC9", near }, { "DCD1", near }, { "DCD9", near },
  { "DCE1", near }, { "DCE9", near }, { "DCF1", near }, { "DCF9", near },
  { "DD/0", float64 }, { "DD/1", integer }, { "DD/2", one }, { "DD/3", one }, { "DD/4", anything }, { "DD/6", none },
  { "DD/7", none }, { "66DD/4", anything }, { "66DD/6", none },
  { "DDC1", near }, { "DDC9", near }, { "DDD1", near }, { "DDD8", near }, { "DDD9", near }, { "DDE1", near },
  { "DDE9", near },
  { "DE/0", int16 }, { "DE/1", int16 }, { "DE/2", int16 }, { "DE/3", int16 },
  { "DE/4", int16 }, { "DE/5", int16 }, { "DE/6", int16 }, { "DE/7", int16 },
  { "DEC0", near }, { "DEC1", near }, { "DEC9", near }, { "DED1", near }, { "DED9", near },
  { "DEE1", near }, { "DEE9", near }, { "DEF1", near }, { "DEF9", near },
  { "DF/0", int16 }, { "DF/1", integer }, { "DF/2", integer }, { "DF/3", integer }, { "DF/4", bcd80 },
  { "DF/5", int64 }, { "DF/6", bcd }, { "DF/7", integer },
  { "DFC1", near }, { "DFC9", near }, { "DFD1", near }, { "DFD9", near }, { "DFE0", near }, { "DFE9", near },
  { "DFF1", near }, { "9B", near },
};
#define INSTRUCTION_COUNT (sizeof(instructions) / sizeof(instructions[0]))

static tbyte with_exponent(int exponent) {
  tbyte x = random_tbyte();
  x.exponent = (x.exponent & 0x8000) | (unsigned)(exponent < 0 ? 0 : exponent > 0x7FFE ? 0x7FFE : exponent);
  x.significand = exponent > 0 ? x.significand | 1ull << 63 : x.significand & ~(1ull << 63);
  return x;
}

static tbyte whole(int64_t n) {
  uint64_t magnitude = n < 0 ? -(uint64_t)n : (uint64_t)n;
  tbyte x = { 0, n < 0 ? 0x8000 : 0 };
  if (!magnitude) return x;
  int shift = __builtin_clzll(magnitude);
  x.significand = magnitude << shift;
  x.exponent |= 0x3FFF + 63 - shift;
  return x;
}

/* What ST(0) and ST(1), by kind of instruction, are most of the time. */
static tbyte random_top(enum kind kind) {
  if (!below(8)) return random_tbyte();
  switch (kind) {
    case moderate: return with_exponent(0x3FFF - 70 + (int)below(below(3) ? 72 : 140));
    case logarithm:
      switch (below(4)) {
        case 0: return with_exponent(below(0x7FFF));
        case 1: return with_exponent(0x3FFE + (int)below(2));
        case 2: return with_exponent(0x3FFD - (int)below(80));
        default: return with_exponent(0x3FFF - 20 + (int)below(40));
      }
    case integer: return with_exponent(0x3FFF - 3 + (int)below(70));
    case bcd: return below(4) ? with_exponent(0x3FFF - 3 + (int)below(66))
      : whole((below(2) ? 1 : -1) * (int64_t)(999999999999999999ull - 4 + below(8)));
    default: return random_tbyte();
  }
}

static tbyte random_second(enum kind kind, tbyte top) {
  int exponent = top.exponent & 0x7FFF;
  if (!below(8)) return random_tbyte();
  switch (kind) {
    case near: return random_partner(top);
    case scale: return below(3) ? whole((int64_t)below(below(2) ? 300 : 70000) - (below(2) ? 150 : 35000)) : with_exponent(0x3FFF - 4 + (int)below(24));
    case remainder_of: return with_exponent(exponent - (int)below(below(2) ? 140 : 4000) + 3);
    case logarithm: return below(2) ? with_exponent(0x3FFF - 20 + (int)below(40)) : random_partner(top);
    default: return random_tbyte();
  }
}

static void random_memory(enum kind kind, uint8_t *memory) {
  tbyte x = { 0, 0 };
  memset(memory, 0xA5, MEMORY_BYTES);
  switch (kind) {
    case float32: x = random_float(23, 8); break;
    case float64: x = random_float(52, 11); break;
    case float80: x = random_tbyte(); break;
    case int16: x = random_integer(16); break;
    case int32: x = random_integer(32); break;
    case int64: x = random_integer(64); break;
    case anything:
      for (int i = 0; i < MEMORY_BYTES; i++) memory[i] = random64();
      return;
    case bcd80:
      for (int i = 0; i < 10; i++) memory[i] = random64();
      if (!below(4)) return;
      for (int i = 0; i < 9; i++) memory[i] = below(3) ? below(10) | below(10) << 4 : 0;
      memory[9] = (below(2) ? 0x80 : 0) | (below(4) ? 0 : below(128));
      return;
    case word: x.significand = random_fcw() | (below(4) ? 0 : random64() & 0xFFFF); break;
    default: return;
  }
  memcpy(memory, &x, 10);
}

static void random_before(enum kind kind, state *s) {
  memset(s, 0, sizeof *s);
  s->fcw = random_fcw();
  if (!below(16)) s->fcw |= 0x100;
  unsigned flags = below(2) ? 0 : random64() & 0x7F;
  /* An exception that is pending makes a waiting instruction raise #MF: that is enough of them. */
  if (below(32)) flags &= s->fcw | 0x40;
  s->fsw = flags | (random64() & 0x4700) | below(8) << 11;
  static const uint32_t pointers[] = { 0, 0x12345678, 0xFFFFFFFF };
  s->fip = PICK(pointers);
  s->fcs = (PICK(pointers) & 0x7FF) << 16;
  s->fdp = PICK(pointers);
  unsigned top = s->fsw >> 11 & 7;
  tbyte *first = &s->st[0];
  for (int i = 2; i < 8; i++) s->st[i] = nth_special(below(SPECIAL_COUNT));
  *first = random_top(kind);
  s->st[1] = random_second(kind, *first);
  for (int i = 0; i < 8; i++) {
    /* The first two are mostly full, the last mostly empty: what is pushed has a place. */
    int empty = i < 2 ? !below(24) : i == 7 ? below(16) != 0 : below(2);
    s->ftw |= (empty ? 3u : 0u) << (2 * ((top + i) & 7));
  }
  random_memory(kind, s->memory);
  s->rflags = 0x202 | (random64() & 0x8D5);
  s->ax = PICK(pointers);
}

static volatile sig_atomic_t raised;

static void on_fpe(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (registers[REG_RIP] != INSTRUCTION) _exit(3);
  registers[REG_RIP] = INSTRUCTION + INSTRUCTION_BYTES;
  raised = 1;
}

/* FRSTOR, RFLAGS and AX; the instruction; the same again the other way round. */
static void prepare_code(void) {
  static const uint8_t before[] = {
    0x53, 0x48, 0x89, 0xFB,                                     /* push rbx; mov rbx, rdi */
    0xBE, 0, 0, 0, 0x20,                                        /* mov esi, MEMORY */
    0xDD, 0x23,                                                 /* frstor [rbx] */
    0x0F, 0xB7, 0x8B, 108 + 128, 0, 0, 0, 0x51,                 /* movzx ecx, word [rbx+236]; push rcx */
    0x66, 0x8B, 0x83, 110 + 128, 0, 0, 0, 0x9D,                 /* mov ax, [rbx+238]; popfq */
  };
  static const uint8_t after[] = {
    0x9C, 0x59, 0xDD, 0x33,                                     /* pushfq; pop rcx; fnsave [rbx] */
    0x66, 0x89, 0x8B, 108 + 128, 0, 0, 0,                       /* mov [rbx+236], cx */
    0x66, 0x89, 0x83, 110 + 128, 0, 0, 0,                       /* mov [rbx+238], ax */
    0xDB, 0xE3, 0x5B, 0xC3,                                     /* fninit; pop rbx; ret */
  };
  uint8_t *code = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap((void *)MEMORY, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  memset(code, 0x90, 4096);
  memcpy(code, before, sizeof before);
  memcpy((uint8_t *)INSTRUCTION + INSTRUCTION_BYTES, after, sizeof after);
  static char stack[65536];
  stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
  struct sigaction action = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_ONSTACK };
  sigaltstack(&alternate, 0);
  sigaction(SIGFPE, &action, 0);
}

/* `66D9/4` with its operand at [rsi], `D9F0` as it is. */
static void prepare_instruction(const char *name) {
  uint8_t *at = (uint8_t *)INSTRUCTION;
  unsigned byte, length = 0;
  const char *slash = strchr(name, '/');
  memset(at, 0x90, INSTRUCTION_BYTES);
  for (const char *c = name; c[0] && c != slash; c += 2) {
    sscanf(c, "%2x", &byte);
    at[length++] = byte;
  }
  if (slash) at[length++] = (uint8_t)((slash[1] - '0') << 3 | 6);
}

static void header(uint64_t seed, long count, int named, char **names) {
  unsigned a, b, c, d, leaf1 = 0, vendor[4] = { 0 };
  __get_cpuid(0, &a, &vendor[0], &vendor[2], &vendor[1]);
  __get_cpuid(1, &leaf1, &b, &c, &d);
  printf("{\"cpu\":{\"vendor\":\"%.12s\",\"leaf1Eax\":%u},\"seed\":%llu,\"count\":%ld,\"instructions\":[",
         (char *)vendor, leaf1, (unsigned long long)seed, count);
  for (unsigned i = 0; i < (named ? (unsigned)named : INSTRUCTION_COUNT); i++) {
    printf("%s\"%s\"", i ? "," : "", named ? names[i] : instructions[i].name);
  }
  printf("]}\n");
}

static enum kind kind_of(const char *name) {
  for (unsigned i = 0; i < INSTRUCTION_COUNT; i++) {
    if (!strcmp(name, instructions[i].name)) return instructions[i].kind;
  }
  fprintf(stderr, "no instruction is called %s\n", name);
  exit(2);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s <seed> <count of records for each instruction> [instruction ...]\n", argv[0]);
    return 2;
  }
  uint64_t seed = strtoull(argv[1], 0, 0);
  long count = atol(argv[2]);
  int named = argc - 3;
  header(seed, count, named, argv + 3);
  fflush(stdout);
  prepare_code();
  for (unsigned n = 0; n < (named ? (unsigned)named : INSTRUCTION_COUNT); n++) {
    const char *name = named ? argv[3 + n] : instructions[n].name;
    enum kind kind = kind_of(name);
    prepare_instruction(name);
    random_state = seed + n;
    for (long i = 0; i < count; i++) {
      state before, after;
      uint16_t index = n;
      random_before(kind, &before);
      after = before;
      memcpy((void *)MEMORY, before.memory, MEMORY_BYTES);
      raised = 0;
      ((void (*)(state *))CODE)(&after);
      memcpy(after.memory, (void *)MEMORY, MEMORY_BYTES);
      uint32_t fault = raised;
      fwrite(&index, sizeof index, 1, stdout);
      fwrite(&before, sizeof before, 1, stdout);
      for (unsigned b = 0; b < sizeof after; b++) ((uint8_t *)&after)[b] ^= ((uint8_t *)&before)[b];
      fwrite(&after, sizeof after, 1, stdout);
      fwrite(&fault, sizeof fault, 1, stdout);
    }
  }
  return 0;
}
