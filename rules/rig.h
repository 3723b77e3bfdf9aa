/* rig.h - rules under test: a rule text, lines in, transitions out. For the tests of rules/ only.
 *
 * A script is one record a line: `PART TIME FIELDS`, FIELDS with ' for ". "a 12.5 'n':1,'s':'x'" is the line
 * {"ts":12.5,"n":1,"s":"x"} of partition a. Partitions a and b belong to source app, c and d to source web. `PART RAW ...`
 * takes the rest of the line as it is.
 */
#ifndef WEIR_RULES_RIG_H
#define WEIR_RULES_RIG_H

#include "core/json.h"
#include "core/tap.h"
#include "rules/back.h"
#include "rules/front.h"
#include "rules/save.h"

#include <stdlib.h>

#define RIG_PARTS 4
#define RIG_WALL (INT64_C(4000000000) * NS_PER_S) /* far past what tests use: nothing is skewed by it */

struct rig_part {
	struct fpart front;
	struct buf lines;    /* rig_lines: what rig_run reads */
	size_t at;
	int64_t seq;
	bool used;
};

struct rig {
	struct config *config;
	struct source_conf conf[2];
	struct ruleset *rules;
	struct front_source source[2];
	struct front *front;
	struct back *back;
	struct block block;
	struct batch batch;
	struct rig_part part[RIG_PARTS];
	bool replay, json;   /* hold jumps; whole JSON objects as output */
	nsec wall;
	struct buf out;      /* transitions as text */
};

static const char *rig_names[2] = { "app", "web" };

static inline void
rig_conf(struct source_conf *c, const char *name)
{
	*c = (struct source_conf){ .late = 2 * NS_PER_S, .max_jump = 3600 * NS_PER_S, .idle = 5 * NS_PER_S, .blind_after = 60 * NS_PER_S,
		.format = FORMAT_JSON, .max_record = 1 << 20 };
	c->name = xstrdup(name);
}

/* Front and back anew over the same rules; parts: letters of the partitions in use. */
static inline void
rig_start(struct rig *r, const char *parts)
{
	r->front = front_new(r->rules);
	r->back = back_new(r->rules);
	for (; *parts; parts++) {
		size_t i = (size_t)(*parts - 'a'), s = i / 2;
		char name[2] = { *parts, '\0' };
		must(i < RIG_PARTS && s < r->config->nsource);
		r->part[i].used = true;
		r->part[i].at = 0;
		r->part[i].seq = 0;
		fpart_init(&r->part[i].front, &r->source[s], back_part_add(r->back, s, str_of(name)));
	}
}

static inline void
rig_stop(struct rig *r)
{
	for (size_t i = 0; i < RIG_PARTS; i++) {
		if (r->part[i].used)
			fpart_release(&r->part[i].front);
		r->part[i].used = false;
	}
	front_free(r->front);
	back_free(r->back);
	r->front = NULL;
	r->back = NULL;
}

/* The rules of one text over nsource sources; mistakes are printed and counted in the answer. */
static inline unsigned
rig_load(struct rig *r, const char *rules, size_t nsource)
{
	struct diags d;
	*r = (struct rig){ .wall = RIG_WALL };
	diags_init(&d);
	r->config = config_rules_text("r.yaml", str_of(rules), &d);
	must(r->config->nsource == 0 && nsource <= 2);
	for (size_t i = 0; i < nsource; i++)
		rig_conf(&r->conf[i], rig_names[i]);
	r->config->source = r->conf;
	r->config->nsource = nsource;
	r->rules = ruleset_new(r->config, &d);
	unsigned wrong = d.n;
	for (size_t i = 0; i < nsource; i++)
		front_source_init(&r->source[i], r->rules, &r->conf[i], i);
	if (wrong)
		printf("# %s", buf_z(&d.text));
	diags_free(&d);
	batch_init(&r->batch, &r->conf[0]);
	block_init(&r->block);
	buf_init(&r->out, 256 << 20);
	for (size_t i = 0; i < RIG_PARTS; i++)
		buf_init(&r->part[i].lines, 64 << 20);
	return wrong;
}

static inline void
rig_free(struct rig *r)
{
	rig_stop(r);
	for (size_t i = 0; i < r->config->nsource; i++) {
		front_source_release(&r->source[i]);
		free(r->conf[i].name);
	}
	r->config->source = NULL;
	r->config->nsource = 0;
	ruleset_free(r->rules);
	config_free(r->config);
	r->batch.data = NULL; /* the rig's own text */
	batch_free(&r->batch);
	block_free(&r->block);
	buf_free(&r->out);
	for (size_t i = 0; i < RIG_PARTS; i++)
		buf_free(&r->part[i].lines);
}

