#include "header.h"

#include <string.h>

enum {
    SOF0 = 0xC0,
    SOF1 = 0xC1,
    DHT = 0xC4,
    SOI = 0xD8,
    SOS = 0xDA,
    DQT = 0xDB,
    DRI = 0xDD,
    APP0 = 0xE0,
    APP14 = 0xEE,
    APP15 = 0xEF,
    COM = 0xFE,
};

/* MOST_SEGMENTS as in jpeg.py. LONGEST_SIDE is what libjpeg reads at most. */
enum { LONGEST_SIDE = 65500, MOST_SEGMENTS = 1000, LARGEST_DC_SIZE = 15, JFIF_LENGTH = 14, ADOBE_LENGTH = 12, ADOBE_YCBCR = 1 };

typedef struct {
    const uint8_t *bytes;
    size_t length;
} Payload;

typedef struct {
    bool frame, jfif, adobe;
    uint8_t adobe_transform;
} Seen;

static uint32_t big_endian_16(const uint8_t *bytes) { return (uint32_t)bytes[0] << 8 | bytes[1]; }

static uint32_t ceil_div(uint32_t number, uint32_t by) { return (number + by - 1) / by; }

uint32_t mcus_across(const Header *header) { return ceil_div(header->width, 8u * header->components[0].across); }

uint32_t mcus_down(const Header *header) { return ceil_div(header->height, 8u * header->components[0].down); }

static bool read_quantisation(Header *header, Payload payload) {
    size_t at = 0;
    for (; at + 1 + COEFFICIENTS <= payload.length; at += 1 + COEFFICIENTS) {
        uint8_t number = payload.bytes[at]; /* the upper half would say that values have 16 bits */
        if (number >= TABLES) return false;
        header->quantised[number] = true;
        memcpy(header->quantisation[number], payload.bytes + at + 1, COEFFICIENTS);
    }
    return at == payload.length;
}

/* Returns whether codes fit into their bits; no code is all ones, as in T.81, C.2. */
static bool is_huffman_table(const HuffmanTable *table, int count, bool is_dc) {
    uint32_t code = 0;
    for (int bits = 1; bits <= LONGEST_CODE; bits++) {
        code = (code << 1) + table->counts[bits];
        if (code >= 1u << bits) return false;
    }
    for (int index = 0; is_dc && index < count; index++)
        if (table->symbols[index] > LARGEST_DC_SIZE) return false;
    return true;
}

static bool read_huffman(Header *header, Payload payload) {
    size_t at = 0;
    while (at + 1 + LONGEST_CODE <= payload.length) {
        uint8_t kind = payload.bytes[at] >> 4, number = payload.bytes[at] & 15;
        if (kind > 1 || number >= TABLES) return false;
        HuffmanTable table = {.defined = true};
        memcpy(table.counts + 1, payload.bytes + at + 1, LONGEST_CODE);
        int count = 0;
        for (int bits = 1; bits <= LONGEST_CODE; bits++) count += table.counts[bits];
        at += 1 + LONGEST_CODE;
        if (count > 256 || at + (size_t)count > payload.length) return false;
        memcpy(table.symbols, payload.bytes + at, (size_t)count);
        at += (size_t)count;
        if (!is_huffman_table(&table, count, kind == 0)) return false;
        (kind ? header->ac : header->dc)[number] = table;
    }
    return at == payload.length;
}

/* Returns whether the colours are sampled as cameras do: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1 or 4:4:1. */
static bool is_usual(const Header *header) {
    const Component *luma = header->components;
    for (int index = 1; index < header->count; index++)
        if (luma[index].across != 1 || luma[index].down != 1) return false;
    switch (luma->across << 4 | luma->down) {
        case 0x11:
        case 0x21:
        case 0x22:
        case 0x12:
        case 0x41:
        case 0x14:
            return true;
        default:
            return false;
    }
}

