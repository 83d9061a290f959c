/* Decodes files that are damaged at random: RUNS SEED FILE...
 *
 * The test builds it with the sanitizers for addresses and undefined behaviour. Each file is a block of memory of its
 * own size, so that reading one byte too many is found. Prints how many files had each outcome.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

enum { OUTCOMES = OUT_OF_MEMORY + 1, MOST_CHANGES = 6, MOST_BYTES = 1 << 16, LARGEST = 1 << 20, DECODED_PIXELS = 1 << 16 };

static uint64_t state;
static uint8_t data[LARGEST + 2 * MOST_BYTES];
static BlockTables tables[COMPONENTS];

static size_t chance(size_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (size_t)((state >> 11) % below) : 0;
}

/* Moves what follows a place, by so many bytes to the end or to the start. */
static size_t insert(size_t length, size_t at, size_t count) {
    memmove(data + at + count, data + at, length - at);
    for (size_t index = 0; index < count; index++) data[at + index] = (uint8_t)chance(256);
    return length + count;
}

static size_t cut(size_t length, size_t at, size_t count) {
    if (count > length - at) count = length - at;
    memmove(data + at, data + at + count, length - at - count);
    return length - count;
}

static size_t change(size_t length) {
    static const uint8_t markers[] = {0x00, 0xC0, 0xC1, 0xC2, 0xC4, 0xD0, 0xD3, 0xD7, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xFF};
    size_t at = chance(2) ? chance(length) : chance(length < 700 ? length : 700); /* half of them in the header */
    switch (chance(8)) {
        case 0:
            data[at] ^= (uint8_t)(1 << chance(8));
            return length;
        case 1:
            data[at] = (uint8_t)chance(256);
            return length;
        case 2:
            return cut(length, at, 1 + chance(40));
        case 3:
            return insert(length, at, 1 + chance(20));
        case 4:
            return chance(4) ? length : at + 1;
        case 5:
            length = insert(length, at, 2);
            data[at] = 0xFF;
            data[at + 1] = markers[chance(sizeof markers)];
            return length;
        case 6:
            for (size_t left = 1 + chance(30); left && at < length; left--) data[at++] = 0;
            return length;
        default:
            for (size_t left = 1 + chance(30), from = chance(length); left && at < length && from < length; left--)
                data[at++] = data[from++];
            return length;
    }
}

static Outcome decode(size_t length) {
    Header header;
    uint8_t *bytes = malloc(length ? length : 1);
    memcpy(bytes, data, length);
    Outcome outcome = read_header(bytes, length, &header);
    if (outcome == DECODED && (uint64_t)header.height * header.width <= 64 * DECODED_PIXELS) {
        uint8_t *rgb = malloc((size_t)scaled_height(&header) * scaled_width(&header) * 3);
        outcome = decode_eighth(rgb, &header, bytes, length, tables);
        free(rgb);
    }
    free(bytes);
    return outcome;
}

int main(int count, char **words) {
    unsigned long outcomes[OUTCOMES] = {0}, runs = count > 3 ? strtoul(words[1], NULL, 10) : 0;
    state = 88172645463325252u + (count > 3 ? strtoul(words[2], NULL, 10) : 0);
    for (unsigned long run = 0; run < runs; run++) {
        static uint8_t file[LARGEST];
        static size_t length;
        if (run % 64 == 0) {
            FILE *opened = fopen(words[3 + chance((size_t)count - 3)], "rb");
            if (!opened) return 2;
            length = fread(file, 1, sizeof file, opened);
            fclose(opened);
        }
        memcpy(data, file, length);
        size_t changed = length;
        for (size_t left = run % 64 ? 1 + chance(MOST_CHANGES) : 0; left && changed; left--) changed = change(changed);
        outcomes[decode(changed)]++;
    }
    for (int outcome = 0; outcome < OUTCOMES; outcome++) printf("%lu ", outcomes[outcome]);
    puts("");
    return 0;
}
