/* sink_loki.c - transitions as lines of Loki streams, pushed in batches.
 *
 * Wire: POST {url}/loki/api/v1/push, JSON, gzip. One stream a label set, its values sorted by time with 1 ns added to
 * ties (same-time lines keep their order only so). A value is [ns as a string, the transition's JSON, {"alert_id","key"}]:
 * what has many values is structured metadata, never a label. Every stream also carries app="weir". Limits kept: 15
 * labels, value 2048 bytes, line 256 KB (a longer one loses metadata, then text).
 * Answers: 204 or 200 stored; 260 is a refusal by the operator; 400 after some lines were stored, so never sent again
 * whole; 429 slow down; 401, 403, 404 nothing will pass.
 * Cost: O(n log n) in the batch.
 */
#include "core/json.h"
#include "sinks/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { LABELS_MAX = 15, LABEL_VALUE_MAX = 2048, LABEL_NAME_MAX = 1024, LINE_MAX_BYTES = 256 << 10, SHORT_MAX = 1024,
	META_MAX = 16 << 10, BATCH_MAX = 256, REQUEST_MAX = 4 << 20 };

struct loki_conf {
	char *url, *tenant;
	struct strlist labels;
	bool insecure_http;
};

static const struct field fields[] = {
	{ "url", F_URL, offsetof(struct loki_conf, url), F_REQUIRED, 0, 0, NULL, NULL,
		"Loki's address; /loki/api/v1/push is added to it." },
	{ "tenant", F_STR, offsetof(struct loki_conf, tenant), 0, 0, 0, NULL, NULL, "Sent as X-Scope-OrgID." },
	{ "labels", F_STRLIST, offsetof(struct loki_conf, labels), 0, 0, 0, NULL, NULL,
		"Stream labels: rule, level, stage, state, event, labels.NAME or key.NAME; default rule, level, stage." },
	{ "insecure_http", F_BOOL, offsetof(struct loki_conf, insecure_http), 0, 0, 0, NULL, NULL,
		"Allow plain http to another machine." },
	{ 0 },
};

static const char *const plain_names[] = { "rule", "level", "stage", "state", "event" };
static char *default_names[] = { (char[]){ "rule" }, (char[]){ "level" }, (char[]){ "stage" } };

static void
check(void *conf, struct loc loc, struct diags *d)
{
	struct loki_conf *c = conf;
	url_check("url", c->url, loc, d);
	if (c->labels.n > LABELS_MAX - 1)
		diag(d, loc, "labels names %zu labels; Loki takes %d, one of them is weir's own", c->labels.n, LABELS_MAX);
	for (size_t i = 0; i < c->labels.n; i++) {
		struct str s = str_of(c->labels.v[i]);
		bool good = (str_starts(s, STR("labels.")) && s.len > 7) || (str_starts(s, STR("key.")) && s.len > 4);
		for (size_t k = 0; k < COUNT_OF(plain_names); k++)
			good = good || str_eq(s, str_of(plain_names[k]));
		if (!good) {
			const char *near = nearest(s, plain_names, COUNT_OF(plain_names));
			diag(d, loc, "labels names \"%.*s\", which is none of rule, level, stage, state, event, labels.NAME, key.NAME%s%s",
				STR_ARG(s), near ? "; did you mean " : "", near ? near : "");
		}
	}
	for (const char *p = c->tenant; p && *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f) {
			diag(d, loc, "tenant holds a character that no header can carry");
			break;
		}
}

/* [a-zA-Z_][a-zA-Z0-9_]*, and not the reserved __ in front. */
static void
add_label_name(struct buf *b, struct str s)
{
	size_t start = b->len;
	while (s.len && s.ptr[0] == '_')
		s.ptr++, s.len--;
	if (s.len == 0 || isdigit((unsigned char)s.ptr[0]))
		buf_addc(b, '_');
	for (size_t i = 0; i < s.len && b->len - start < LABEL_NAME_MAX; i++)
		buf_addc(b, isalnum((unsigned char)s.ptr[i]) && (unsigned char)s.ptr[i] < 0x80 ? s.ptr[i] : '_');
}

