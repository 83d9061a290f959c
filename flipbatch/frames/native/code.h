/* The code of a JPEG's pixels, without stuffed zeros and restart markers, and reading it bit by bit.
 *
 * Source: ITU-T T.81 (1992), annexes B.1.1.5 and F.1.2.3. Knows no blocks.
 */
#ifndef FLIPBATCH_CODE_H
#define FLIPBATCH_CODE_H

#include <string.h>

#include "header.h"

/* Bytes of ones behind the code. A reader checks its position before three lookups of 19 bits, and one code and
 * value of 31 bits; a load takes 8 bytes. */
enum { PADDING = 32 };

typedef struct {
    uint8_t *bytes;
    size_t *ends; /* of each restart interval, in bytes */
    size_t intervals;
    bool has_long_zeros;
} Code;

/* Reads the code up to the end of the picture; `intervals` are expected.
 *
 * NOT_TAKEN if another marker ends it, or if there are more or fewer intervals. `free_code` in any case. */
Outcome read_code(Code *code, const uint8_t *data, size_t length, size_t intervals);
void free_code(Code *code);

/* Returns at least 57 bits of code from a bit on, in the upper bits. */
static inline uint64_t load_bits(const uint8_t *bytes, uint64_t position) {
    uint64_t loaded;
    memcpy(&loaded, bytes + (position >> 3), sizeof loaded);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    loaded = __builtin_bswap64(loaded);
#endif
    return loaded << (position & 7);
}

/* Returns the number that the first `size` bits say, T.81, F.2.2.1; 0 for none. */
static inline int32_t extend(uint64_t bits, unsigned size) {
    int32_t value = (int32_t)(bits >> 1 >> (63 - size));
    int32_t is_negative = ~(int32_t)((int64_t)bits >> 63);
    return value + (is_negative & (1 - (1 << size)));
}

#endif
