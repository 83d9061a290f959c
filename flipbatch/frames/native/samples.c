#include "samples.h"

#include <stdlib.h>

#include "variants.h"

enum { SAMPLE_MASK = 1023, LEVEL_SHIFT = 128 };

/* ---------------------------------------------------------------------------------------------- transforms */

/* Returns a sample, 0 to 255. Values that no encoder makes come round again, as in libjpeg. */
static inline uint8_t to_sample(int32_t value) {
    int32_t centred = ((value + SAMPLE_MASK / 2 + 1) & SAMPLE_MASK) - (SAMPLE_MASK / 2 + 1) + LEVEL_SHIFT;
    return (uint8_t)(centred < 0 ? 0 : centred > 255 ? 255 : centred);
}

/* The mean of a block is an eighth of its DC coefficient. */
static inline uint8_t mean_sample(int32_t dc) { return to_sample((dc + 4) >> 3); }

/* A quadrant's mean of cos((2x + 1) k pi / 16) over x = 0 to 3, times 4 sqrt(2), is 3.6245, -1.2728, 0.8504 and -0.7210
 * for k = 1, 3, 5 and 7; in the other half, the signs differ. Even k > 0 have the mean 0. Here in 1/8192. */
enum { FRACTION = 13, WEIGHT_0 = 1 << (FRACTION + 2), WEIGHT_1 = 29692, WEIGHT_3 = -10426, WEIGHT_5 = 6967, WEIGHT_7 = -5906 };

/* What four samples need of a block: of its columns 0, 1, 3, 5 and 7, the weighted coefficients of row 0, which both
 * rows of samples have, and of rows 1, 3, 5 and 7, whose sign differs. The last sum takes the other coefficients. */
enum { COLUMNS = 5, BOTH_ROWS = 0, SIGNED = COLUMNS, NOWHERE = 2 * COLUMNS, SUMS };

enum { BAND = 512 }; /* blocks whose sums are in the first-level cache */

typedef struct {
    uint32_t sums[SUMS][BAND]; /* unsigned: those of damaged code may not fit, and then any result will do */
    uint32_t ac[BAND + 1];     /* the first bit of the AC coefficients */
} Band;

/* Where a coefficient counts. */
typedef struct {
    uint32_t sum;   /* times BAND */
    int32_t weight; /* of the coefficient as it is stored */
} Term;

/* Rows and columns of the coefficients in zigzag order, T.81, figure A.6. */
static const uint8_t ZIGZAG[COEFFICIENTS] = {
    000, 001, 010, 020, 011, 002, 003, 012, 021, 030, 040, 031, 022, 013, 004, 005, 014, 023, 032, 041, 050, 060,
    051, 042, 033, 024, 015, 006, 007, 016, 025, 034, 043, 052, 061, 070, 071, 062, 053, 044, 035, 026, 017, 027,
    036, 045, 054, 063, 072, 073, 064, 055, 046, 037, 047, 056, 065, 074, 075, 066, 057, 067, 076, 077,
};

static void make_terms(Term *terms, const uint8_t *quantisation) {
    static const int32_t weights[8] = {WEIGHT_0, WEIGHT_1, 0, WEIGHT_3, 0, WEIGHT_5, 0, WEIGHT_7};
    static const int columns[8] = {0, 1, -1, 2, -1, 3, -1, 4};
    for (int index = 0; index < COEFFICIENTS; index++) {
        int row = ZIGZAG[index] >> 3, column = columns[ZIGZAG[index] & 7];
        bool counts = column >= 0 && weights[row];
        terms[index].sum = BAND * (uint32_t)(!counts ? NOWHERE : column + (row ? SIGNED : BOTH_ROWS));
        terms[index].weight = weights[row] * quantisation[index];
    }
}

static inline int32_t rounded(uint32_t value, int bits) { return (int32_t)(value + (1u << (bits - 1))) >> bits; }

/* Fills the left and the right sample of a row, `sign` is that of odd rows. */
FAST_VARIANT static void make_row(uint8_t *restrict left, uint8_t *restrict right, const Band *band, uint32_t sign, int count) {
    static const uint32_t weights[COLUMNS] = {WEIGHT_0, WEIGHT_1, (uint32_t)WEIGHT_3, WEIGHT_5, (uint32_t)WEIGHT_7};
    for (int block = 0; block < count; block++) {
        uint32_t parts[COLUMNS];
        for (int column = 0; column < COLUMNS; column++) {
            uint32_t sum = band->sums[BOTH_ROWS + column][block] + sign * band->sums[SIGNED + column][block];
            parts[column] = weights[column] * (uint32_t)rounded(sum, FRACTION);
        }
        uint32_t odd = parts[1] + parts[2] + parts[3] + parts[4];
        left[block] = to_sample(rounded(parts[0] + odd, FRACTION + 7));
        right[block] = to_sample(rounded(parts[0] - odd, FRACTION + 7));
    }
}