static bool
member(struct buf *out, const char *object, struct str name)
{
	struct json_it it = { 0 };
	struct str key, value;
	bool found = false;
	struct buf plain;
	buf_init(&plain, 16u << 20);
	while (!found && object && json_each(str_of(object), &it, &key, &value)) {
		buf_clear(&plain);
		json_unescape(&plain, key);
		found = str_eq(buf_str(&plain), name) && !str_eq(value, STR("null"));
	}
	if (found)
		json_plain(out, value);
	buf_free(&plain);
	return found;
}

/* The value of a configured label; false: this transition has none. */
static bool
label_value(struct buf *out, struct str which, const struct alert *a)
{
	const char *z = NULL;
	if (str_starts(which, STR("labels.")))
		return member(out, a->labels, (struct str){ which.ptr + 7, which.len - 7 });
	if (str_starts(which, STR("key.")))
		return member(out, a->key, (struct str){ which.ptr + 4, which.len - 4 });
	if (str_eq(which, STR("rule")))
		z = a->rule;
	else if (str_eq(which, STR("level")))
		z = level_name[a->level];
	else if (str_eq(which, STR("stage")))
		z = a->stage;
	else if (str_eq(which, STR("state")))
		z = state_name[a->state];
	else if (str_eq(which, STR("event")))
		z = event_name[a->event];
	if (z)
		buf_addz(out, z);
	return z != NULL;
}

struct label {
	char *name, *value; /* value: JSON string */
};

static int
label_cmp(const void *x, const void *y)
{
	const struct label *a = x, *b = y;
	return strcmp(a->name, b->name);
}

/* The label set as JSON, names sorted so that equal sets are equal text. */
static char *
stream_of(const struct loki_conf *c, const struct alert *a)
{
	struct strlist names = c->labels.n ? c->labels : (struct strlist){ default_names, COUNT_OF(default_names) };
	struct label label[LABELS_MAX + 1];
	size_t n = 0;
	struct buf value, b;
	buf_init(&value, 16u << 20);
	buf_init(&b, 256 << 10);
	for (size_t i = 0; i <= names.n && n < LABELS_MAX; i++) { /* weir's own comes last: a configured app wins */
		struct str which = i < names.n ? str_of(names.v[i]) : STR("app");
		buf_clear(&value);
		if (i == names.n)
			buf_addz(&value, "weir");
		else if (!label_value(&value, which, a) || value.len == 0)
			continue;
		size_t skip = str_starts(which, STR("labels.")) ? 7 : str_starts(which, STR("key.")) ? 4 : 0;
		buf_clear(&b);
		add_label_name(&b, (struct str){ which.ptr + skip, which.len - skip });
		bool twice = false;
		for (size_t k = 0; k < n; k++)
			twice = twice || strcmp(label[k].name, buf_z(&b)) == 0;
		if (twice)
			continue;
		label[n].name = xstr(buf_str(&b));
		buf_clear(&b);
		json_str(&b, utf8_cut(buf_str(&value), LABEL_VALUE_MAX));
		label[n++].value = xstr(buf_str(&b));
	}
	qsort(label, n, sizeof *label, label_cmp);
	buf_clear(&b);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&b, "%c\"%s\":%s", i ? ',' : '{', label[i].name, label[i].value);
		free(label[i].name);
		free(label[i].value);
	}
	buf_addc(&b, '}');
	buf_free(&value);
	return buf_take(&b);
}

/* The transition's JSON within Loki's limit of a line. */
static void
add_line(struct buf *out, const struct alert *a)
{
	struct alert cut = *a; /* borrows all but what is cut */
	char none[] = "{}";
	struct buf line, title, message;
	buf_init(&line, REQUEST_MAX);
	buf_init(&title, REQUEST_MAX);
	buf_init(&message, REQUEST_MAX);
	alert_json(&line, a);
	if (line.over || line.len > LINE_MAX_BYTES) {
		cut.metadata = none;
		buf_clear(&line);
		alert_json(&line, &cut);
	}
	if (line.over || line.len > LINE_MAX_BYTES) {
		text_fit(&title, str_of(a->title), SHORT_MAX);
		text_fit(&message, str_of(a->message), SHORT_MAX);
		cut.title = title.data;
		cut.message = message.data;
		buf_clear(&line);
		alert_json(&line, &cut);
	}
	json_str(out, utf8_cut(buf_str(&line), LINE_MAX_BYTES));
	buf_free(&line);
	buf_free(&title);
	buf_free(&message);
}

