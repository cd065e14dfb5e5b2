/* What the programs that capture vectors have in common: a seeded generator, and the processor's name. */
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state;

static uint64_t random64(void) {
  uint64_t z = (random_state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

static unsigned below(unsigned n) { return (unsigned)(random64() % n); }

#define PICK(array) ((array)[below(sizeof(array) / sizeof((array)[0]))])

/* A 64-bit pattern of the kinds that rounding gets wrong: runs, short values, halfway cases at 24 and 53 bits. */
static uint64_t random_significand(void) {
  uint64_t r = random64();
  unsigned n = below(64);
  switch (below(12)) {
    case 0: return 1ull << 63;
    case 1: return ~0ull;
    case 2: return r;
    case 3: return r & (~0ull << n);
    case 4: return r | ~(~0ull << n);
    case 5: return (~0ull << n) ^ (below(2) ? 0 : ~0ull << below(64));
    case 6: return (1ull << 63) | (1ull << n);
    case 7: return (r & (~0ull << 40)) | (1ull << 39);
    case 8: return ((r & (~0ull << 40)) | (1ull << 39)) + below(3) - 1;
    case 9: return ((r & (~0ull << 11)) | (1ull << 10)) + below(3) - 1;
    case 10: return (~0ull << 40) | (below(2) ? 1ull << 39 : ~(~0ull << 40)) | (r & 3);
    default: return (~0ull << 11) | (below(2) ? 1ull << 10 : ~(~0ull << 11)) | (r & 3);
  }
}

/* A format with an implied integer bit, in the low bits. */
static uint64_t random_pattern(int fraction_bits, int exponent_bits) {
  uint64_t greatest = (1ull << exponent_bits) - 1, exponent = random64() & greatest;
  uint64_t fraction = random_significand() << 1 >> (64 - fraction_bits);
  static const int near[] = { 0, 0, 1, 2, -1, -1, -2 };
  if (below(2)) exponent = (uint64_t)PICK(near) & greatest;
  if (!below(6)) exponent = (greatest >> 1) + below(5) - 2;
  if ((exponent == 0 || exponent == greatest) && !below(3)) fraction = 0;
  if (exponent == greatest && !below(3)) fraction |= 1ull << (fraction_bits - 1);
  return (uint64_t)below(2) << (fraction_bits + exponent_bits) | exponent << fraction_bits | fraction;
}

static uint64_t random_integer_pattern(int bits) {
  uint64_t r = random64();
  switch (below(5)) {
    case 0: r = below(5) - 2; break;
    case 1: r = (1ull << (bits - 1)) + below(5) - 2; break;
    case 2: r >>= below(64); break;
    case 3: r = (int64_t)r >> below(64); break;
  }
  return bits == 64 ? r : r & ((1ull << bits) - 1);
}

/* The beginning of the header's line. */
static void print_processor(void) {
  unsigned a, b, c, d, leaf1 = 0, vendor[4] = { 0 };
  __get_cpuid(0, &a, &vendor[0], &vendor[2], &vendor[1]);
  __get_cpuid(1, &leaf1, &b, &c, &d);
  unsigned family = leaf1 >> 8 & 15, model = leaf1 >> 4 & 15;
  if (family == 6 || family == 15) model |= (leaf1 >> 16 & 15) << 4;
  if (family == 15) family += leaf1 >> 20 & 255;
  printf("{\"cpu\":{\"vendor\":\"%.12s\",\"family\":%u,\"model\":%u,\"stepping\":%u,\"leaf1Eax\":%u},",
         (char *)vendor, family, model, leaf1 & 15, leaf1);
}
