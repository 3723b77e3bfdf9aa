/* ruletest_lines.c - the lines of `records:`: TIME [xN] [every DUR] {JSON}, and the order in which their records arrive.
 *
 * A record arrives at its line's time, or at its own if that is later: nothing is read before it was written.
 * In: a block of text. Out: struct rt_line, struct rt_arrival. Owns: nothing. Mistakes are told at their place.
 */
#include "core/ruletest.h"

#include "core/num.h"
#include "core/units.h"

#include <stdlib.h>

static struct str
word(struct str *s)
{
	size_t a = 0, n;
	while (a < s->len && (s->ptr[a] == ' ' || s->ptr[a] == '\t'))
		a++;
	n = a;
	while (n < s->len && s->ptr[n] != ' ' && s->ptr[n] != '\t')
		n++;
	struct str w = { s->ptr + a, n - a };
	s->ptr += n;
	s->len -= n;
	return w;
}

static bool
count_of(struct str w, int64_t *out)
{
	int64_t n = 0;
	for (size_t i = 1; i < w.len; i++) {
		if (w.ptr[i] < '0' || w.ptr[i] > '9' || n > RT_RECORDS_MAX)
			return false;
		n = n * 10 + (w.ptr[i] - '0');
	}
	*out = n;
	return w.len > 1 && n > 0 && n <= RT_RECORDS_MAX;
}

static bool
dur_word(struct str w, nsec *out)
{
	if (str_eq(w, STR("0"))) {
		*out = 0;
		return true;
	}
	return dur_parse(w, out) && *out <= DUR_MAX;
}

/* The JSON of a line with n in place of {n}. */
void
rt_line_json(const struct rt_line *line, int64_t n, struct buf *out)
{
	const char *p = line->json, *end = p + line->len, *at;
	while (line->numbered && (at = memmem(p, (size_t)(end - p), "{n}", 3))) {
		buf_add(out, p, (size_t)(at - p));
		buf_printf(out, "%lld", (long long)n);
		p = at + 3;
	}
	buf_add(out, p, (size_t)(end - p));
}

/* The time that the record just parsed says itself: as the front reads it; NS_NONE. */
static nsec
own_time(const struct record *rec, const struct front_source *s)
{
	nsec t;
	for (size_t i = 0; i < s->ntime; i++) {
		const struct slice *v = &rec->slot[s->time_slot[i]];
		if ((v->kind == K_STR || v->kind == K_NUM) && stamp_parse((struct str){ v->ptr, v->len }, s->zone, &t))
			return t;
	}
	return NS_NONE;
}

static void
json_check(struct rt_reader *r, const struct bind *b, struct rt_line *line, struct loc at)
{
	struct buf json;
	if (r->parser == NULL)
		return;
	buf_init(&json, RT_TEXT_MAX);
	rt_line_json(line, 0, &json);
	r->rec.raw = buf_str(&json);
	enum parse_verdict v = parse(r->parser, &r->rec, &r->arena);
	if (v != PARSE_OK)
		diag(b->d, at, "this record is no JSON object (%s)%s", verdict_name[v], line->numbered ? "; {n} is 0 in it" : "");
	else
		line->stamped = own_time(&r->rec, &r->source[line->source]) != NS_NONE;
	arena_reset(&r->arena);
	buf_free(&json);
}