struct entry {
	char *stream;
	const struct alert *a;
	size_t place;
};

static int
entry_cmp(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int c = strcmp(a->stream, b->stream);
	if (c)
		return c;
	if (a->a->timestamp != b->a->timestamp)
		return a->a->timestamp < b->a->timestamp ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static void
add_value(struct buf *b, const struct entry *e, nsec at, bool minimal)
{
	buf_printf(b, "[\"%lld\",", (long long)at);
	add_line(b, e->a);
	if (!minimal) {
		buf_addz(b, ",{\"alert_id\":");
		json_str(b, str_of(e->a->id));
		buf_addz(b, ",\"key\":");
		json_str(b, utf8_cut(str_of(e->a->key ? e->a->key : "{}"), META_MAX));
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static char *
endpoint(const char *url)
{
	static const char path[] = "/loki/api/v1/push";
	size_t n = strlen(url), m = sizeof path - 1;
	if (n >= m && strcmp(url + n - m, path) == 0)
		return xstrdup(url);
	while (n && url[n - 1] == '/')
		n--;
	return xasprintf("%.*s%s", (int)n, url, path);
}

static enum err
format(const void *conf, const struct sink_env *env, const struct alert *const *a, size_t n, struct request *q)
{
	const struct loki_conf *c = conf;
	struct entry e[BATCH_MAX];
	must(n >= 1 && n <= BATCH_MAX);
	for (size_t i = 0; i < n; i++)
		e[i] = (struct entry){ stream_of(c, a[i]), a[i], i };
	qsort(e, n, sizeof *e, entry_cmp);
	nsec last = 0;
	buf_addz(&q->body, "{\"streams\":[");
	for (size_t i = 0; i < n; i++) {
		bool opens = i == 0 || strcmp(e[i].stream, e[i - 1].stream) != 0;
		nsec at = e[i].a->timestamp;
		if (!opens && at <= last)
			at = last + 1;
		if (opens)
			buf_printf(&q->body, "%s{\"stream\":%s,\"values\":[", i ? "]}," : "", e[i].stream);
		else
			buf_addc(&q->body, ',');
		add_value(&q->body, &e[i], at, env->minimal);
		last = at;
	}
	buf_addz(&q->body, "]}]}");
	for (size_t i = 0; i < n; i++)
		free(e[i].stream);
	q->url = endpoint(c->url);
	request_header(q, "Content-Type: application/json");
	if (c->tenant && *c->tenant)
		request_header(q, "X-Scope-OrgID: %s", c->tenant);
	if (q->body.over || (n > 1 && q->body.len > REQUEST_MAX))
		return ERR_LIMIT; /* the delivery halves the batch */
	request_gzip(q);
	return ERR_OK;
}

static void
judge(const void *conf, const struct reply *r, struct verdict *v)
{
	(void)conf;
	judge_common(r, v);
	switch (r->status) {
	case 200:
	case 204:
		break;
	case 260:
		v->outcome = OUT_REJECTED;
		break;
	case 400:
		v->outcome = OUT_PARTIAL;
		/* refused before anything was stored: such a Loki takes the lines without it */
		v->again_minimal = str_has(r->body, STR("structured metadata"));
		break;
	default:
		if (v->outcome == OUT_OK) /* any other 2xx is nobody's promise */
			v->outcome = OUT_RETRY;
		break;
	}
}

const struct sink_kind sink_loki = {
	.kind = { "loki", "Transitions as lines in Grafana Loki.", fields, sizeof(struct loki_conf), check },
	.least = LEVEL_INFO,
	.batch = BATCH_MAX,
	.format = format,
	.judge = judge,
};
