/* Compiles a function twice on x86-64: for any processor, and for those since 2013, which shift by any number of
 * bits in one step. The loader of the library picks one. GCC knows these variants since version 12; what clang makes
 * of them asks for the vendor of the processor only. */
#ifndef FLIPBATCH_VARIANTS_H
#define FLIPBATCH_VARIANTS_H

#include <limits.h> /* says whether the C library is glibc, whose loader picks variants */

#if defined(__GLIBC__) && defined(__x86_64__) && !defined(__clang__) && __GNUC__ >= 12 && !defined(FLIPBATCH_ONE_VARIANT)
#define FAST_VARIANT __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FAST_VARIANT
#endif

#define UNLIKELY(condition) __builtin_expect((condition) != 0, 0)

#endif