/* ---------------------------------------------------------------------------------------------- values */

/* Reads the difference of a DC coefficient, and moves the position behind it. */
static inline uint32_t read_difference(const uint8_t *bytes, uint64_t *position, const BlockTables *tables) {
    uint64_t bits = load_bits(bytes, *position);
    unsigned entry = tables->sizes[bits >> (64 - DC_WINDOW)], length = entry & 255, size = entry >> 8;
    if (UNLIKELY(!entry)) {
        int found, symbol = find_symbol(&tables->dc, (uint32_t)(bits >> (64 - LONGEST_CODE)), &found);
        length = (unsigned)found, size = (unsigned)symbol;
    }
    *position += length + size;
    return (uint32_t)extend(bits << length, size);
}

/* A reading of the AC coefficients of some blocks of a band. */
typedef struct {
    uint64_t position;
    uint32_t known; /* the number of the last coefficient */
    uint32_t block, last;
} Lane;

#define RESUME(s, lane)                              \
    uint64_t s##_position = (lane)->position;         \
    uint32_t s##_known = (lane)->known, s##_block = (lane)->block, s##_last = (lane)->last

#define PAUSE(s, lane)                \
    (lane)->position = s##_position; \
    (lane)->known = s##_known;       \
    (lane)->block = s##_block

