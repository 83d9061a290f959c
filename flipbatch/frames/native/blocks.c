#include "blocks.h"

#include <stdlib.h>

#include "variants.h"

enum {
    STREAMS = 3,
    STEPS = 3,               /* lookups after a load of bits */
    SHORTEST_SPLIT = 4096,   /* bytes: shorter code is read in order */
    JOINED_AT_ONCE = 1024,   /* bits that are read before it is looked whether two readings have met */
};

/* A reading of a part of the code. It stands at a bit, inside a block that began at `next[-1]`. */
typedef struct {
    uint64_t position; /* bit */
    uint64_t known;    /* coefficients of the block so far */
    const int16_t *table;
    const Slot *slot;
    uint32_t *next; /* the place for the start of the next block */
    uint32_t *begin;
    const uint32_t *last; /* `next`, if all blocks were read */
    uint64_t limit;       /* the bit that ends the reading */
    Outcome outcome;
    bool is_guess; /* whether it may have begun inside a block */
    bool is_ended;
} Stream;

/* ------------------------------------------------------------------------------------------ several at once */

#define RESTORE(s, stream)                                                             \
    uint64_t s##_position = (stream)->position, s##_known = (stream)->known, s##_bits; \
    const uint64_t s##_limit = (stream)->limit;                                        \
    const int16_t *s##_table = (stream)->table;                                       \
    const Slot *s##_slot = (stream)->slot;                                             \
    uint32_t *s##_next = (stream)->next;                                               \
    const uint32_t *s##_last = (stream)->last;                                         \
    intptr_t s##_entry

#define SAVE(s, stream)                 \
    (stream)->position = s##_position;  \
    (stream)->known = s##_known;        \
    (stream)->table = s##_table;        \
    (stream)->slot = s##_slot;          \
    (stream)->next = s##_next

#define GOES_ON(s) (s##_position < s##_limit && s##_next < s##_last)

#define LOAD(s) s##_bits = load_bits(bytes, s##_position)

#define LOOK_UP(s)                                         \
    s##_entry = s##_table[s##_bits >> (64 - SKIP_WINDOW)]; \
    s##_bits <<= (uint8_t)s##_entry;                       \
    s##_position += (uint8_t)s##_entry;                    \
    s##_known += (uint16_t)s##_entry >> SKIP_BITS

#define TAKE_BACK(s)                    \
    s##_position -= (uint8_t)s##_entry; \
    s##_known -= (uint16_t)s##_entry >> SKIP_BITS

/* Masks, because half of the branches would be predicted wrongly, and compilers make branches of conditions. */
#define FINISH(s)                                                                    \
    do {                                                                             \
        intptr_t ended = s##_entry >> 15; /* -1 or 0 */                              \
        uintptr_t mask = (uintptr_t)ended;                                           \
        *s##_next = (uint32_t)s##_position;                                          \
        s##_next -= ended;                                                           \
        s##_table = (const int16_t *)(s##_slot->rest ^ (s##_slot->to_first & mask)); \
        s##_slot = (const Slot *)((uintptr_t)s##_slot ^ (s##_slot->to_next & mask)); \
        s##_known &= ~mask;                                                          \
    } while (0)

#define IS_UNKNOWN(s) (s##_known & COEFFICIENTS)

/* Each reads until one stream is at its end, and returns 0, or until a code must be read by itself, and returns the
 * numbers of the streams, as bits. */

FAST_VARIANT static unsigned skip_one(const uint8_t *bytes, Stream *only) {
    unsigned unknown = 0;
    RESTORE(a, only);
    while (!unknown && GOES_ON(a)) {
        LOAD(a);
        for (int step = 0; step < STEPS; step++) {
            LOOK_UP(a);
            if (UNLIKELY(IS_UNKNOWN(a))) {
                unknown = 1;
                TAKE_BACK(a);
                break;
            }
            FINISH(a);
        }
    }
    SAVE(a, only);
    return unknown;
}

