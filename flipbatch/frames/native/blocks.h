/* Finds the bit at which each block begins, without reading what it holds.
 *
 * A lookup takes the time from one load to the next, and the next lookup needs its result. So three parts of the
 * code are read in turns by one thread. Restart intervals are such parts. Code without them is read from its
 * start and from two places inside, as if a block began there: Huffman code falls into step by itself. The
 * reading from the start goes on until it meets a block that the next reading has found, too. What is found
 * is therefore the same as by reading in order, whatever the places are.
 *
 * Knows tables and code. Knows no values and no pixels.
 */
#ifndef FLIPBATCH_BLOCKS_H
#define FLIPBATCH_BLOCKS_H

#include "code.h"
#include "tables.h"

/* A block of an MCU. */
typedef struct Slot {
    uintptr_t rest;              /* the skip table behind its first coefficient */
    uintptr_t to_first, to_next; /* what makes it the first table of the next block, and this slot the next one, by xor */
    const struct Slot *next;
    const BlockTables *tables;
} Slot;

typedef struct {
    Slot slots[BLOCKS_OF_MCU];
    size_t blocks;                             /* of an MCU */
    const BlockTables *components[COMPONENTS]; /* as in the header */
    size_t mcus, restart_every;                /* of the picture; all of them without restart markers */
} Layout;

/* Describes the MCUs of a picture; `tables`, one for each component, are made where needed. */
void make_layout(Layout *layout, const Header *header, BlockTables *tables);

/* Fills `starts` with the first bit of each block. It has room for `blocks_of(layout)`, the end of
 * the last one, and SPARE more. */
Outcome find_blocks(uint32_t *starts, const Code *code, const Layout *layout);

enum { SPARE = 8 };

static inline size_t blocks_of(const Layout *layout) { return layout->mcus * layout->blocks; }

#endif
