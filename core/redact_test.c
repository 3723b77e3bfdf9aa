/* redact_test.c - what must vanish, what must stay, and that cut or hostile text harms nothing. */
#include "core/redact.h"

#include "core/tap.h"

#include <stdlib.h>

static char *names[] = { (char[]){ "password" }, (char[]){ "token" }, (char[]){ "api_key" }, (char[]){ "authorization" },
	(char[]){ "secret" }, (char[]){ "my key" } };
static struct redact *r;

static void
gives(const char *in, const char *want)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	redact_text(r, str_of(in), &b);
	is(buf_str(&b), str_of(want), in);
	buf_free(&b);
}

static void
fields(void)
{
	gives("{\"password\":\"hunter2\",\"a\":1}", "{\"password\":\"[Filtered]\",\"a\":1}");
	gives("{\"PassWord\" : 12345 , \"a\":1}", "{\"PassWord\" : \"[Filtered]\" , \"a\":1}");
	gives("{\"a\":{\"b\":[{\"token\":{\"x\":[1,\"}\"]}}]},\"c\":2}", "{\"a\":{\"b\":[{\"token\":\"[Filtered]\"}]},\"c\":2}");
	gives("{\"db.password\":\"p\",\"mypassword\":\"stays\"}", "{\"db.password\":\"[Filtered]\",\"mypassword\":\"stays\"}");
	gives("{\"pass\\u0077ord\":\"p\"}", "{\"pass\\u0077ord\":\"[Filtered]\"}");
	gives("{\"my key\":null}", "{\"my key\":\"[Filtered]\"}");
	gives("{\"password\":\"a\\\"b\\\\\",\"c\":\"d\"}", "{\"password\":\"[Filtered]\",\"c\":\"d\"}");
	gives("{\"x\":\"password\",\"y\":\"secret\"}", "{\"x\":\"password\",\"y\":\"secret\"}");
	gives("{\"m\":\"{\\\"password\\\":\\\"p\\\",\\\"n\\\":1}\"}", "{\"m\":\"{\\\"password\\\":\\\"[Filtered]\\\",\\\"n\\\":1}\"}");
	gives("{\"m\":\"{\\\"password\\\":12}\",\"n\":1}", "{\"m\":\"{\\\"password\\\":\\\"[Filtered]\\\"}\",\"n\":1}");
	gives("{\"m\":\"{\\\"i\\\":\\\"{\\\\\\\"secret\\\\\\\":\\\\\\\"s\\\\\\\"}\\\"}\"}",
		"{\"m\":\"{\\\"i\\\":\\\"{\\\\\\\"secret\\\\\\\":\\\\\\\"[Filtered]\\\\\\\"}\\\"}\"}");
	gives("login password=hunter2 user=bob", "login password=[Filtered] user=bob");
	gives("GET /x?token=abc&y=1 secret=\"a b\" done", "GET /x?token=[Filtered]&y=1 secret=\"[Filtered]\" done");
	gives("{'password': 'it\\'s', 'n': 1}", "{'password': '[Filtered]', 'n': 1}");
	gives("unexpected token: } at 3", "unexpected token: } at 3");
}

static void
always(void)
{
	gives("Authorization: Bearer abc.DEF-1~2+/==, x", "Authorization: Bearer [Filtered], x");
	gives("{\"h\":\"bearer  xyz\"}", "{\"h\":\"bearer  [Filtered]\"}");
	gives("Bearer", "Bearer");
	gives("https://u:p@host/x https://host/a@b", "https://[Filtered]@host/x https://host/a@b");
	gives("{\"u\":\"redis:\\/\\/:pw@h:1\\/0\"}", "{\"u\":\"redis:\\/\\/[Filtered]@h:1\\/0\"}");
	gives("x -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- y", "x [Filtered] y");
	gives("{\"k\":\"-----BEGIN PRIVATE KEY-----\\nMII\",\"n\":1}", "{\"k\":\"[Filtered]\",\"n\":1}");
	gives("x-----BEGIN EC PRIVATE KEY-----\nMII", "x[Filtered]");
	gives("-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----");
}

static void
cut(void)
{
	gives("{\"password\":\"hunt", "{\"password\":\"[Filtered]\"");
	gives("{\"password\":", "{\"password\":");
	gives("{\"password", "{\"password");
	gives("{\"token\":{\"a\":[1", "{\"token\":\"[Filtered]\"");
	gives("", "");
	/* no prefix of a text with a secret may show the secret's last byte */
	static const char whole[] = "a {\"m\":\"{\\\"password\\\":\\\"QQQQ\\\"}\",\"token\":\"QQQQ\"} Bearer QQQQ password=QQQQ";
	bool shown = false;
	for (size_t n = 0; n < sizeof whole; n++) {
		struct buf b;
		buf_init(&b, 4096);
		redact_text(r, (struct str){ whole, n }, &b);
		shown = shown || str_has(buf_str(&b), STR("Q"));
		buf_free(&b);
	}
	ok(!shown, "every prefix hides what it holds");
	struct buf b;
	buf_init(&b, 8 << 20);
	char *big = xmalloc(1 << 20);
	memset(big, '"', 1 << 20);
	redact_text(r, (struct str){ big, 1 << 20 }, &b);
	ok(b.len == 1 << 20, "a megabyte of quotes passes through");
	buf_clear(&b);
	memset(big, '\\', 1 << 20);
	redact_text(r, (struct str){ big, 1 << 20 }, &b);
	ok(b.len == 1 << 20, "a megabyte of backslashes passes through");
	free(big);
	buf_free(&b);
}

int
main(void)
{
	r = redact_new(&(struct strlist){ names, COUNT_OF(names) });
	fields();
	always();
	cut();
	ok(redact_field(r, STR("password")) && redact_field(r, STR("a.b.PASSWORD")) && redact_field(r, STR("x[\"my key\"]")),
		"a field is secret by its last segment");
	ok(!redact_field(r, STR("passwords")) && !redact_field(r, STR("password.age")) && !redact_field(r, STR("")),
		"and by the last only");
	redact_free(r);
	return tap_done();
}
