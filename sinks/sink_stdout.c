/* sink_stdout.c - transitions on standard output, for people (text) or programs (json: one transition a line).
 *
 * Text: "2026-11-25 12:00:00 CRITICAL rule {key}: title", and the first line of the message below it where it says more.
 * Colour where standard output is a terminal and NO_COLOR is unset, or as `color` says. Times are UTC.
 */
#include "core/json.h"
#include "sinks/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TITLE_MAX = 500, MESSAGE_MAX = 500, KEY_MAX = 200 };
enum { FORM_TEXT, FORM_JSON };
enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct stdout_conf {
	int format, color;
};

static const char *const formats[] = { "text", "json", NULL };
static const char *const colors[] = { "auto", "always", "never", NULL };

static const struct field fields[] = {
	{ "format", F_ENUM, offsetof(struct stdout_conf, format), 0, 0, 0, "text", formats,
		"text for people, json for one transition a line." },
	{ "color", F_ENUM, offsetof(struct stdout_conf, color), 0, 0, 0, "auto", colors,
		"Colour in text: auto (a terminal only), always, never." },
	{ 0 },
};

static const char *
colour(const struct alert *a)
{
	static const char *const by_level[LEVELS] = { "\x1b[36m", "\x1b[33m", "\x1b[31m", "\x1b[1;31m" };
	if (a->event == EV_RESOLVED || a->event == EV_DROPPED)
		return "\x1b[32m";
	return a->event == EV_PENDING || a->event == EV_ACKNOWLEDGED ? "\x1b[2m" : by_level[a->level];
}

static void
add_word(struct buf *b, const struct alert *a)
{
	const char *word = a->event == EV_FIRING ? level_name[a->level] : event_name[a->event];
	size_t n = 0;
	for (; *word; word++, n++)
		buf_addc(b, (char)toupper((unsigned char)*word));
	if (a->event == EV_LEVEL || a->event == EV_ESCALATED || a->event == EV_PENDING)
		buf_printf(b, " %s", level_name[a->level]);
	for (; n < 8; n++)
		buf_addc(b, ' ');
}

static void
add_clean(struct buf *b, struct str s, size_t max)
{
	struct buf clean;
	buf_init(&clean, 16u << 20);
	text_clean(&clean, s, true);
	text_fit(b, buf_str(&clean), max);
	buf_free(&clean);
}

/* {tenant=a, extra.stage=merging} */
static void
add_key(struct buf *b, const struct alert *a)
{
	struct json_it it = { 0 };
	struct str key, value;
	struct buf text;
	size_t n = 0;
	buf_init(&text, 16u << 20);
	while (a->key && json_each(str_of(a->key), &it, &key, &value)) {
		buf_addz(&text, n++ ? ", " : "");
		json_unescape(&text, key);
		buf_addc(&text, '=');
		json_plain(&text, value);
	}
	if (n) {
		buf_addz(b, " {");
		add_clean(b, buf_str(&text), KEY_MAX);
		buf_addc(b, '}');
	}
	buf_free(&text);
}

static void
add_text(struct buf *b, const struct sink_env *env, const struct alert *a, bool coloured)
{
	char at[32];
	time_text(a->timestamp, at);
	at[10] = ' ';
	at[19] = '\0';
	buf_printf(b, "%s %s", at, coloured ? colour(a) : "");
	add_word(b, a);
	buf_printf(b, "%s %s", coloured ? "\x1b[0m" : "", env->drill ? "[DRILL] " : "");
	add_clean(b, str_of(a->rule), KEY_MAX);
	add_key(b, a);
	buf_addz(b, ": ");
	add_clean(b, text_title(a), TITLE_MAX);
	if (a->cause)
		buf_printf(b, " (%s)", a->cause);
	buf_addc(b, '\n');
	if (a->message && *a->message && !str_eq(str_of(a->message), text_title(a)) &&
		(a->event == EV_FIRING || a->event == EV_LEVEL || a->event == EV_ESCALATED)) {
		buf_addz(b, "    ");
		add_clean(b, str_of(a->message), MESSAGE_MAX);
		buf_addc(b, '\n');
	}
}

static enum err
format(const void *conf, const struct sink_env *env, const struct alert *const *a, size_t n, struct request *q)
{
	const struct stdout_conf *c = conf;
	const char *plain = getenv("NO_COLOR");
	bool terminal = isatty(STDOUT_FILENO) == 1 && !(plain && *plain);
	bool coloured = c->color == COLOR_ALWAYS || (c->color == COLOR_AUTO && terminal);
	for (size_t i = 0; i < n; i++)
		if (c->format == FORM_JSON) {
			alert_json(&q->body, a[i]);
			buf_addc(&q->body, '\n');
		} else {
			add_text(&q->body, env, a[i], coloured);
		}
	return q->body.over ? ERR_LIMIT : ERR_OK;
}

/* The delivery answers 200 for what was written, else 0. */
static void
judge(const void *conf, const struct reply *r, struct verdict *v)
{
	(void)conf;
	judge_common(r, v);
}

const struct sink_kind sink_stdout = {
	.kind = { "stdout", "Transitions on standard output.", fields, sizeof(struct stdout_conf), NULL },
	.least = LEVEL_INFO,
	.batch = 64,
	.format = format,
	.judge = judge,
};