/* TIME [xN] [every DUR] {JSON} */
static void
line_take(struct rt_reader *r, const struct bind *b, struct rt_test *t, const struct node *v, struct str s, size_t source)
{
	struct rt_line line = { .count = 1, .source = source };
	const char *what = NULL, *bad = s.ptr;
	struct str w = word(&s);
	bool times = false;
	if (w.len == 0 || w.ptr[0] == '#')
		return;
	bad = w.ptr;
	if (!dur_word(w, &line.at))
		what = "a record's line begins with its time, such as 0s, 1m30s or 2h";
	while (what == NULL) {
		struct str before = s;
		w = word(&s);
		bad = w.ptr;
		if (w.len == 0) {
			what = "the record is missing: TIME [xN] [every DUR] {JSON}";
		} else if (w.ptr[0] == '{') {
			s = before;
			s.len -= (size_t)(w.ptr - s.ptr);
			s.ptr = w.ptr;
			break;
		} else if (w.ptr[0] == 'x' && !times) {
			times = true;
			if (!count_of(w, &line.count))
				what = "xN says how many records: x2 up to x10000000";
		} else if (str_eq(w, STR("every")) && line.every == 0) {
			w = word(&s);
			bad = w.len ? w.ptr : bad;
			if (!dur_parse(w, &line.every) || line.every <= 0 || line.every > DUR_MAX)
				what = "every wants a duration, such as 1s";
			else if (!times)
				what = "every without xN: say how many, such as x10 every 1s";
		} else {
			what = "expected TIME [xN] [every DUR] {JSON}";
		}
	}
	if (what == NULL && line.count > 1 && line.every > INT64_C(8000000000) * NS_PER_S / line.count)
		what = "so many records reach past the year 2200";
	struct loc at = node_loc(v, (size_t)(bad - v->s));
	if (what) {
		diag(b->d, at, "%s", what);
		return;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\r' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	line.at += RT_EPOCH;
	line.json = s.ptr;
	line.len = s.len;
	line.numbered = memmem(s.ptr, s.len, "{n}", 3) != NULL;
	json_check(r, b, &line, at);
	GROW(t->line, t->nline, t->cap_line);
	t->line[t->nline++] = line;
}

void
rt_lines_take(struct rt_reader *r, const struct bind *b, struct rt_test *t, const struct node *v, size_t source)
{
	if (!node_text(b, "records", v))
		return;
	for (const char *p = v->s; *p;) {
		size_t n = strcspn(p, "\n");
		line_take(r, b, t, v, (struct str){ p, n }, source);
		p += n + (p[n] == '\n');
	}
}

/* ---- arrival ---- */

static int
by_arrival(const void *x, const void *y)
{
	const struct rt_arrival *a = x, *b = y;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return (a->n > b->n) - (a->n < b->n);
}

struct rt_arrival *
rt_arrivals(const struct rt_file *f, const struct rt_test *t, size_t *n)
{
	struct rt_reader r = { .parser = parser_new(&f->app.rules->paths), .source = f->app.source };
	struct buf json;
	size_t total = 0, k = 0;
	bool sorted = true;
	r.rec.slot = xcalloc(f->app.rules->paths.n + 1, sizeof *r.rec.slot);
	buf_init(&json, RT_TEXT_MAX);
	for (size_t i = 0; i < t->nline; i++)
		total += (size_t)t->line[i].count;
	struct rt_arrival *v = xcalloc(total + 1, sizeof *v);
	for (size_t i = 0; i < t->nline; i++) {
		const struct rt_line *line = &t->line[i];
		for (int64_t c = 0; c < line->count; c++) {
			nsec at = line->at + c * line->every, own = NS_NONE;
			if (line->stamped) {
				buf_clear(&json);
				arena_reset(&r.arena);
				rt_line_json(line, c, &json);
				r.rec.raw = buf_str(&json);
				if (parse(r.parser, &r.rec, &r.arena) == PARSE_OK)
					own = own_time(&r.rec, &r.source[line->source]);
			}
			v[k] = (struct rt_arrival){ own > at ? own : at, (uint32_t)i, c };
			sorted &= k == 0 || by_arrival(&v[k - 1], &v[k]) <= 0;
			k++;
		}
	}
	if (!sorted)
		qsort(v, k, sizeof *v, by_arrival);
	parser_free(r.parser);
	free(r.rec.slot);
	arena_free(&r.arena);
	buf_free(&json);
	*n = k;
	return v;
}
