/* Random x87 operands, weighted towards what goes wrong: the same seed gives the same everywhere. */
#include <stdint.h>

typedef struct { uint64_t significand; uint16_t exponent; } __attribute__((packed)) tbyte;

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
  uint64_t greatest = (1ull << exponent_bits) - 1, exponent = random64() & greatest;
  uint64_t fraction = random_significand() << 1 >> (64 - fraction_bits);
  static const int near[] = { 0, 0, 1, 2, -1, -1, -2 };
  if (below(2)) exponent = (uint64_t)PICK(near) & greatest;
  if (!below(6)) exponent = (greatest >> 1) + below(5) - 2;
  if ((exponent == 0 || exponent == greatest) && !below(3)) fraction = 0;
  if (exponent == greatest && !below(3)) fraction |= 1ull << (fraction_bits - 1);
  tbyte x = { 0, 0 };
  x.significand = (uint64_t)below(2) << (fraction_bits + exponent_bits) | exponent << fraction_bits | fraction;
  return x;
}

static tbyte random_integer(int bits) {
  uint64_t r = random64();
  switch (below(5)) {
    case 0: r = below(5) - 2; break;
    case 1: r = (1ull << (bits - 1)) + below(5) - 2; break;
    case 2: r >>= below(64); break;
    case 3: r = (int64_t)r >> below(64); break;
  }
  tbyte x = { bits == 64 ? r : r & ((1ull << bits) - 1), 0 };
  return x;
}

static uint16_t random_fcw(void) {
  static const int precisions[] = { 3, 3, 2, 0 };
  unsigned masks = 0x3F;
  switch (below(4)) {
    case 0: masks ^= 1u << below(6); break;
    case 1: masks = below(64); break;
  }
  return masks | 0x40 | PICK(precisions) << 8 | below(4) << 10;
}
