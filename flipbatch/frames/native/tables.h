/* Huffman tables become tables that the next bits of the code are looked up in.
 *
 * A skip table is for reading past blocks: an entry says how many bits and how many coefficients all codes take
 * that are whole inside the window, values included. The other tables are for reading values.
 *
 * Source: ITU-T T.81 (1992), annexes C and F.2.2. Knows no positions and no blocks.
 */
#ifndef FLIPBATCH_TABLES_H
#define FLIPBATCH_TABLES_H

#include "code.h"

enum {
    SKIP_WINDOW = 12,  /* bits; 11 cost 10 % more time, 13 need twice the cache for 1 % less */
    DC_WINDOW = 10,    /* bits */
    AC_WINDOW = 11,    /* bits */
    SKIP_BITS = 8,     /* the lower byte of an entry: how many bits of code */
    LONGEST_SKIP = 19, /* bits of an entry: three of them fit into the 57 bits that are there after a load */
    END_OF_BLOCK = 128, /* is added to the number of coefficients: the sign of an entry */
};

/* The coefficients of an entry for codes that are longer than the window or do not exist: so many make the block full
 * or too long, whatever it has. One bit tells both. */
enum { UNKNOWN = COEFFICIENTS };

typedef struct { /* code bits in the lower byte, coefficients in the upper one */
    int16_t entries[1 << SKIP_WINDOW];
} SkipTable;

/* What a code of an AC coefficient takes, with its value: bits, and coefficients, 64 if it ends the block. */
typedef struct {
    uint8_t bits, coefficients;
    int16_t value;
} Coefficient;

/* The tables of the blocks of a component. */
typedef struct {
    HuffmanTable dc, ac;
    SkipTable first, rest; /* at the first bit of a block, and behind its first coefficient */
    uint16_t sizes[1 << DC_WINDOW];        /* bits of a DC code, and 256 times those of its value; 0 for longer codes */
    Coefficient values[1 << AC_WINDOW];    /* 0 bits for longer codes */
} BlockTables;

/* Makes the tables, unless they were made of the same ones before. */
void make_tables(BlockTables *tables, const HuffmanTable *dc, const HuffmanTable *ac);

/* Returns how many coefficients the code of an AC symbol takes: 64 ends the block, 0 for a symbol that does not exist. */
static inline int coefficients_of(int symbol) {
    int size = symbol & 15, zeros = symbol >> 4;
    if (size || zeros == 15) return zeros + 1;
    return zeros ? 0 : COEFFICIENTS;
}

/* Returns the symbol of the code that 16 bits begin with, and its length; -1 if there is none. */
int find_symbol(const HuffmanTable *table, uint32_t bits, int *length);

/* Returns what the first bits say; they are a code that exists. */
Coefficient find_coefficient(const HuffmanTable *table, uint64_t bits);

#endif
