/* env_test.c - ${NAME}: what is replaced, what is refused, where it is told. */
#include "config/env.h"
#include "core/tap.h"

#include <stdlib.h>

static void
expands(const char *yaml, const struct strlist *allow, const char *want, const char *told)
{
	static unsigned run;
	struct diags d;
	diags_init(&d);
	struct doc *doc = doc_parse("f", str_of(yaml), &d);
	must(doc != NULL);
	env_expand(doc, allow, &d);
	struct node *v = node_get(doc->root, "a");
	ok(strcmp(v->s, want) == 0, "text %u", ++run);
	isz(buf_z(&d.text), told, *told ? "told" : "nothing told");
	ok(v->bad == (*told != '\0'), "a mistake marks the node");
	doc_free(doc);
	diags_free(&d);
}

int
main(void)
{
	char *names[] = { (char[]){ "MONITORING_*" }, (char[]){ "ONE" } };
	const struct strlist allow = { names, 2 }, none = { 0 };

	setenv("ONE", "1", 1);
	setenv("EMPTY", "", 1);
	setenv("MONITORING_X", "${ONE}", 1);
	unsetenv("UNSET");
	expands("a: x${ONE}y${ONE}", NULL, "x1y1", "");
	expands("a: ${UNSET:-d e}f", NULL, "d ef", "");
	expands("a: ${EMPTY:-d}${EMPTY}", NULL, "d", "");
	expands("a: ${UNSET:-}", NULL, "", "");
	expands("a: $${ONE} $$ $x $", NULL, "${ONE} $$ $x $", "");
	expands("a: $$${ONE}", NULL, "$${ONE}", "");
	expands("a: ${MONITORING_X}", NULL, "${ONE}", "");
	expands("a: ${MONITORING_X}${ONE}", &allow, "${ONE}1", "");
	expands("a: x ${UNSET}", NULL, "x ${UNSET}", "f:1:6: the environment has no UNSET; set it, or give a default: ${UNSET:-default}\n");
	expands("a: '${ONE} ${}'", NULL, "${ONE} ${}",
		"f:1:12: expected ${NAME} or ${NAME:-default}; a literal ${ is written $${\n");
	expands("a: ${ONE-x}", NULL, "${ONE-x}", "f:1:4: expected ${NAME} or ${NAME:-default}; a literal ${ is written $${\n");
	expands("a: ${1A}", NULL, "${1A}", "f:1:4: expected ${NAME} or ${NAME:-default}; a literal ${ is written $${\n");
	expands("a: ${ONE", NULL, "${ONE", "f:1:4: expected ${NAME} or ${NAME:-default}; a literal ${ is written $${\n");
	expands("a: |\n  x\n   ${EMPTY}", &allow, "x\n ${EMPTY}",
		"f:3:4: ${EMPTY}: a rule file may name only MONITORING_*, ONE (rule_env in the configuration)\n");
	expands("a: ${UNSET:-x}", &none, "${UNSET:-x}",
		"f:1:4: ${UNSET}: a rule file may name only what rule_env lists, which is nothing (rule_env in the configuration)\n");
	return tap_done();
}
