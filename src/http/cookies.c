#include "http/cookies.h"

#include <string.h>

void fr_cookies_init(struct fr_cookies *c, struct fr_bytes text)
{
	c->p = text.p;
	c->end = text.p + text.len;
	c->more = true;
}

/* What str.strip() removes of Latin-1 text. */
static bool is_space(unsigned char c)
{
	return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0;
}

static struct fr_bytes strip(const char *p, const char *end)
{
	while (p < end && is_space((unsigned char)*p))
		p++;
	while (end > p && is_space((unsigned char)end[-1]))
		end--;
	return (struct fr_bytes){ p, (size_t)(end - p) };
}

bool fr_cookies_next(struct fr_cookies *c, struct fr_cookie *ret)
{
	while (c->more && c->p < c->end) {
		const char *p = c->p;
		const char *semi = memchr(p, ';', (size_t)(c->end - p));
		const char *end = semi ? semi : c->end;
		const char *eq = memchr(p, '=', (size_t)(end - p));

		c->more = semi;
		c->p = semi ? semi + 1 : c->end;
		ret->name = eq ? strip(p, eq) : (struct fr_bytes){ p, 0 };
		ret->value = strip(eq ? eq + 1 : p, end);
		if (!ret->name.len && !ret->value.len)
			continue;
		ret->quoted = ret->value.len >= 2 && ret->value.p[0] == '"' &&
		              ret->value.p[ret->value.len - 1] == '"';
		return true;
	}
	return false;
}
