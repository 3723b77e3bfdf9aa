/* crc32c_test.c - the vectors of RFC 3720 B.4, chaining, and both forms against a bitwise one. */
#include "core/crc32c.h"
#include "core/tap.h"

static uint32_t
bitwise(const unsigned char *p, size_t n)
{
	uint32_t c = 0xFFFFFFFFu;
	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
	}
	return ~c;
}

int
main(void)
{
	unsigned char b[512];

	ok(crc32c(0, "123456789", 9) == 0xE3069283u, "check value");
	ok(crc32c_table(0, "123456789", 9) == 0xE3069283u, "check value by table");
	ok(crc32c(0, "", 0) == 0, "nothing");
	memset(b, 0, 32);
	ok(crc32c(0, b, 32) == 0x8A9136AAu, "32 zero bytes");
	memset(b, 0xFF, 32);
	ok(crc32c(0, b, 32) == 0x62A8AB43u, "32 bytes of ones");
	for (unsigned i = 0; i < 32; i++)
		b[i] = (unsigned char)i;
	ok(crc32c(0, b, 32) == 0x46DD794Eu, "32 ascending");
	for (unsigned i = 0; i < 32; i++)
		b[i] = (unsigned char)(31 - i);
	ok(crc32c(0, b, 32) == 0x113FDB5Cu, "32 descending");

	uint32_t x = 1;
	for (size_t i = 0; i < sizeof b; i++)
		b[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
	bool same = true, chain = true;
	for (size_t off = 0; off < 9; off++)
		for (size_t n = 0; n + off <= 300; n++) {
			uint32_t want = bitwise(b + off, n);
			same = same && crc32c(0, b + off, n) == want && crc32c_table(0, b + off, n) == want;
			size_t cut = n / 3;
			chain = chain && crc32c(crc32c(0, b + off, cut), b + off + cut, n - cut) == want;
		}
	ok(same, "every length to 300 at nine alignments");
	ok(chain, "in two parts");
	return tap_done();
}