static bool read_frame(Header *header, Payload payload) {
    const uint8_t *bytes = payload.bytes;
    if (payload.length < 6 || payload.length != 6u + 3u * bytes[5] || bytes[0] != 8) return false;
    if (bytes[5] != 1 && bytes[5] != COMPONENTS) return false;
    header->height = big_endian_16(bytes + 1);
    header->width = big_endian_16(bytes + 3);
    header->count = bytes[5];
    if (header->height > LONGEST_SIDE || header->width > LONGEST_SIDE) return false;
    for (int index = 0; index < header->count; index++) {
        const uint8_t *triple = bytes + 6 + 3 * index;
        Component *component = &header->components[index];
        *component = (Component){triple[0], triple[1] >> 4, triple[1] & 15, triple[2], 0, 0};
        if (component->quantisation >= TABLES) return false;
        if (!component->across || !component->down || component->across > 4 || component->down > 4) return false;
        for (int other = 0; other < index; other++)
            if (header->components[other].name == component->name) return false;
    }
    if (header->count == 1) header->components[0].across = header->components[0].down = 1; /* T.81, A.2.2 */
    return header->height && header->width && is_usual(header);
}

static void read_application(Seen *seen, uint8_t marker, Payload payload) {
    if (marker == APP0 && payload.length >= JFIF_LENGTH && !memcmp(payload.bytes, "JFIF", 5)) seen->jfif = true;
    if (marker == APP14 && payload.length >= ADOBE_LENGTH && !memcmp(payload.bytes, "Adobe", 5)) {
        seen->adobe = true;
        seen->adobe_transform = payload.bytes[11];
    }
}

/* Returns whether three components are YCbCr for sure. */
static bool is_ycbcr(const Header *header, const Seen *seen) {
    if (header->count == 1 || seen->jfif) return true;
    if (seen->adobe) return seen->adobe_transform == ADOBE_YCBCR;
    const Component *components = header->components;
    return components[0].name == 1 && components[1].name == 2 && components[2].name == 3;
}

static bool read_scan(Header *header, Payload payload) {
    static const uint8_t all_coefficients[] = {0, COEFFICIENTS - 1, 0};
    const uint8_t *bytes = payload.bytes;
    size_t count = (size_t)header->count;
    if (payload.length != 4 + 2 * count || bytes[0] != count) return false;
    for (size_t index = 0; index < count; index++) {
        Component *component = &header->components[index];
        component->dc = bytes[2 + 2 * index] >> 4;
        component->ac = bytes[2 + 2 * index] & 15;
        if (bytes[1 + 2 * index] != component->name || component->dc >= TABLES || component->ac >= TABLES) return false;
        if (!header->dc[component->dc].defined || !header->ac[component->ac].defined) return false;
        if (!header->quantised[component->quantisation]) return false;
    }
    return !memcmp(bytes + 1 + 2 * count, all_coefficients, sizeof all_coefficients);
}

static bool read_segment(Header *header, Seen *seen, uint8_t marker, Payload payload) {
    switch (marker) {
        case DQT:
            return read_quantisation(header, payload);
        case DHT:
            return read_huffman(header, payload);
        case SOF0:
        case SOF1:
            if (seen->frame) return false;
            seen->frame = true;
            return read_frame(header, payload);
        case DRI:
            if (payload.length != 2) return false;
            header->restart_every = big_endian_16(payload.bytes);
            return true;
        case SOS:
            return seen->frame && is_ycbcr(header, seen) && read_scan(header, payload);
        default:
            read_application(seen, marker, payload);
            return (marker >= APP0 && marker <= APP15) || marker == COM;
    }
}

Outcome read_header(const uint8_t *data, size_t length, Header *header) {
    Seen seen = {0};
    size_t at = 2;
    memset(header, 0, sizeof *header);
    if (length < 2 || data[0] != 0xFF || data[1] != SOI) return NOT_TAKEN;
    for (int segment = 0; segment < MOST_SEGMENTS; segment++) {
        if (at >= length || data[at] != 0xFF) return NOT_TAKEN;
        while (at < length && data[at] == 0xFF) at++; /* any number of them may stand before a marker */
        if (length - at < 3) return NOT_TAKEN;
        uint8_t marker = data[at];
        size_t size = big_endian_16(data + at + 1);
        if (size < 2 || size > length - at - 1) return NOT_TAKEN;
        Payload payload = {data + at + 3, size - 2};
        if (!read_segment(header, &seen, marker, payload)) return NOT_TAKEN;
        at += 1 + size;
        if (marker == SOS) {
            header->code = at;
            return DECODED;
        }
    }
    return NOT_TAKEN;
}
