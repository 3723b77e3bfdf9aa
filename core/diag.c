/* diag.c - collected mistakes, and the nearest known name. */
#include "core/diag.h"

#include <ctype.h>

#define DIAG_BYTES (1 << 20)

void
diags_init(struct diags *d)
{
	*d = (struct diags){ 0 };
	buf_init(&d->text, DIAG_BYTES);
	buf_init(&d->warn, DIAG_BYTES);
}

void
diags_free(struct diags *d)
{
	buf_free(&d->text);
	buf_free(&d->warn);
}

static void
say(struct buf *b, struct loc at, const char *kind, const char *fmt, va_list ap)
{
	if (at.file)
		buf_printf(b, "%s:", at.file);
	if (at.line)
		buf_printf(b, "%d:%d:", at.line, at.col);
	if (b->len && b->data[b->len - 1] == ':')
		buf_addc(b, ' ');
	buf_addz(b, kind);
	buf_vprintf(b, fmt, ap);
	buf_addc(b, '\n');
}

void
diag(struct diags *d, struct loc at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(&d->text, at, "", fmt, ap);
	va_end(ap);
	d->n++;
}

void
diag_warn(struct diags *d, struct loc at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(&d->warn, at, "warning: ", fmt, ap);
	va_end(ap);
	d->nwarn++;
}

#define WORD_MAX 64

/* Damerau's edit distance with neighbouring swaps (optimal string alignment), without case; more than max: max + 1. */
static size_t
distance(struct str a, const char *bz, size_t max)
{
	size_t n = a.len, m = strlen(bz);
	if (n > WORD_MAX || m > WORD_MAX || (n > m ? n - m : m - n) > max)
		return max + 1;
	size_t row[3][WORD_MAX + 1];
	for (size_t j = 0; j <= m; j++)
		row[1][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *prev2 = row[(i - 1) % 3], *prev = row[i % 3], *cur = row[(i + 1) % 3];
		cur[0] = i;
		for (size_t j = 1; j <= m; j++) {
			int x = tolower((unsigned char)a.ptr[i - 1]), y = tolower((unsigned char)bz[j - 1]);
			size_t best = prev[j - 1] + (x != y);
			if (prev[j] + 1 < best)
				best = prev[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && x == tolower((unsigned char)bz[j - 2]) && y == tolower((unsigned char)a.ptr[i - 2]) &&
				prev2[j - 2] + 1 < best)
				best = prev2[j - 2] + 1;
			cur[j] = best;
		}
	}
	return row[(n + 1) % 3][m];
}

const char *
nearest(struct str word, const char *const *names, size_t n)
{
	size_t max = word.len / 3;
	if (max > 2)
		max = 2;
	if (max == 0)
		max = word.len > 1;
	const char *best = NULL;
	size_t least = max + 1;
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, names[i], max);
		if (d < least) {
			least = d;
			best = names[i];
		}
	}
	return best;
}
