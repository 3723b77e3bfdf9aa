/* ckpt_test.c - generations: what is valid, what a crash leaves, tombstones, sweeps, against a model. */
#include "core/store.h"
#include "core/store_tap.h"

#define KEYS 400
#define PANES 3

static char *model[KEYS][PANES]; /* NULL: none */
static struct buf seen;
static size_t rows, wrong;

static void
row_text(void *arg, enum ckpt_kind kind, struct str rule, struct str key, int64_t pane, struct str data)
{
	(void)arg;
	buf_printf(&seen, "%d %.*s %.*s %lld %.*s\n", (int)kind, STR_ARG(rule), STR_ARG(key), (long long)pane, STR_ARG(data));
}

static const char *
load(struct store *s)
{
	buf_clear(&seen);
	ok(ckpt_load(s, row_text, NULL) == ERR_OK, "load");
	return buf_z(&seen);
}

static void
put(struct store *s, enum ckpt_kind kind, const char *rule, const char *key, int64_t pane, const char *data)
{
	must(ckpt_put(s, kind, str_of(rule), str_of(key), pane, data ? str_of(data) : (struct str){ NULL, 0 }) == ERR_OK);
}

static struct store *
reopen(struct store *s)
{
	struct errinfo why = { 0 };
	store_close(s);
	s = store_open(tmp_dir, 0, &why);
	ok(s != NULL, "opens again %s", why.text);
	return s;
}

static void
test_generations(void)
{
	struct errinfo why = { 0 };
	struct store *s = store_open(tmp_new(), 0, &why);
	int64_t gen;

	must(s);
	isz(load(s), "", "nothing at first");
	must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
	put(s, CKPT_TUPLE, "r", "t", 1, "tuple");
	put(s, CKPT_KEY, "b", "k2", 5, "b-k2-5");
	put(s, CKPT_KEY, "a", "k1", 7, "a-k1-7");
	put(s, CKPT_KEY, "a", "k1", 6, "");
	put(s, CKPT_META, "", "", 0, "meta");
	put(s, CKPT_PART, "", "p", 0, "part");
	must(ckpt_close_slice(s) == ERR_OK);
	isz(load(s), "", "not valid before it is finished");
	ok(ckpt_finish(s) == ERR_OK && gen == 1, "finished");
	isz(load(s), "0   0 meta\n1  p 0 part\n2 a k1 6 \n2 a k1 7 a-k1-7\n2 b k2 5 b-k2-5\n3 r t 1 tuple\n",
		"in the order of kind, rule, key, pane; empty data is data");

	/* a second: one row newer, one dropped, whole kinds only of the newest */
	must(ckpt_begin(s, &gen) == ERR_OK && gen == 2 && ckpt_open_slice(s) == ERR_OK);
	put(s, CKPT_META, "", "", 0, "meta2");
	put(s, CKPT_KEY, "a", "k1", 7, "newer");
	put(s, CKPT_KEY, "b", "k2", 5, NULL);
	must(ckpt_close_slice(s) == ERR_OK);
	s = reopen(s); /* as after a crash: never finished */
	isz(load(s), "0   0 meta\n1  p 0 part\n2 a k1 6 \n2 a k1 7 a-k1-7\n2 b k2 5 b-k2-5\n3 r t 1 tuple\n",
		"what was never finished is not there");
	must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
	put(s, CKPT_META, "", "", 0, "given up");
	put(s, CKPT_KEY, "a", "k9", 7, "given up");
	must(ckpt_close_slice(s) == ERR_OK);
	must(ckpt_begin(s, &gen) == ERR_OK && gen == 2 && ckpt_open_slice(s) == ERR_OK); /* given up, begun anew */
	put(s, CKPT_META, "", "", 0, "meta2");
	put(s, CKPT_KEY, "a", "k1", 7, "newer");
	put(s, CKPT_KEY, "b", "k2", 5, NULL);
	must(ckpt_close_slice(s) == ERR_OK);
	ok(ckpt_finish(s) == ERR_OK, "the second finished");
	isz(load(s), "0   0 meta2\n2 a k1 6 \n2 a k1 7 newer\n", "newest of each, the dropped key left out");
	bool more = true;
	while (more)
		must(ckpt_prune(s, 2, &more) == ERR_OK);
	s = reopen(s);
	isz(load(s), "0   0 meta2\n2 a k1 6 \n2 a k1 7 newer\n", "pruned and opened again: the same");

	/* a slice that was rolled back breaks its generation */
	must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
	put(s, CKPT_KEY, "new-rule", "k", 0, "lost");
	store_rollback(s);
	ok(ckpt_finish(s) == ERR_AGAIN, "a generation without one of its slices is not finished");
	must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
	put(s, CKPT_KEY, "new-rule", "k", 0, "kept");
	must(ckpt_close_slice(s) == ERR_OK);
	ok(ckpt_finish(s) == ERR_OK, "begun anew it is");
	isz(load(s), "2 a k1 6 \n2 a k1 7 newer\n2 new-rule k 0 kept\n", "with the rule named in the lost slice");

	/* a transition between two slices */
	must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
	put(s, CKPT_KEY, "a", "k1", 6, "x");
	must(ckpt_close_slice(s) == ERR_OK);
	struct alert a = alert_new("r", "x", EV_FIRING, 5);
	bool inserted;
	int64_t number;
	ok(store_begin(s) == ERR_OK && store_transition(s, &a, &inserted, &number) == ERR_OK && store_commit(s) == ERR_OK,
		"a step commits between slices");
	alert_free(&a);
	ok(ckpt_finish(s) == ERR_OK, "and the generation goes on");
	store_close(s);
}

