/* A JPEG becomes RGB pixels at one eighth of its size. The pixels are those of libjpeg, to the last bit,
 * of every file that an encoder writes. */
#ifndef FLIPBATCH_DECODE_H
#define FLIPBATCH_DECODE_H

#include "tables.h"

enum { SCALE = 8, MOST_PIXELS = 100000000 /* as in rejection.py */ };

/* Height and width at one eighth. */
uint32_t scaled_height(const Header *header);
uint32_t scaled_width(const Header *header);

/* Fills `rgb`, scaled_height x scaled_width x 3. `tables` hold those of the last picture, or zeros. */
Outcome decode_eighth(uint8_t *rgb, const Header *header, const uint8_t *data, size_t length, BlockTables *tables);

#endif
