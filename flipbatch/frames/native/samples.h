/* Blocks become samples: one for a block, or 2 x 2 for a block of colours that are stored at half the size.
 *
 * The samples are those of libjpeg, to the last bit: means of the pixels that a full decoder would give, but for
 * rounding. Only where values exceed 16 bits, as in damaged files, may those of 2 x 2 differ.
 *
 * Source: ITU-T T.81 (1992), annexes A.3.3 and F.2; constants are derived in samples.c.
 */
#ifndef FLIPBATCH_SAMPLES_H
#define FLIPBATCH_SAMPLES_H

#include "blocks.h"

/* The samples of a component, whole MCUs. */
typedef struct {
    uint8_t *samples;
    size_t stride;
    uint32_t across, down; /* pixels of the picture for a sample */
} Plane;

/* Fills the planes, one for each component. `free_planes` in any case. */
Outcome read_planes(Plane *planes, const Header *header, const Layout *layout, const Code *code, const uint32_t *starts);
void free_planes(Plane *planes);

#endif