static inline void
rig_time(struct buf *b, nsec t)
{
	if (t == NS_NONE) {
		buf_addc(b, '-');
		return;
	}
	nsec ms = t / NS_PER_MS - (t % NS_PER_MS < 0);
	buf_printf(b, "%s%lld.%03lld", ms < 0 ? "-" : "", (long long)(llabs(ms) / 1000), (long long)(llabs(ms) % 1000));
}

/* Transitions made so far into r->out: `TIME event rule level key value=V count=N start=T[ cause=C]` */
static inline size_t
rig_flush(struct rig *r)
{
	const struct alert *const *v;
	size_t n = back_out(r->back, INT64_MAX, &v);
	for (size_t i = 0; i < n; i++) {
		const struct alert *a = v[i];
		if (r->json) {
			alert_json(&r->out, a);
			buf_addc(&r->out, '\n');
			continue;
		}
		rig_time(&r->out, a->timestamp);
		buf_printf(&r->out, " %s %s %s %s value=%s count=%lld start=", event_name[a->event], a->rule, level_name[a->level], a->key,
			a->value ? a->value : "null", (long long)a->count);
		rig_time(&r->out, a->starts_at);
		if (a->cause)
			buf_printf(&r->out, " cause=%s", a->cause);
		buf_addc(&r->out, '\n');
	}
	back_out_done(r->back, n);
	return n;
}

/* One batch: these bytes of partition i. */
static inline void
rig_batch(struct rig *r, size_t i, char *text, size_t len)
{
	struct rig_part *p = &r->part[i];
	struct batch *b = &r->batch;
	must(p->used);
	batch_reset(b);
	b->data = text;
	b->len = b->cap = len;
	b->seq = b->offset = p->seq;
	b->file = str_of("x.log");
	b->pos_len = 8;
	p->seq += (int64_t)len;
	memcpy(b->pos, &p->seq, 8);
	front_run(r->front, &p->front, b, &r->block, r->wall, r->replay);
	back_take(r->back, &r->block);
	back_advance(r->back);
}

/* A script line to its partition's lines. Answers the partition. */
static inline size_t
rig_line(struct rig *r, struct str s)
{
	char text[4096];
	size_t n = 0, part = (size_t)(s.ptr[0] - 'a');
	must(s.len > 2 && s.len < sizeof text && part < RIG_PARTS);
	struct buf *b = &r->part[part].lines;
	if (str_starts((struct str){ s.ptr + 2, s.len - 2 }, STR("RAW "))) {
		buf_add(b, s.ptr + 6, s.len - 6);
		buf_addc(b, '\n');
		return part;
	}
	for (size_t i = 2; i < s.len; i++)
		text[n++] = s.ptr[i] == '\'' ? '"' : s.ptr[i];
	text[n] = '\0';
	size_t t = strcspn(text, " ");
	if (str_eq((struct str){ text, t }, STR("-")))
		buf_printf(b, "{%s}\n", text[t] ? text + t + 1 : "");
	else
		buf_printf(b, "{\"ts\":%.*s%s%s}\n", (int)t, text, text[t] ? "," : "", text[t] ? text + t + 1 : "");
	return part;
}

static inline void
rig_end(struct rig *r, nsec until)
{
	for (size_t i = 0; i < RIG_PARTS; i++) {
		if (!r->part[i].used)
			continue;
		front_end(r->front, &r->part[i].front, &r->block, r->wall);
		back_take(r->back, &r->block);
		back_part_leave(r->back, r->part[i].front.number);
	}
	back_end(r->back, until);
	rig_flush(r);
}

/* The whole way of a script, a batch a line, in the script's order. r->out holds the transitions. */
static inline void
rig_script(struct rig *r, const char *parts, const char *script, nsec until)
{
	buf_clear(&r->out);
	rig_start(r, parts);
	while (*script) {
		size_t len = strcspn(script, "\n");
		if (len) {
			size_t i = rig_line(r, (struct str){ script, len });
			struct rig_part *p = &r->part[i];
			rig_batch(r, i, p->lines.data + p->at, p->lines.len - p->at);
			p->at = p->lines.len;
		}
		script += len + (script[len] == '\n');
	}
	rig_end(r, until);
	for (size_t i = 0; i < RIG_PARTS; i++)
		buf_clear(&r->part[i].lines);
	rig_stop(r);
}

#endif
