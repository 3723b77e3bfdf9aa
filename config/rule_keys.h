/* rule_keys.h - the keys of a rule and the shapes they belong to. Private to this folder: rules.c reads the keys,
 * rule_check.c tells what does not go together.
 */
#ifndef WEIR_RULE_KEYS_H
#define WEIR_RULE_KEYS_H

#include "config/load.h"

#define BY_MAX 16
#define TEXTS_MAX 64
#define EXPECT_MAX 10000

enum shape { RECORD = 1, WINDOW = 2, PAIR = 4, ABSENT = 8, FIRST = 16, ANY = 31 };
#define SHAPES_N 5

enum key_type {
	KEY_TEXT,   /* struct text_at */
	KEY_TEXTS,  /* struct text_at * and its count: a list, or one */
	KEY_COND,   /* struct cond_def: one, or a map by level */
	KEY_DUR,    /* nsec > 0 */
	KEY_DUR0,   /* nsec >= 0 */
	KEY_FOR,    /* nsec[LEVELS] */
	KEY_BOOL, KEY_INT, KEY_SEVERITY, KEY_NO_DATA,
	KEY_LABELS, KEY_REGEX,
	KEY_LATER   /* read once `by` is known */
};

struct rule_key {
	const char *name;
	enum key_type type;
	unsigned shapes, needed; /* enum shape: where it may stand, where it must */
	size_t off, noff;
	int64_t max;
};

const struct rule_key *rule_key_find(const char *name);
extern const struct rule_key rule_keys[];
extern const size_t nrule_keys;

/* The one shape that the keys of map name, or 0: told (but for a misspelt key, which is told already). */
unsigned rule_shape(struct load *l, const struct node *map, bool unknown);
/* All that can be wrong between the keys of one rule, and in its names; reads `expect`. False: told. */
bool rule_check(struct load *l, struct rule_def *r, const struct node *map, unsigned shape, bool unknown);
/* What a broken rule lacks of its shape, so that the rest of it is checked as what it was meant to be. */
void rule_stand_in(struct rule_def *r, unsigned shape);

#endif