FAST_VARIANT static unsigned skip_two(const uint8_t *bytes, Stream *first, Stream *second) {
    unsigned unknown = 0;
    RESTORE(a, first);
    RESTORE(b, second);
    while (!unknown && GOES_ON(a) && GOES_ON(b)) {
        LOAD(a);
        LOAD(b);
        for (int step = 0; step < STEPS; step++) {
            LOOK_UP(a);
            LOOK_UP(b);
            if (UNLIKELY(IS_UNKNOWN(a) | IS_UNKNOWN(b))) {
                unknown = (IS_UNKNOWN(a) ? 1 : 0) | (IS_UNKNOWN(b) ? 2 : 0);
                TAKE_BACK(a);
                TAKE_BACK(b);
                break;
            }
            FINISH(a);
            FINISH(b);
        }
    }
    SAVE(a, first);
    SAVE(b, second);
    return unknown;
}

FAST_VARIANT static unsigned skip_three(const uint8_t *bytes, Stream *first, Stream *second, Stream *third) {
    unsigned unknown = 0;
    RESTORE(a, first);
    RESTORE(b, second);
    RESTORE(c, third);
    while (!unknown && GOES_ON(a) && GOES_ON(b) && GOES_ON(c)) {
        LOAD(a);
        LOAD(b);
        LOAD(c);
        for (int step = 0; step < STEPS; step++) {
            LOOK_UP(a);
            LOOK_UP(b);
            LOOK_UP(c);
            if (UNLIKELY(IS_UNKNOWN(a) | IS_UNKNOWN(b) | IS_UNKNOWN(c))) {
                unknown = (IS_UNKNOWN(a) ? 1 : 0) | (IS_UNKNOWN(b) ? 2 : 0) | (IS_UNKNOWN(c) ? 4 : 0);
                TAKE_BACK(a);
                TAKE_BACK(b);
                TAKE_BACK(c);
                break;
            }
            FINISH(a);
            FINISH(b);
            FINISH(c);
        }
    }
    SAVE(a, first);
    SAVE(b, second);
    SAVE(c, third);
    return unknown;
}

/* ---------------------------------------------------------------------------------------------- code by code */

static void begin_block(Stream *stream, const Slot *slot) {
    stream->slot = slot;
    stream->known = 0;
    stream->table = slot->tables->first.entries;
}

static void begin(Stream *stream, uint64_t position, const Slot *slot) {
    stream->position = position;
    stream->next = stream->begin;
    *stream->next++ = (uint32_t)position;
    begin_block(stream, slot);
}

/* Returns the bits of a code and its value, and the coefficients that it takes; 0 bits if there is none. */
static int read_step(const Stream *stream, const uint8_t *bytes, int *coefficients) {
    const BlockTables *tables = stream->slot->tables;
    uint32_t bits = (uint32_t)(load_bits(bytes, stream->position) >> (64 - LONGEST_CODE));
    int length, symbol = find_symbol(stream->known ? &tables->ac : &tables->dc, bits, &length);
    if (symbol < 0) return 0;
    *coefficients = stream->known ? coefficients_of(symbol) : 1;
    if (!*coefficients) return 0;
    if (stream->known && !symbol) *coefficients -= (int)stream->known; /* what is left of the block */
    return length + (stream->known ? symbol & 15 : symbol);
}

/* Reads one code that the tables do not have, or with which a block ends at its last coefficient. */
static void skip_code(Stream *stream, const uint8_t *bytes) {
    int coefficients, bits = read_step(stream, bytes, &coefficients);
    if (!bits || stream->known + (uint64_t)coefficients > COEFFICIENTS) {
        stream->outcome = bits ? BLOCK_TOO_LONG : NO_SUCH_CODE;
        return;
    }
    stream->position += (uint64_t)bits;
    stream->known += (uint64_t)coefficients;
    stream->table = stream->slot->tables->rest.entries;
    if (stream->known == COEFFICIENTS) {
        *stream->next++ = (uint32_t)stream->position;
        begin_block(stream, stream->slot->next);
    }
}

