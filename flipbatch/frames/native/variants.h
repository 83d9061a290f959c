/* Compiles a function twice on x86-64: for any processor, and for those since 2013, which shift by any number of
 * bits in one step. The loader of the library picks one. */
#ifndef FLIPBATCH_VARIANTS_H
#define FLIPBATCH_VARIANTS_H

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(FLIPBATCH_ONE_VARIANT)
#include <features.h>
#endif

#if defined(__GLIBC__) && defined(__x86_64__) && !defined(FLIPBATCH_ONE_VARIANT)
#define FAST_VARIANT __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FAST_VARIANT
#endif

#define UNLIKELY(condition) __builtin_expect((condition) != 0, 0)

#endif
