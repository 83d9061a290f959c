#include "code.h"

#include <stdlib.h>

enum { STUFFED = 0x00, FIRST_RESTART = 0xD0, LAST_RESTART = 0xD7, END_OF_IMAGE = 0xD9 };

Outcome read_code(Code *code, const uint8_t *data, size_t length, size_t intervals) {
    uint8_t *to = code->bytes = malloc(length + PADDING);
    code->ends = malloc(intervals * sizeof *code->ends);
    code->intervals = 0;
    if (!code->bytes || !code->ends) return OUT_OF_MEMORY;
    const uint8_t *from = data, *end = data + length;
    for (;;) {
        const uint8_t *found = memchr(from, 0xFF, (size_t)(end - from));
        if (!found || end - found < 2) return NOT_TAKEN;
        memcpy(to, from, (size_t)(found - from));
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
