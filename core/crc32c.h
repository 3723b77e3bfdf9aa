/* crc32c.h - the Castagnoli CRC of RFC 3720 appendix B.4, over every row of state that weir keeps.
 *
 * crc32c(0, p, n) is the CRC of n bytes; crc32c(crc32c(0, a), b) that of a followed by b. Uses the processor's
 * instruction where there is one (asked once at run time), else a table; both give the same answer.
 */
#ifndef WEIR_CRC32C_H
#define WEIR_CRC32C_H

#include "core/base.h"

uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_table(uint32_t crc, const void *p, size_t n); /* the portable form; exported for its test */

#endif
