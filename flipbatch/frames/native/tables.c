#include "tables.h"

#include <string.h>

enum { WINDOWS = 1 << SKIP_WINDOW };

/* What the code at the start of a window takes: its own bits, those of the value, too, and coefficients. */
typedef struct {
    uint8_t code, bits, coefficients; /* no coefficients: the code is longer, or there is none */
} Step;

static Step dc_step(int code, int symbol) { return (Step){(uint8_t)code, (uint8_t)(code + symbol), 1}; }

static Step ac_step(int code, int symbol) {
    int coefficients = coefficients_of(symbol);
    if (coefficients == COEFFICIENTS) coefficients = END_OF_BLOCK;
    return (Step){(uint8_t)code, (uint8_t)(code + (symbol & 15)), (uint8_t)coefficients};
}

static void find_steps(Step *steps, const HuffmanTable *table, Step (*step)(int, int)) {
    int window = 0, index = 0;
    for (int bits = 1; bits <= SKIP_WINDOW; bits++) {
        int windows = WINDOWS >> bits;
        for (int left = table->counts[bits]; left; left--, index++) {
            Step found = step(bits, table->symbols[index]);
            for (int end = window + windows; window < end; window++) steps[window] = found;
        }
    }
    memset(steps + window, 0, sizeof(Step) * (size_t)(WINDOWS - window));
}

static int16_t skip_entry(const Step *steps, Step step, int window) {
    int bits = step.bits, coefficients = step.coefficients;
    if (!coefficients || bits > LONGEST_SKIP) return (int16_t)(UNKNOWN << SKIP_BITS);
    while (bits < SKIP_WINDOW && coefficients < END_OF_BLOCK) {
        Step next = steps[window << bits & (WINDOWS - 1)];
        int all = coefficients + next.coefficients;
        if (!next.coefficients || bits + next.code > SKIP_WINDOW || bits + next.bits > LONGEST_SKIP) break;
        if (next.coefficients < END_OF_BLOCK && all >= COEFFICIENTS) break;
        bits += next.bits;
        coefficients = all;
    }
    return (int16_t)(bits | coefficients << SKIP_BITS);
}

static void make_skips(BlockTables *tables) {
    Step first[WINDOWS], rest[WINDOWS];
    find_steps(first, &tables->dc, dc_step);
    find_steps(rest, &tables->ac, ac_step);
    for (int window = 0; window < WINDOWS; window++) {
        tables->first.entries[window] = skip_entry(rest, first[window], window);
        tables->rest.entries[window] = skip_entry(rest, rest[window], window);
    }
}

static void make_sizes(BlockTables *tables) {
    for (int window = 0; window < 1 << DC_WINDOW; window++) {
        int length, symbol = find_symbol(&tables->dc, (uint32_t)window << (LONGEST_CODE - DC_WINDOW), &length);
        tables->sizes[window] = symbol >= 0 && length <= DC_WINDOW ? (uint16_t)(symbol << 8 | length) : 0;
    }
}

static void make_values(BlockTables *tables) {
    for (int window = 0; window < 1 << AC_WINDOW; window++) {
        Coefficient found = find_coefficient(&tables->ac, (uint64_t)window << (64 - AC_WINDOW));
        tables->values[window] = found.bits <= AC_WINDOW ? found : (Coefficient){0};
    }
}

void make_tables(BlockTables *tables, const HuffmanTable *dc, const HuffmanTable *ac) {
    if (!memcmp(&tables->dc, dc, sizeof *dc) && !memcmp(&tables->ac, ac, sizeof *ac)) return;
    tables->dc = *dc;
    tables->ac = *ac;
    make_skips(tables);
    make_sizes(tables);
    make_values(tables);
}

int find_symbol(const HuffmanTable *table, uint32_t bits, int *length) {
    uint32_t first = 0; /* the first code of a length */
    int index = 0;
    for (*length = 1; *length <= LONGEST_CODE; ++*length) {
        uint32_t code = bits >> (LONGEST_CODE - *length), count = table->counts[*length];
        if (code - first < count) return table->symbols[index + (int)(code - first)];
        index += (int)count;
        first = (first + count) << 1;
    }
    return -1;
}

Coefficient find_coefficient(const HuffmanTable *table, uint64_t bits) {
    int length, symbol = find_symbol(table, (uint32_t)(bits >> (64 - LONGEST_CODE)), &length);
    int coefficients = symbol < 0 ? 0 : coefficients_of(symbol);
    if (!coefficients) return (Coefficient){1, COEFFICIENTS, 0}; /* ends any loop */
    unsigned size = symbol & 15;
    return (Coefficient){(uint8_t)(length + (int)size), (uint8_t)coefficients, (int16_t)extend(bits << length, size)};
}
