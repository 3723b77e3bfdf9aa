/* env.c - ${NAME}, ${NAME:-default} and $${ in the scalars of a document.
 *
 * The default holds where the variable is unset or empty, as in a shell; it ends at the first }. Names are
 * [A-Za-z_][A-Za-z0-9_]*. Nothing the environment gives is read again for further ${.
 */
#include "config/env.h"

#include <fnmatch.h>
#include <stdlib.h>

const char *const rule_env_default[] = { "MONITORING_*", "WEIR_*", NULL };

struct env {
	struct doc *doc;
	const struct strlist *allow;
	struct diags *d;
};

static bool
name_char(char c, bool first)
{
	return c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z') || (!first && c >= '0' && c <= '9');
}

static bool
allowed(const struct env *e, const char *name)
{
	if (e->allow == NULL)
		return true;
	for (size_t i = 0; i < e->allow->n; i++)
		if (fnmatch(e->allow->v[i], name, FNM_NOESCAPE) == 0)
			return true;
	return false;
}

static void
tell_allowed(const struct env *e, struct loc at, const char *name)
{
	struct buf b;
	buf_init(&b, 400);
	for (size_t i = 0; i < e->allow->n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", e->allow->v[i]);
	diag(e->d, at, "${%s}: a rule file may name only %s (rule_env in the configuration)", name,
		e->allow->n ? buf_z(&b) : "what rule_env lists, which is nothing");
	buf_free(&b);
}

/* The text of ${...} at p (past "${"), appended to out. Returns the byte past its }, or NULL: told. */
static const char *
variable(const struct env *e, const struct node *n, const char *p, struct buf *out)
{
	const char *end = p, *close;
	struct loc at = node_loc(n, (size_t)(p - 2 - n->raw));
	while (name_char(*end, end == p))
		end++;
	close = strchr(end, '}');
	if (end == p || close == NULL || (*end != '}' && strncmp(end, ":-", 2) != 0)) {
		diag(e->d, at, "expected ${NAME} or ${NAME:-default}; a literal ${ is written $${");
		return NULL;
	}
	char *name = xstrndup(p, (size_t)(end - p));
	const char *value = getenv(name), *past = close + 1;
	if (!allowed(e, name)) {
		tell_allowed(e, at, name);
		past = NULL;
	} else if (*end == ':')
		if (value && *value)
			buf_addz(out, value);
		else
			buf_add(out, end + 2, (size_t)(close - end - 2));
	else if (value)
		buf_addz(out, value);
	else {
		diag(e->d, at, "the environment has no %s; set it, or give a default: ${%s:-default}", name, name);
		past = NULL;
	}
	free(name);
	return past;
}

static void
expand(const struct env *e, struct node *n)
{
	struct buf out;
	bool good = true;

	if (strstr(n->raw, "${") == NULL)
		return;
	buf_init(&out, ENV_TEXT_MAX);
	for (const char *p = n->raw; *p;) {
		if (strncmp(p, "$${", 3) == 0) {
			buf_addz(&out, "${");
			p += 3;
		} else if (strncmp(p, "${", 2) == 0) {
			const char *past = variable(e, n, p + 2, &out);
			n->env = true;
			good = good && past != NULL;
			p = past ? past : p + 2;
		} else
			buf_addc(&out, *p++);
	}
	if (out.over) {
		diag(e->d, n->loc, "longer than %d bytes with its ${} replaced", ENV_TEXT_MAX);
		good = false;
	}
	n->bad = !good;
	if (good) {
		struct str s = buf_str(&out);
		n->s = arena_alloc(&e->doc->arena, s.len + 1);
		if (s.len)
			memcpy(n->s, s.ptr, s.len);
		n->s[s.len] = '\0';
	}
	if (out.cap)
		explicit_bzero(out.data, out.cap);
	buf_free(&out);
}

static void
walk(const struct env *e, struct node *n)
{
	if (n->kind == NODE_SCALAR)
		expand(e, n);
	for (size_t i = 0; i < n->n; i++)
		walk(e, n->item[i]);
}

void
env_expand(struct doc *doc, const struct strlist *allow, struct diags *d)
{
	struct env e = { doc, allow, d };
	if (doc && doc->root)
		walk(&e, doc->root);
}
