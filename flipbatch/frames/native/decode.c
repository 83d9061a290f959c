#include "decode.h"

#include <stdlib.h>

#include "samples.h"
#include "variants.h"

enum { FEWEST_BITS = 2 }; /* of a block: one for its DC code, one for its end */

static uint32_t eighth(uint32_t length) { return (length + SCALE - 1) / SCALE; }

uint32_t scaled_height(const Header *header) { return eighth(header->height); }

uint32_t scaled_width(const Header *header) { return eighth(header->width); }

static inline uint8_t clamped(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/* Converts a row by the formulas of JFIF 1.02, section 7, in 1/65536: 1.402, 0.34414, 0.71414 and 1.772. */
FAST_VARIANT static void convert_row(
    uint8_t *restrict rgb, const uint8_t *restrict luma, const uint8_t *restrict blue, const uint8_t *restrict red, size_t width
) {
    for (size_t x = 0; x < width; x++) {
        int32_t y = luma[x], cb = blue[x] - 128, cr = red[x] - 128;
        rgb[3 * x] = clamped(y + ((91881 * cr + 32768) >> 16));
        rgb[3 * x + 1] = clamped(y + ((32768 - 22554 * cb - 46802 * cr) >> 16));
        rgb[3 * x + 2] = clamped(y + ((116130 * cb + 32768) >> 16));
    }
}

static void grey_row(uint8_t *rgb, const uint8_t *luma, size_t width) {
    for (size_t x = 0; x < width; x++) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = luma[x];
}

/* Returns a row of a plane with a sample for each pixel, in `wide` if they must be repeated. */
static const uint8_t *full_row(uint8_t *wide, const Plane *plane, uint32_t y, size_t width) {
    const uint8_t *row = plane->samples + (size_t)(y / plane->down) * plane->stride;
    if (plane->across == 1) return row;
    for (size_t x = 0; x < width; x++) wide[x] = row[x / plane->across];
    return wide;
}

static Outcome convert(uint8_t *rgb, const Header *header, const Plane *planes) {
    uint32_t height = scaled_height(header);
    size_t width = scaled_width(header);
    uint8_t *wide = malloc(2 * width);
    if (!wide) return OUT_OF_MEMORY;
    for (uint32_t y = 0; y < height; y++, rgb += 3 * width) {
        const uint8_t *luma = planes[0].samples + (size_t)y * planes[0].stride;
        if (header->count == 1) {
            grey_row(rgb, luma, width);
            continue;
        }
        const uint8_t *blue = full_row(wide, &planes[1], y, width);
        const uint8_t *red = full_row(wide + width, &planes[2], y, width);
        convert_row(rgb, luma, blue, red, width);
    }
    free(wide);
    return DECODED;
}

static Outcome decode_blocks(uint8_t *rgb, const Header *header, const Layout *layout, const Code *code) {
    Plane planes[COMPONENTS] = {{0}};
    uint32_t *starts = malloc((blocks_of(layout) + 1 + SPARE) * sizeof *starts);
    Outcome outcome = starts ? find_blocks(starts, code, layout) : OUT_OF_MEMORY;
    if (outcome == DECODED) outcome = read_planes(planes, header, layout, code, starts);
    if (outcome == DECODED) outcome = convert(rgb, header, planes);
    free_planes(planes);
    free(starts);
    return outcome;
}

Outcome decode_eighth(uint8_t *rgb, const Header *header, const uint8_t *data, size_t length, BlockTables *tables) {
    Layout layout;
    Code code;
    if ((uint64_t)header->height * header->width > MOST_PIXELS || length > UINT32_MAX / 8) return NOT_TAKEN;
    make_layout(&layout, header, tables);
    if (blocks_of(&layout) * FEWEST_BITS > 8 * (length - header->code)) return CODE_MISSING;
    size_t intervals = (layout.mcus + layout.restart_every - 1) / layout.restart_every;
    Outcome outcome = read_code(&code, data + header->code, length - header->code, intervals);
    if (outcome == DECODED) outcome = decode_blocks(rgb, header, &layout, &code);
    if (outcome == DECODED && code.has_long_zeros) outcome = DECODED_WITH_ZEROS;
    free_code(&code);
    return outcome;
}