/* Reads one coefficient. It has no branch for the end of a block, which would be predicted wrongly in half of them. */
#define STEP(s)                                                                               \
    do {                                                                                      \
        uint64_t bits = load_bits(bytes, s##_position), next = band->ac[s##_block + 1];       \
        Coefficient read = tables->values[bits >> (64 - AC_WINDOW)];                          \
        if (UNLIKELY(!read.bits)) read = find_coefficient(&tables->ac, bits);                 \
        s##_known += read.coefficients;                                                       \
        const Term *term = &terms[s##_known & (COEFFICIENTS - 1)];                            \
        sums[term->sum + s##_block] += (uint32_t)read.value * (uint32_t)term->weight;         \
        uint32_t ended = (s##_known + 1) / COEFFICIENTS;                                      \
        s##_position += read.bits;                                                            \
        s##_position ^= (s##_position ^ next) & (0 - (uint64_t)ended);                        \
        s##_block += ended;                                                                   \
        s##_known &= ended - 1;                                                               \
    } while (0)

enum { LANES = 3 };

/* Adds the AC coefficients of blocks to their sums. They were read before, so codes exist, and fit into the block. */
FAST_VARIANT static void add_coefficients(
    Band *band, uint32_t count, const uint8_t *bytes, const BlockTables *tables, const Term *terms
) {
    uint32_t *sums = band->sums[0];
    Lane lanes[LANES];
    for (uint32_t index = 0; index < LANES; index++) {
        uint32_t first = count * index / LANES;
        lanes[index] = (Lane){band->ac[first], 0, first, count * (index + 1) / LANES};
    }
    {
        RESUME(a, &lanes[0]);
        RESUME(b, &lanes[1]);
        RESUME(c, &lanes[2]);
        while (a_block < a_last && b_block < b_last && c_block < c_last) {
            STEP(a);
            STEP(b);
            STEP(c);
        }
        PAUSE(a, &lanes[0]);
        PAUSE(b, &lanes[1]);
        PAUSE(c, &lanes[2]);
    }
    for (int index = 0; index < LANES; index++) {
        RESUME(a, &lanes[index]);
        while (a_block < a_last) STEP(a);
    }
}

/* ---------------------------------------------------------------------------------------------- planes */

/* Where the code of a component's blocks begins, and where their samples go. */
typedef struct {
    const BlockTables *tables;
    const uint8_t *bytes;
    const uint32_t *starts; /* of its first block in each MCU */
    size_t blocks;          /* of all components in an MCU */
    size_t mcus, restart_every;
    uint32_t mcus_across;
    size_t across, down; /* own blocks in an MCU */
    const uint8_t *quantisation;
    Plane plane;
} Source;

/* Fills a plane of one sample for each block. */
FAST_VARIANT static void read_means(const Source *source) {
    size_t stride = source->plane.stride, own = source->across * source->down;
    const uint32_t *starts = source->starts;
    uint32_t dc = 0;
    size_t left = 0; /* MCUs of a restart interval */
    for (size_t mcu = 0; mcu < source->mcus;) {
        uint8_t *corner = source->plane.samples + mcu / source->mcus_across * source->down * stride;
        for (uint32_t column = 0; column < source->mcus_across; column++, mcu++, starts += source->blocks) {
            if (!left--) dc = 0, left = source->restart_every - 1;
            for (size_t block = 0; block < own; block++) {
                uint64_t position = starts[block];
                dc += read_difference(source->bytes, &position, source->tables);
                size_t y = block / source->across, x = block % source->across;
                corner[y * stride + column * source->across + x] = mean_sample((int16_t)dc * source->quantisation[0]);
            }
        }
    }
}

/* Starts the sums of a band with the DC coefficients. */
FAST_VARIANT static uint32_t begin_band(Band *band, const Source *source, size_t first, size_t count, uint32_t dc) {
    memset(band->sums, 0, sizeof band->sums);
    for (size_t block = 0; block < count; block++) {
        uint64_t position = source->starts[(first + block) * source->blocks];
        if ((first + block) % source->restart_every == 0) dc = 0;
        dc += read_difference(source->bytes, &position, source->tables);
        band->sums[BOTH_ROWS][block] = (uint32_t)((int16_t)dc * source->quantisation[0]) * WEIGHT_0;
        band->ac[block] = (uint32_t)position;
    }
    band->ac[count] = band->ac[count - 1];
    return dc;
}

/* Fills a plane of 2 x 2 samples for each block; an MCU has one. */
static void read_quadrants(const Source *source, Band *band) {
    Term terms[COEFFICIENTS];
    uint8_t samples[4][BAND];
    uint32_t dc = 0;
    make_terms(terms, source->quantisation);
    for (size_t first = 0; first < source->mcus; first += BAND) {
        size_t left = source->mcus - first, count = left < BAND ? left : BAND;
        dc = begin_band(band, source, first, count, dc);
        add_coefficients(band, (uint32_t)count, source->bytes, source->tables, terms);
        make_row(samples[0], samples[1], band, 1, (int)count);
        make_row(samples[2], samples[3], band, 0u - 1, (int)count);
        for (size_t block = 0; block < count; block++) {
            size_t row = (first + block) / source->mcus_across, column = (first + block) % source->mcus_across;
            uint8_t *to = source->plane.samples + 2 * row * source->plane.stride + 2 * column;
            to[0] = samples[0][block];
            to[1] = samples[1][block];
            to[source->plane.stride] = samples[2][block];
            to[source->plane.stride + 1] = samples[3][block];
        }
    }
}

static Outcome read_plane(const Source *source, bool quadrants) {
    if (!quadrants) {
        read_means(source);
        return DECODED;
    }
    Band *band = malloc(sizeof *band);
    if (!band) return OUT_OF_MEMORY;
    read_quadrants(source, band);
    free(band);
    return DECODED;
}

Outcome read_planes(Plane *planes, const Header *header, const Layout *layout, const Code *code, const uint32_t *starts) {
    const Component *luma = header->components;
    bool halves = luma->across == 2 && luma->down == 2;
    Outcome outcome = DECODED;
    for (int index = 0; index < header->count && outcome == DECODED; index++) {
        const Component *own = &header->components[index];
        size_t size = index && halves ? 2 : 1; /* samples on a side of a block */
        planes[index] = (Plane){
            .samples = malloc(layout->mcus * own->across * own->down * size * size),
            .stride = mcus_across(header) * own->across * size,
            .across = (uint32_t)(luma->across / (own->across * size)),
            .down = (uint32_t)(luma->down / (own->down * size)),
        };
        if (!planes[index].samples) return OUT_OF_MEMORY;
        Source source = {
            .tables = layout->components[index],
            .bytes = code->bytes,
            .starts = starts,
            .blocks = layout->blocks,
            .mcus = layout->mcus,
            .restart_every = layout->restart_every,
            .mcus_across = mcus_across(header),
            .across = own->across,
            .down = own->down,
            .quantisation = header->quantisation[own->quantisation],
            .plane = planes[index],
        };
        outcome = read_plane(&source, size == 2);
        starts += own->across * own->down;
    }
    return outcome;
}

void free_planes(Plane *planes) {
    for (int index = 0; index < COMPONENTS; index++) free(planes[index].samples);
}
