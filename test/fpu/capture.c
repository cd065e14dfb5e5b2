/*
 * Runs short pieces of machine code on this processor and prints what they left: registers, memory, the fault that
 * ended them. records.ts writes the input and reads the output, and describes both; this program knows no instruction.
 *
 *     cc -O1 -o capture capture.c && ./capture < records.in > results.out
 *
 * Each piece runs at a fixed address in user mode, entered by IRETQ with every register given and the FPU in its
 * initial configuration. Its code page is filled with HLT, which faults there, so each way out ends in the handler.
 * A piece runs `repeats` times and the most frequent result counts: another task or another virtual machine may come
 * in between, and then the x87 pointers are not what they were.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { CODE_BYTES = 4096, CODE_AT = 0x800, DATA_MAX = 0x4000, REPEATS_MAX = 64 };
#define PLACES 2
static uint8_t *const code_page[PLACES] = { (void *)0x200000000000, (void *)0x10000000 };
static uint8_t *const data_page[PLACES] = { (void *)0x200000100000, (void *)0x10100000 };

struct frame {
  uint64_t gpr[16];
  uint64_t rip, cs, rflags, rsp, ss;
  uint64_t data_selector;
};
struct result {
  uint32_t vector, error;
  uint64_t cr2, rip, rflags, gpr[16];
  uint8_t fx[512];
  uint8_t data[DATA_MAX];
};

static struct result results[REPEATS_MAX], *current;
static sigjmp_buf back;
static uint8_t initial_fpu[4096] __attribute__((aligned(64)));
static uint32_t data_bytes;
static int place;

static void handler(int signal, siginfo_t *information, void *context) {
  static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
  const ucontext_t *u = context;
  const greg_t *g = u->uc_mcontext.gregs;
  (void)information;
  current->vector = signal == SIGALRM ? 255 : (uint32_t)g[REG_TRAPNO];
  current->error = signal == SIGALRM ? 0 : (uint32_t)g[REG_ERR];
  current->cr2 = current->vector == 14 ? (uint64_t)g[REG_CR2] : 0;
  current->rip = g[REG_RIP];
  current->rflags = g[REG_EFL];
  for (int i = 0; i < 16; i++) current->gpr[i] = g[order[i]];
  memcpy(current->fx, u->uc_mcontext.fpregs, 512);
  siglongjmp(back, 1);
}

/* The arguments arrive in RDI and RSI. */
__attribute__((naked, noreturn)) static void enter(__attribute__((unused)) const struct frame *frame, __attribute__((unused)) const void *fpu) {
  __asm__ volatile(
    "mov $-1, %eax\n mov $-1, %edx\n xrstor64 (%rsi)\n"
    "mov 168(%rdi), %eax\n mov %eax, %ds\n mov %eax, %es\n"
    "mov %rdi, %rsp\n"
    "pop %rax\n pop %rcx\n pop %rdx\n pop %rbx\n add $8, %rsp\n pop %rbp\n pop %rsi\n pop %rdi\n"
    "pop %r8\n pop %r9\n pop %r10\n pop %r11\n pop %r12\n pop %r13\n pop %r14\n pop %r15\n"
    "iretq\n");
}

static void get(void *to, size_t bytes) {
  if (bytes && fread(to, 1, bytes, stdin) != bytes) { fprintf(stderr, "the input ends early\n"); exit(1); }
}
static uint32_t get32(void) { uint32_t v; get(&v, 4); return v; }
static uint32_t get16(void) { uint16_t v; get(&v, 2); return v; }
static void put(const void *from, size_t bytes) { fwrite(from, 1, bytes, stdout); }

static int same(const struct result *a, const struct result *b) {
  return memcmp(a, b, offsetof(struct result, data)) == 0 && memcmp(a->data, b->data, data_bytes) == 0;
}

static void put_cpuid(void) {
  static const uint32_t leaves[][2] = { { 0, 0 }, { 1, 0 }, { 7, 0 }, { 0xd, 0 }, { 0xd, 1 }, { 0x80000000, 0 }, { 0x80000001, 0 }, { 0x80000008, 0 } };
  uint32_t count = sizeof leaves / sizeof *leaves;
  put(&count, 4);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t row[6] = { leaves[i][0], leaves[i][1] };
    __cpuid_count(row[0], row[1], row[2], row[3], row[4], row[5]);
    put(row, sizeof row);
  }
}

int main(void) {
  for (int i = 0; i < PLACES; i++) {
    void *code = mmap(code_page[i], CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    void *data = mmap(data_page[i], DATA_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (code != code_page[i] || data != data_page[i]) { perror("mmap"); return 1; }
  }
  *(uint32_t *)(initial_fpu + 24) = 0x1f80;
  stack_t alternate = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };
  sigaltstack(&alternate, NULL);
  struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
  static const int caught[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGALRM };
  for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) sigaction(caught[i], &action, NULL);

  uint32_t count = get32(), repeats = get32();
  data_bytes = get32();
  if (repeats < 1 || repeats > REPEATS_MAX || data_bytes > DATA_MAX) { fprintf(stderr, "bad header\n"); return 1; }
  static uint8_t image[DATA_MAX], code[CODE_BYTES], initial[DATA_MAX];
  get(image, data_bytes);
  put_cpuid();
  for (uint32_t n = 0; n < count; n++) {
    struct frame frame;
    uint8_t kind[2];
    get(kind, 2);
    uint32_t code_length = get16(), pieces = get16();
    get(frame.gpr, 128);
    get(&frame.rflags, 8);
    get(code, code_length);
    memcpy(initial, image, data_bytes);
    for (uint32_t p = 0; p < pieces; p++) {
      uint32_t offset = get16(), length = get16();
      get(initial + offset, length);
    }
    place = kind[1];
    uint8_t *const at = code_page[place] + CODE_AT;
    frame.rip = (uint64_t)at;
    frame.rsp = frame.gpr[4];
    frame.cs = kind[0] == 64 ? 0x33 : 0x23;
    frame.ss = 0x2b;
    frame.data_selector = kind[0] == 64 ? 0 : 0x2b;
    for (volatile uint32_t r = 0; r < repeats; r++) {
      memset(code_page[place], 0xf4, CODE_BYTES);
      memcpy(at, code, code_length);
      memcpy(data_page[place], initial, data_bytes);
      current = &results[r];
      if (r == 0) alarm(2);
      if (sigsetjmp(back, 0) == 0) enter(&frame, initial_fpu);
      memcpy(current->data, data_page[place], data_bytes);
    }
    uint32_t best = 0, votes = 0;
    for (uint32_t a = 0; a < repeats; a++) {
      uint32_t equal = 0;
      for (uint32_t b = 0; b < repeats; b++) equal += same(&results[a], &results[b]);
      if (equal > votes) votes = equal, best = a;
    }
    const struct result *result = &results[best];
    put(&votes, 4);
    put(result, offsetof(struct result, data));
    uint16_t runs = 0;
    static struct { uint16_t offset, length; } run[DATA_MAX];
    for (uint32_t i = 0; i < data_bytes; i++) {
      if (result->data[i] == initial[i]) continue;
      uint32_t start = i;
      while (i < data_bytes && result->data[i] != initial[i]) i++;
      run[runs].offset = start, run[runs].length = i - start, runs++;
    }
    put(&runs, 2);
    for (uint32_t i = 0; i < runs; i++) put(&run[i], 4), put(result->data + run[i].offset, run[i].length);
  }
  return 0;
}