static void
row_model(void *arg, enum ckpt_kind kind, struct str rule, struct str key, int64_t pane, struct str data)
{
	(void)arg;
	(void)rule;
	if (kind != CKPT_KEY)
		return;
	int k = key.len == 4 ? (key.ptr[1] - '0') * 100 + (key.ptr[2] - '0') * 10 + key.ptr[3] - '0' : -1;
	rows++;
	if (k < 0 || k >= KEYS || pane < 0 || pane >= PANES || !model[k][pane] || !str_eq(data, str_of(model[k][pane])))
		wrong++;
}

static void
check_model(struct store *s, const char *name)
{
	size_t want = 0;
	for (int k = 0; k < KEYS; k++)
		for (int p = 0; p < PANES; p++)
			want += model[k][p] != NULL;
	rows = wrong = 0;
	must(ckpt_load(s, row_model, NULL) == ERR_OK);
	ok(rows == want && wrong == 0, "%s: %zu rows of %zu, %zu wrong", name, rows, want, wrong);
}

/* Enough generations to be swept several times, with pruning in small and odd slices. */
static void
test_model(void)
{
	struct errinfo why = { 0 };
	struct store *s = store_open(tmp_new(), 0, &why);
	uint32_t x = 7;
	int64_t gen;
	bool more;

	must(s);
	for (int g = 0; g < 60; g++) {
		must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
		for (int i = 0; i < 9000; i++) {
			x = x * 1664525u + 1013904223u;
			int k = (int)(x >> 8) % KEYS, p = (int)(x >> 24) % PANES;
			char key[16], data[32];
			snprintf(key, sizeof key, "k%03d", k);
			snprintf(data, sizeof data, "%d/%d", g, i);
			bool drop = (x >> 20) % 8 == 0;
			put(s, CKPT_KEY, k % 2 ? "odd" : "even", key, p, drop ? NULL : data);
			free(model[k][p]);
			model[k][p] = drop ? NULL : xstrdup(data);
			if (i == 5000)
				must(ckpt_close_slice(s) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
		}
		must(ckpt_close_slice(s) == ERR_OK && ckpt_finish(s) == ERR_OK);
		for (int i = 0; i < 7; i++) /* a sweep goes on over several generations */
			must(ckpt_prune(s, 3001, &more) == ERR_OK);
		if (g % 20 == 19) {
			check_model(s, "while sweeping");
			s = reopen(s);
			check_model(s, "after a restart");
		}
	}
	for (int i = 0; i < 2; i++) {
		more = true;
		while (more)
			must(ckpt_prune(s, 10000, &more) == ERR_OK);
	}
	check_model(s, "all swept");
	store_close(s);
	for (int k = 0; k < KEYS; k++)
		for (int p = 0; p < PANES; p++)
			free(model[k][p]);
}

/* Figures, not judged: machines differ. */
static void
test_pace(void)
{
	struct errinfo why = { 0 };
	struct store *s = store_open(tmp_new(), 0, &why);
	char data[120], key[64];
	int64_t gen;

	must(s);
	memset(data, 7, sizeof data);
	for (int g = 0; g < 4; g++) {
		nsec t = mono_ns(), slice = t;
		int slices = 1;
		must(ckpt_begin(s, &gen) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
		for (int i = 0; i < 100000; i++) {
			int n = snprintf(key, sizeof key, "{\"extra.session_id\":\"%08x\"}", (unsigned)i * 2654435761u);
			must(ckpt_put(s, CKPT_KEY, STR("stuck-session"), (struct str){ key, (size_t)n }, g,
				(struct str){ data, sizeof data }) == ERR_OK);
			if (i % 64 == 0 && mono_ns() - slice > 15 * NS_PER_MS) {
				must(ckpt_close_slice(s) == ERR_OK && ckpt_open_slice(s) == ERR_OK);
				slice = mono_ns();
				slices++;
			}
		}
		must(ckpt_close_slice(s) == ERR_OK && ckpt_finish(s) == ERR_OK);
		printf("# 100000 rows in %d slices: %lld ms\n", slices, (long long)((mono_ns() - t) / NS_PER_MS));
		bool more = true;
		t = mono_ns();
		while (more)
			must(ckpt_prune(s, 5000, &more) == ERR_OK);
		printf("# pruned: %lld ms\n", (long long)((mono_ns() - t) / NS_PER_MS));
	}
	nsec t = mono_ns();
	rows = 0;
	must(ckpt_load(s, row_model, NULL) == ERR_OK);
	printf("# %zu rows loaded: %lld ms\n", rows, (long long)((mono_ns() - t) / NS_PER_MS));
	ok(rows == 400000, "four panes of each key");
	store_close(s);
}

int
main(void)
{
	buf_init(&seen, 1 << 20);
	test_generations();
	test_model();
	test_pace();
	buf_free(&seen);
	tmp_clear();
	return tap_done();
}
