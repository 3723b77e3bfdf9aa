/* digest.c - the only file with libcrypto. Owns: nothing. A failing digest is a broken library: must. */
#include "sinks/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

void
digest_parts(const struct str *part, size_t n, char hex[DIGEST_HEX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	must(c != NULL && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1);
	for (size_t i = 0; i < n; i++) {
		char lead[24];
		int k = snprintf(lead, sizeof lead, "%zu:", part[i].len);
		must(EVP_DigestUpdate(c, lead, (size_t)k) == 1);
		must(EVP_DigestUpdate(c, part[i].ptr, part[i].len) == 1);
	}
	must(EVP_DigestFinal_ex(c, md, &len) == 1 && len == 32);
	EVP_MD_CTX_free(c);
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", md[i]);
}

void
digest_transition(const struct alert *a, char hex[DIGEST_HEX])
{
	char at[24];
	int n = snprintf(at, sizeof at, "%lld", (long long)a->timestamp);
	struct str part[] = { str_of(a->id), str_of(event_name[a->event]), { at, (size_t)n } };
	digest_parts(part, COUNT_OF(part), hex);
}

void
digest_subject(const struct alert *a, char hex[DIGEST_HEX])
{
	struct str part[] = { str_of(a->rule), str_of(a->key ? a->key : "{}") };
	digest_parts(part, COUNT_OF(part), hex);
}

void
hmac_sha256(struct str key, struct str message, unsigned char out[32])
{
	unsigned len = 0;
	must(key.len <= INT32_MAX);
	must(HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)message.ptr, message.len, out, &len) != NULL);
	must(len == 32);
}

void
base64_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_room(b, (n + 2) / 3 * 4 + 1);
	if (to)
		b->len += (size_t)EVP_EncodeBlock((unsigned char *)to, p, (int)n);
}

bool
base64_decode(struct buf *b, struct str s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t pad = 0;
	for (; s.len > 0 && pad < 2 && s.ptr[s.len - 1] == '='; s.len--)
		pad++;
	if (s.len % 4 == 1 || (pad && (s.len + pad) % 4 != 0))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char *at = s.ptr[i] ? strchr(digits, s.ptr[i]) : NULL;
		if (at == NULL)
			return false;
		acc = acc << 6 | (uint32_t)(at - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_addc(b, (char)(acc >> bits & 0xff));
		}
	}
	return (acc & ((1u << bits) - 1)) == 0;
}