/* ---------------------------------------------------------------------------------------------- readings */

static bool is_running(const Stream *stream) {
    return !stream->is_ended && stream->outcome == DECODED && stream->position < stream->limit &&
           stream->next < stream->last;
}

/* Lets a reading that may have begun inside a block begin again, where that has led to no code. */
static void begin_again(Stream *stream, const Slot *slot) {
    if (stream->outcome == DECODED || !stream->is_guess) return;
    stream->outcome = DECODED;
    if (stream->limit - stream->position < 8) stream->is_ended = true; /* the ones that fill the last byte */
    else begin(stream, (stream->position | 7) + 1, slot);
}

/* Reads until all streams are at their ends. */
static void run(Stream *streams, int count, const uint8_t *bytes, const Layout *layout) {
    for (;;) {
        Stream *running[STREAMS];
        unsigned unknown;
        int number = 0;
        for (int index = 0; index < count; index++)
            if (is_running(&streams[index])) running[number++] = &streams[index];
        if (number == 0) return;
        if (number == 1) unknown = skip_one(bytes, running[0]);
        else if (number == 2) unknown = skip_two(bytes, running[0], running[1]);
        else unknown = skip_three(bytes, running[0], running[1], running[2]);
        for (int index = 0; index < number; index++) {
            if (!(unknown >> index & 1) || !is_running(running[index])) continue;
            skip_code(running[index], bytes);
            begin_again(running[index], layout->slots);
        }
    }
}

/* Returns whether all blocks of a restart interval were read, and nothing is left. */
static Outcome check_end(const Stream *stream, size_t end) {
    if (stream->next < stream->last) return stream->outcome == DECODED ? CODE_MISSING : stream->outcome;
    size_t used = (stream->last[-1] + 7u) / 8;
    if (used > end) return CODE_MISSING;
    return used == end ? DECODED : NOT_TAKEN;
}

/* Reads on until `first`, whose blocks are right, comes to a block that `second` has found, too. Returns whether there
 * is one, and its place in both. */
static bool find_common_block(
    Stream *first, const Stream *second, uint32_t **own, const uint32_t **other, const uint8_t *bytes, const Layout *layout
) {
    ptrdiff_t blocks = (ptrdiff_t)layout->blocks;
    *other = second->begin;
    *own = first->next - 1;
    while (*own > first->begin && (*own)[-1] >= **other) --*own;
    for (;; ++*own) {
        while (*own == first->next) {
            first->limit = first->position + JOINED_AT_ONCE;
            if (first->limit > second->limit) first->limit = second->limit;
            if (!is_running(first)) return false;
            run(first, 1, bytes, layout);
        }
        while (*other < second->next && **other < **own) ++*other;
        if (*other == second->next) return false;
        bool is_same_slot = (*own - first->begin) % blocks == (*other - second->begin) % blocks;
        if (**other == **own && is_same_slot) return true;
    }
}

/* Lets `first` take over what `second` has found from their first common block on. */
static void join(Stream *first, const Stream *second, const uint8_t *bytes, const Layout *layout) {
    uint32_t *own;
    const uint32_t *other;
    if (!find_common_block(first, second, &own, &other, bytes, layout)) return;
    size_t count = (size_t)(second->next - other);
    if (count > (size_t)(first->last + (STEPS + 1) - own)) { /* more blocks than the picture has */
        first->outcome = NOT_TAKEN;
        return;
    }
    memcpy(own, other, count * sizeof *own);
    first->next = own + count;
    first->position = second->position;
    first->known = second->known;
    first->table = second->table;
    first->slot = second->slot;
}

