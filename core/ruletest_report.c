/* ruletest_report.c - what came of the tests: lines for people, JUnit's XML for machines. */
#include "core/ruletest.h"

#include "core/json.h"

#include <stdio.h>

void
rt_report_test(const struct rt_file *f, const struct rt_test *t, struct buf *out)
{
	buf_printf(out, "%s %s: %s\n", t->failed ? "FAIL" : "ok  ", f->path, t->name);
	if (t->failed)
		buf_str_add(out, buf_str(&t->what));
}

/* XML 1.0 has no way to write most control characters at all. */
static void
xml(struct buf *out, struct str s, bool attr)
{
	while (s.len) {
		size_t good = utf8_valid(s);
		for (size_t i = 0; i < good; i++) {
			char c = s.ptr[i];
			switch (c) {
			case '&':
				buf_addz(out, "&amp;");
				break;
			case '<':
				buf_addz(out, "&lt;");
				break;
			case '>':
				buf_addz(out, "&gt;");
				break;
			case '"':
				buf_addz(out, "&quot;");
				break;
			case '\n':
				buf_addz(out, attr ? "&#10;" : "\n");
				break;
			default:
				buf_addc(out, (unsigned char)c < ' ' && c != '\t' ? '?' : c);
				break;
			}
		}
		s.ptr += good;
		s.len -= good;
		if (s.len) { /* not UTF-8 */
			buf_addc(out, '?');
			s.ptr++;
			s.len--;
		}
	}
}

static void
attribute(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, " %s=\"", name);
	xml(out, str_of(value), true);
	buf_addc(out, '"');
}

static void
suite(const struct rt_file *f, struct buf *out)
{
	size_t failed = 0, broken = 0, run = 0;
	double seconds = 0;
	for (size_t i = 0; i < f->ntest; i++) {
		if (f->test[i].skipped)
			continue;
		run++;
		broken += f->test[i].broken;
		failed += f->test[i].failed && !f->test[i].broken;
		seconds += f->test[i].seconds;
	}
	buf_addz(out, "  <testsuite");
	attribute(out, "name", f->path);
	buf_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" time=\"%.6f\">\n", run, failed, broken, seconds);
	for (size_t i = 0; i < f->ntest; i++) {
		const struct rt_test *t = &f->test[i];
		if (t->skipped)
			continue;
		buf_addz(out, "    <testcase");
		attribute(out, "classname", f->path);
		attribute(out, "name", t->name);
		attribute(out, "file", f->path);
		buf_printf(out, " line=\"%d\" time=\"%.6f\"", t->loc.line, t->seconds);
		if (t->failed) {
			const char *what = t->broken ? "error" : "failure";
			size_t from = t->what.len ? strspn(t->what.data, " ") : 0, n = t->what.len ? strcspn(t->what.data + from, "\n") : 0;
			buf_printf(out, ">\n      <%s message=\"", what);
			xml(out, (struct str){ t->what.data + from, n }, true);
			buf_addz(out, "\">");
			xml(out, buf_str(&t->what), false);
			buf_printf(out, "</%s>\n    </testcase>\n", what);
		} else {
			buf_addz(out, "/>\n");
		}
	}
	buf_addz(out, "  </testsuite>\n");
}

void
rt_report_junit(struct rt_file *const *f, size_t n, struct buf *out)
{
	buf_addz(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"weir\">\n");
	for (size_t i = 0; i < n; i++)
		suite(f[i], out);
	buf_addz(out, "</testsuites>\n");
}
