/* outbox_test.c - what is due and in which order, marks, taking, counts; a row that changed on disk. */
#include "core/outbox.h"
#include "core/store.h"
#include "core/store_tap.h"

static struct store *s;
static struct outbox *o;

static void
add(const char *rule, const char *key, enum event event, nsec at, nsec due)
{
	struct alert a = alert_new(rule, key, event, at);
	bool inserted;
	int64_t number;
	must(store_begin(s) == ERR_OK && store_transition(s, &a, &inserted, &number) == ERR_OK && inserted);
	must(store_outbox(s, number, "hook", due, at) == ERR_OK && store_commit(s) == ERR_OK);
	alert_free(&a);
}

/* "rule/key event#attempts ..." of what is due. */
static const char *
due_of(const char *sink, nsec now, size_t max, bool together)
{
	static char text[1024];
	struct outbox_row row[16];
	size_t n = 0, len = 0;
	text[0] = '\0';
	must(outbox_due(o, sink, now, together, row, max, &n) == ERR_OK);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s#%d", i ? " " : "", row[i].alert.title, row[i].attempts);
	outbox_rows_free(row, n);
	return text;
}

static const char *
due(const char *sink, nsec now, size_t max)
{
	return due_of(sink, now, max, false);
}

static void
mark(int64_t id, enum outbox_mark how, nsec when)
{
	struct outbox_done done = { .id = id, .mark = how, .due = when, .answer = "503", .at = when };
	ok(outbox_mark(o, &done, 1) == ERR_OK, "marked");
}

static void
reopen(void)
{
	struct errinfo why = { 0 };
	outbox_close(o);
	store_close(s);
	s = store_open(tmp_dir, 0, &why);
	o = outbox_open(tmp_dir, &why);
	must(s && o);
}

static void
test_order(void)
{
	nsec next;
	struct outbox_counts c;

	add("a", "1", EV_FIRING, 10, 10);
	add("a", "2", EV_FIRING, 11, 50);
	add("a", "1", EV_RESOLVED, 12, 12);
	add("b", "1", EV_FIRING, 13, 13);
	isz(due("hook", 9, 9), "", "nothing yet");
	ok(outbox_next(o, "hook", &next) == ERR_OK && next == 10, "the first is due at 10");
	isz(due("hook", 20, 9), "a of 1#0 b of 1#0", "one of each alert, the later one waits behind");
	isz(due("hook", 20, 1), "a of 1#0", "at most max");
	isz(due("none", 20, 9), "", "of this sink only");
	mark(1, OUTBOX_RETRY, 40);
	isz(due("hook", 20, 9), "b of 1#0", "what is behind a retried one stays behind");
	mark(4, OUTBOX_SENT, 20);
	ok(outbox_next(o, "hook", &next) == ERR_OK && next == 40, "next is the retried one, not what it blocks");
	reopen();
	isz(due("hook", 60, 9), "a of 1#1 a of 2#0", "the same after a restart, in order of due");
	mark(1, OUTBOX_SENT, 60);
	mark(1, OUTBOX_SENT, 60);
	isz(due("hook", 60, 9), "a of 1#0 a of 2#0", "now its resolve");
	mark(2, OUTBOX_FAILED, 60);
	ok(outbox_counts(o, "hook", &c) == ERR_OK && c.waiting == 1 && c.failed == 1 && c.sent == 2 && c.oldest == 12,
		"counts; marking twice counts once");
	mark(3, OUTBOX_SENT, 60);
	ok(outbox_next(o, "hook", &next) == ERR_OK && next == NS_NONE, "nothing waits");
	ok(outbox_counts(o, "other", &c) == ERR_OK && c.waiting == 0 && c.sent == 0 && c.oldest == NS_NONE, "of an unknown sink");
}

static void
test_batch(void)
{
	struct outbox_done done[3];
	char key[8];
	size_t n;
	struct outbox_row row[16];

	for (int i = 0; i < 3; i++) {
		snprintf(key, sizeof key, "%d", i);
		add("batch", key, EV_FIRING, 100, 100);
	}
	must(outbox_due(o, "hook", 200, false, row, 16, &n) == ERR_OK);
	ok(n == 3 && row[0].created == 100 && row[0].transition > 0, "three at once");
	for (size_t i = 0; i < 3 && i < n; i++)
		done[i] = (struct outbox_done){ .id = row[i].id, .mark = OUTBOX_SENT, .at = 200 };
	outbox_rows_free(row, n);
	ok(outbox_mark(o, done, 3) == ERR_OK, "marked in one commit");
	isz(due("hook", 200, 9), "", "all gone");
	ok(outbox_mark(o, done, 0) == ERR_OK, "no marks is no work");
}

static void
test_together(void)
{
	add("t", "1", EV_FIRING, 500, 500);
	add("t", "2", EV_FIRING, 501, 501);
	add("t", "1", EV_RESOLVED, 502, 502);
	isz(due("hook", 600, 9), "t of 1#0 t of 2#0", "alone: one of each alert");
	isz(due_of("hook", 600, 9, true), "t of 1#0 t of 2#0 t of 1#0", "together: all in order");
	isz(due_of("hook", 600, 2, true), "t of 1#0 t of 2#0", "together: at most max");
	mark(8, OUTBOX_RETRY, 700);
	isz(due_of("hook", 600, 9, true), "t of 2#0", "together: what is behind one that was put off waits with it");
	isz(due_of("hook", 700, 9, true), "t of 1#1 t of 2#0 t of 1#0", "then it is due, and still comes first");
}

int
main(void)
{
	struct errinfo why = { 0 };
	tmp_new();
	ok(!outbox_open(tmp_dir, &why) && why.code != ERR_OK, "no outbox without a store: %s", why.text);
	why = (struct errinfo){ 0 };
	s = store_open(tmp_dir, 0, &why);
	must(s);
	o = outbox_open(tmp_dir, &why);
	ok(o != NULL, "opens %s", why.text);
	test_order();
	test_batch();
	test_together();
	outbox_close(o);
	store_close(s);
	tmp_clear();
	return tap_done();
}
