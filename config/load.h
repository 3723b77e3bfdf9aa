/* load.h - what the parts of the loader share while one configuration is read. Private to this folder. */
#ifndef WEIR_LOAD_H
#define WEIR_LOAD_H

#include "config/bind.h"
#include "config/config.h"

#define RULES_MAX 100000
#define SOURCES_MAX 64
#define SINKS_MAX 64
#define POLICY_MAX 256
#define NAME_MAX_BYTES 64   /* of a source or sink */
#define RULE_NAME_MAX 128

struct config_own { /* config.doc: memory that lives as long as the config */
	struct arena arena; /* texts of rules and policy */
	char **file;        /* names that struct loc points to */
	size_t nfile, cap_file;
	size_t cap_rule;
};

struct load {
	struct config *c;
	struct config_own *own;
	struct bind b;
	/* Names as given, also of entries with mistakes, so that one mistake is told once. */
	const char *source[SOURCES_MAX], *sink[SINKS_MAX];
	size_t nsource, nsink;
	bool rules_alone; /* there are no sources to check `from` against */
};

/* kinds.c: fill c->source, c->sink; tables are NULL-ended. */
void sources_load(struct load *l, const struct node *map, const struct kind *const *kinds);
void sinks_load(struct load *l, const struct node *map, const struct kind *const *kinds);
void kinds_free(struct config *c);

/* config.c: free a document, may be NULL; its name stays, as places in it are told later. */
void doc_done(struct load *l, struct doc *doc);

/* rules.c: append the rules of one document; then, once, what concerns all of them. */
void rules_load(struct load *l, const struct doc *doc);
void rules_finish(struct load *l);

/* policy.c */
void policy_load(struct load *l, const struct node *list);

/* A scalar's text and place, in the config's arena. False: told. */
bool text_take(struct load *l, const char *name, const struct node *v, struct text_at *out);

#endif
