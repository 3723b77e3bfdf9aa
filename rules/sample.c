/* sample.c - owned values. */
#include "rules/sample.h"

#include "core/json.h"
#include "rules/held.h"

#include <stdlib.h>

void
sample_put(struct buf *b, const struct val *v)
{
	uint8_t type = (uint8_t)v->type, flag = v->type == V_BOOL && v->b;
	PUT(b, type);
	switch (v->type) {
	case V_NULL:
		break;
	case V_BOOL:
		PUT(b, flag);
		break;
	case V_NUM: {
		double n = v->n == 0 ? 0 : v->n; /* -0 is 0 */
		PUT(b, n);
		break;
	}
	case V_STR: {
		struct str s = utf8_cut(v->s, SAMPLE_MAX);
		put_blob(b, s.ptr, (uint32_t)s.len);
		break;
	}
	}
}

bool
sample_take(struct reader *r, struct val *v)
{
	uint8_t type, flag;
	uint32_t len;
	*v = (struct val){ .type = V_NULL };
	TAKE(r, type);
	switch (type) {
	case V_NULL:
		break;
	case V_BOOL:
		TAKE(r, flag);
		v->type = V_BOOL;
		v->b = flag;
		break;
	case V_NUM:
		v->type = V_NUM;
		TAKE(r, v->n);
		break;
	case V_STR:
		v->type = V_STR;
		v->s.ptr = take_blob(r, &len);
		v->s.len = len;
		break;
	default:
		r->bad = true;
	}
	return !r->bad;
}

uint64_t
labels_hash(struct str object)
{
	uint64_t sum = 0, member = 0;
	const char *p = object.ptr, *end = object.ptr + object.len;
	int depth = 0;
	while (p < end) {
		const char *from = p++;
		if (*from == '"')
			while (p < end && *p++ != '"')
				p += p[-1] == '\\';
		else if (*from == ' ' || *from == '\t' || *from == '\n' || *from == '\r')
			continue;
		depth += (*from == '{' || *from == '[') - (*from == '}' || *from == ']');
		if ((*from == ',' && depth == 1) || depth == 0) {
			sum += member; /* a sum: their order does not matter */
			member = 0;
		} else if (*from != '{' || depth > 1) {
			member = str_hash((struct str){ from, (size_t)(p < end ? p - from : end - from) }, member);
		}
	}
	return sum;
}

struct sample *
sample_new(const char *bytes, uint32_t len)
{
	struct sample *s = xmalloc(sizeof *s + len);
	held_add(sizeof *s + len);
	s->len = len;
	memcpy(s->bytes, bytes, len);
	return s;
}

void
sample_free(struct sample *s)
{
	if (s)
		held_drop(sizeof *s + s->len);
	free(s);
}

struct val
sample_val(const struct sample *s)
{
	struct val v = { .type = V_NULL };
	if (s) {
		struct reader r = { s->bytes, s->bytes + s->len, false };
		sample_take(&r, &v);
	}
	return v;
}
