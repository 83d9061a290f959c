#include "code.h"

#include <stdlib.h>

enum { STUFFED = 0x00, FIRST_RESTART = 0xD0, END_OF_IMAGE = 0xD9 };

/* Returns whether LONG_ZEROS zeros follow each other: they are on one of the bytes that are so far apart. */
static bool has_long_zeros(const uint8_t *bytes, size_t length) {
    for (size_t at = LONG_ZEROS - 1; at < length; at += LONG_ZEROS) {
        if (bytes[at]) continue;
        size_t first = at, end = at + 1;
        while (first > 0 && !bytes[first - 1]) first--;
        while (end < length && !bytes[end]) end++;
        if (end - first >= LONG_ZEROS) return true;
    }
    return false;
}

Outcome read_code(Code *code, const uint8_t *data, size_t length, size_t intervals) {
    uint8_t *to = code->bytes = malloc(length + PADDING);
    code->ends = malloc(intervals * sizeof *code->ends);
    code->intervals = 0;
    code->has_long_zeros = false;
    if (!code->bytes || !code->ends) return OUT_OF_MEMORY;
    const uint8_t *from = data, *end = data + length;
    for (;;) {
        const uint8_t *found = memchr(from, 0xFF, (size_t)(end - from));
        if (!found || end - found < 2) return NOT_TAKEN;
        memcpy(to, from, (size_t)(found - from));
        /* A hole behind a byte of ones begins with what looks like its stuffed zero. */
        const uint8_t *first = from > data ? from - 1 : from;
        code->has_long_zeros = code->has_long_zeros || has_long_zeros(first, (size_t)(found - first));
        to += found - from;
        from = found + 2;
        if (found[1] == STUFFED) {
            *to++ = 0xFF;
            continue;
        }
        if (code->intervals == intervals) return NOT_TAKEN;
        code->ends[code->intervals++] = (size_t)(to - code->bytes);
        if (found[1] == END_OF_IMAGE) break;
        if (found[1] != FIRST_RESTART + (code->intervals - 1) % 8) return NOT_TAKEN;
    }
    memset(to, 0xFF, PADDING);
    return code->intervals == intervals ? DECODED : NOT_TAKEN;
}

void free_code(Code *code) {
    free(code->bytes);
    free(code->ends);
}
