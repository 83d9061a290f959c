/* The header of a JPEG: sizes, colours and tables, up to the code of its pixels.
 *
 * Takes what cameras and encoders write: one scan of all components, 8 bits, sequential Huffman code, grey or
 * YCbCr. Everything else is left to another decoder, and so is any header that is not right in each byte.
 *
 * Source: ITU-T T.81 (1992), annex B. Knows no code of pixels.
 */
#ifndef FLIPBATCH_HEADER_H
#define FLIPBATCH_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COMPONENTS = 3, COEFFICIENTS = 64, TABLES = 4, LONGEST_CODE = 16, BLOCKS_OF_MCU = 6 };

enum { LONG_ZEROS = 512 }; /* bytes: a disk's sector, as in jpeg.py */

typedef enum {
    DECODED,
    NOT_TAKEN,          /* left to another decoder */
    NO_SUCH_CODE,       /* bits that begin no code */
    BLOCK_TOO_LONG,     /* a block of more than 64 coefficients */
    CODE_MISSING,       /* the code ends before the last block */
    DECODED_WITH_ZEROS, /* LONG_ZEROS or more bytes of the code are zeros: a blank area, or a hole in the file */
    OUT_OF_MEMORY,
} Outcome;

typedef struct {
    bool defined;
    uint8_t counts[LONGEST_CODE + 1]; /* of codes of 1 to 16 bits */
    uint8_t symbols[256];             /* in the order of their codes; zeros behind the last */
} HuffmanTable;

typedef struct {
    uint8_t name;
    uint8_t across, down; /* blocks in an MCU */
    uint8_t quantisation, dc, ac;
} Component;

typedef struct {
    uint32_t height, width;
    int count; /* of components: 1 or 3 */
    Component components[COMPONENTS];
    bool quantised[TABLES];
    uint8_t quantisation[TABLES][COEFFICIENTS]; /* in zigzag order */
    HuffmanTable dc[TABLES], ac[TABLES];
    uint32_t restart_every; /* MCUs; 0 without restart markers */
    size_t code;            /* the first byte behind the header */
} Header;

/* Returns DECODED if the header is taken, else NOT_TAKEN. */
Outcome read_header(const uint8_t *data, size_t length, Header *header);

/* The number of MCUs in a row, and of rows of MCUs. */
uint32_t mcus_across(const Header *header);
uint32_t mcus_down(const Header *header);

#endif