/* Reads code without restart markers. */
static Outcome read_whole(uint32_t *starts, uint32_t *spare, const Code *code, const Layout *layout) {
    size_t blocks = blocks_of(layout), bits = 8 * code->ends[0];
    int count = code->ends[0] < SHORTEST_SPLIT ? 1 : STREAMS;
    Stream streams[STREAMS];
    for (int index = 0; index < count; index++) {
        uint32_t *begin_at = index ? spare + (size_t)(index - 1) * (blocks + 1 + SPARE) : starts;
        streams[index] = (Stream){.begin = begin_at, .last = begin_at + blocks + 1, .is_guess = index > 0};
        streams[index].limit = bits / 8 * (size_t)(index + 1) / (size_t)count * 8;
        begin(&streams[index], index ? streams[index - 1].limit : 0, layout->slots);
    }
    run(streams, count, code->bytes, layout);
    for (int index = 1; index < count; index++) join(&streams[0], &streams[index], code->bytes, layout);
    streams[0].limit = bits;
    run(streams, 1, code->bytes, layout);
    return check_end(&streams[0], code->ends[0]);
}

/* Reads some restart intervals at once. */
static Outcome read_intervals(
    uint32_t *starts, uint32_t *spare, const Code *code, const Layout *layout, size_t first, int count
) {
    size_t blocks = layout->restart_every * layout->blocks;
    Stream streams[STREAMS];
    size_t left = blocks_of(layout) - first * blocks;
    for (int index = 0; index < count; index++) {
        size_t number = first + (size_t)index, own = left < blocks ? left : blocks;
        uint32_t *begin_at = spare + (size_t)index * (blocks + 1 + SPARE);
        streams[index] = (Stream){.begin = begin_at, .last = begin_at + own + 1, .limit = 8 * code->ends[number]};
        begin(&streams[index], number ? 8 * code->ends[number - 1] : 0, layout->slots);
        left -= own;
    }
    run(streams, count, code->bytes, layout);
    for (int index = 0; index < count; index++) {
        Outcome outcome = check_end(&streams[index], code->ends[first + (size_t)index]);
        if (outcome != DECODED) return outcome;
        size_t own = (size_t)(streams[index].last - streams[index].begin) - 1;
        memcpy(starts + (first + (size_t)index) * blocks, streams[index].begin, own * sizeof *starts);
    }
    return DECODED;
}

Outcome find_blocks(uint32_t *starts, const Code *code, const Layout *layout) {
    size_t blocks = layout->restart_every * layout->blocks;
    uint32_t *spare = malloc(STREAMS * (blocks + 1 + SPARE) * sizeof *spare);
    if (!spare) return OUT_OF_MEMORY;
    Outcome outcome = DECODED;
    if (code->intervals == 1) outcome = read_whole(starts, spare, code, layout);
    else
        for (size_t first = 0; first < code->intervals && outcome == DECODED; first += STREAMS) {
            size_t left = code->intervals - first;
            outcome = read_intervals(starts, spare, code, layout, first, left < STREAMS ? (int)left : STREAMS);
        }
    free(spare);
    return outcome;
}

/* ---------------------------------------------------------------------------------------------- layout */

void make_layout(Layout *layout, const Header *header, BlockTables *tables) {
    layout->blocks = 0;
    for (int index = 0; index < header->count; index++) {
        const Component *component = &header->components[index];
        bool is_shared = index && component[-1].dc == component->dc && component[-1].ac == component->ac;
        if (!is_shared) make_tables(&tables[index], &header->dc[component->dc], &header->ac[component->ac]);
        const BlockTables *own = layout->components[index] = is_shared ? layout->components[index - 1] : &tables[index];
        for (int block = 0; block < component->across * component->down; block++)
            layout->slots[layout->blocks++] = (Slot){.rest = (uintptr_t)own->rest.entries, .tables = own};
    }
    for (size_t index = 0; index < layout->blocks; index++) {
        Slot *slot = &layout->slots[index];
        slot->next = &layout->slots[(index + 1) % layout->blocks];
        slot->to_first = slot->rest ^ (uintptr_t)slot->next->tables->first.entries;
        slot->to_next = (uintptr_t)slot ^ (uintptr_t)slot->next;
    }
    layout->mcus = (size_t)mcus_across(header) * mcus_down(header);
    layout->restart_every = header->restart_every && header->restart_every < layout->mcus ? header->restart_every : layout->mcus;
}
