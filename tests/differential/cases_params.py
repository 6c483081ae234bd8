"""Path, query, header and cookie parameters: what is taken, and what is refused."""

from __future__ import annotations

from cases import Group, get

GROUP = Group("params")
UUID = "12345678-1234-5678-1234-567812345678"


def gets(feature: str, *targets: str | bytes) -> None:
    GROUP.add(feature, *(get(target) for target in targets))


# Path
gets("path-int", *(f"/path/int/{v}" for v in ("0", "-1", "007", "+5", "1_000", "12345678901234567890123", "%31")))
gets("path-int-invalid", *(f"/path/int/{v}" for v in ("a", "1.5", "1.0", "1e3", "%20", "0x10", "--1", "1_", "9" * 5000)))
gets("path-float", *(f"/path/float/{v}" for v in ("1", "1e-7", "1e400", "-0.0", "nan", "Infinity", ".5", "5.")))
gets("path-float-invalid", *(f"/path/float/{v}" for v in ("x", "1,5", "1e", "0x1p3", "%C3%A9")))
gets("path-bool", *(f"/path/bool/{v}" for v in ("true", "False", "1", "0", "on", "OFF", "yes", "n", "T", "f")))
gets("path-bool-invalid", *(f"/path/bool/{v}" for v in ("2", "tru", "-1", "none", "1.0")))
gets(
    "path-str",
    *(f"/path/str/{v}" for v in ("a", "%20", "a%2Bb", "a+b", "%E2%82%AC", "a;b=c", "%25", "%2525", "a:b@c", "%7e~")),
)
gets("path-str-odd", b"/path/str/%FF", b"/path/str/%C3%28", b"/path/str/a%00b", b"/path/str/%ED%A0%80", b"/path/str/%")
gets("path-str-odd", b"/path/str/%zz", b"/path/str/a%2Fb", b"/path/str/", b"/path/str", b"/path/str/%F0%9F%98%80")
gets("path-uuid", f"/path/uuid/{UUID}", f"/path/uuid/{UUID.replace('-', '')}", f"/path/uuid/%7B{UUID}%7D", f"/path/uuid/urn:uuid:{UUID}", f"/path/uuid/{UUID.upper()}")
gets("path-uuid-invalid", *(f"/path/uuid/{v}" for v in ("1", UUID[:-1], UUID + "0", UUID.replace("1", "g"), "-")))
gets("path-enum", "/path/color/red", "/path/color/dark%20blue", "/path/level/1", "/path/level/10", "/path/level/+1")
gets("path-enum-invalid", "/path/color/Red", "/path/color/dark+blue", "/path/level/2", "/path/level/low", "/path/level/1.0")
gets("path-literal", "/path/literal/a", "/path/literal/b", "/path/literal/1", "/path/literal/A", "/path/literal/2")
gets("path-bounded", *(f"/path/bounded/{v}" for v in ("5", "100", "50", "10", "+15")))
gets("path-bounded-invalid", *(f"/path/bounded/{v}" for v in ("0", "-5", "105", "7", "x")))
gets("path-default-style", *(f"/path/default-style/{v}" for v in ("1", "9", "0", "10", "x")))
gets("path-two", "/path/two/a/1", "/path/two/1/1", "/path/two/a/b", "/path/two/a", "/path/two/a/1/2", "/path/two//1")
gets("path-aliased", "/path/aliased/ab", "/path/aliased/abc", "/path/aliased/a", "/path/aliased/A1", "/path/aliased/a1")
gets("path-any", "/path/any/1", "/path/any/x%2Cy", "/path/any/null")

# Query
gets("query-int", *(f"/query/int?q={v}" for v in ("1", "-7", "%2B3", "1_0", "+4", "0", "99999999999999999999")))
gets("query-int-invalid", "/query/int", "/query/int?", "/query/int?q", "/query/int?q=", "/query/int?q=a", "/query/int?q=1.5", "/query/int?Q=1", "/query/int?q=1.0")
gets("query-int-repeat", "/query/int?q=1&q=2", "/query/int?q=1&q=x", "/query/int?q=x&q=1", "/query/int?q=1&r=2", "/query/int?q=1;q=2")
ODD = ("%D9%A3", "%EF%BC%91", "1%0A", "%091", "%C2%A01", "1%00", "-%201", "-0", "+-1", "_1", "1.", "1.00", "0.0", "-0.0", "1.0000000000000000001", "1e5", "0b1", "1%2E0", "9" * 4299, "9" * 4301, "-" + "9" * 20, "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1__0", "0_1", "00", "%E2%88%921", "True")
gets("query-int-odd", *(f"/query/int?q={v}" for v in ODD))
gets("path-int-odd", *(f"/path/int/{v}" for v in ODD))
gets("query-float-odd", *(f"/query/float?q={v}" for v in ODD))
gets("query-parsing", "/query/int?q=1&" + "&".join(f"k{n}={n}" for n in range(1500)), "/query/list?" + "&".join(f"q={n}" for n in range(1200)), "/query/str?q=" + "a" * 6000, "/query/str?a=b&q=%E2%82", "/query/str?q=%C0%AF", "/query/str?q=%F4%90%80%80", "/query/str?q=a%", "/query/str?q=%a", "/query/str?q=%u1234", "/query/str?q=%2525", "/query/str?q=a==b", "/query/str?q==", "/query/str?q=&q=x", "/query/str?q=x&q=", "/query/str?%C3%A9=1&q=2")
gets("query-float", *(f"/query/float?q={v}" for v in ("1e-7", "1e400", "-1e400", "NaN", "inf", "-Infinity", "0.1", "1_0.5")))
gets("query-float-invalid", *(f"/query/float?q={v}" for v in ("", "a", "1e", "1,0", "1__0")), "/query/float")
gets("query-bool", *(f"/query/bool?q={v}" for v in ("true", "TRUE", "y", "off", "0", "1")), "/query/bool")
gets("query-bool-invalid", *(f"/query/bool?q={v}" for v in ("", "2", "+true", "null", "yess")))
gets("query-str", *(f"/query/str?q={v}" for v in ("a+b", "a%20b", "%2B", "a;b", "a%26b", "", "%C3%A9", "%F0%9F%98%80", "a=b", "%")))
gets("query-str-odd", b"/query/str?q=%FF", b"/query/str?q=%ED%A0%80", b"/query/str?q=%zz", b"/query/str?q=%00")
gets("query-str-odd", "/query/str?q", "/query/str?&&q=1", "/query/str?=1", "/query/str?q=1&", "/query/str?%71=1", "/query/str?q[]=1", "/query/str??q=1", "/query/str?q=a?b")
gets("query-optional", "/query/optional", "/query/optional?q=1", "/query/optional?r=2&q=1", "/query/optional?r=", "/query/optional?q=", "/query/optional?q=None", "/query/optional?q=null", "/query/optional?q=x&r=y", "/query/optional?x=1")
gets("query-required-optional", "/query/required-optional", "/query/required-optional?q=3", "/query/required-optional?q=", "/query/required-optional?q=null")
gets("query-constrained", "/query/constrained", "/query/constrained?q=abc", "/query/constrained?q=ab+c", "/query/constrained?q=abcde&n=1e3", "/query/constrained?n=0.001")
gets("query-constrained-invalid", "/query/constrained?q=ab", "/query/constrained?q=abcdef", "/query/constrained?q=ABC", "/query/constrained?n=0", "/query/constrained?q=&n=1001", "/query/constrained?n=nan", "/query/constrained?q=%C3%A9%C3%A9%C3%A9")
gets("query-default-style", "/query/default-style?n=0", "/query/default-style?q=x&n=1", "/query/default-style?q=&n=1", "/query/default-style", "/query/default-style?q=123456789", "/query/default-style?n=-1", "/query/default-style?n=-1&q=123456789", "/query/default-style?q=x")
gets("query-alias", "/query/alias?item-query=3", "/query/alias?q=3", "/query/alias?item_query=3", "/query/alias?item-query=x", "/query/alias?item%2Dquery=4", "/query/alias")
gets("query-validation-alias", "/query/validation-alias?va=3", "/query/validation-alias?q=3", "/query/validation-alias?va=x", "/query/validation-alias")
gets("query-list", "/query/list", "/query/list?q=1", "/query/list?q=1&q=2&q=3", "/query/list?q=3&x=1&q=2", "/query/list?q=%31")
gets("query-list-invalid", "/query/list?q=", "/query/list?q=1&q=x", "/query/list?q=x&q=y&q=1", "/query/list?q=1,2", "/query/list?q=[1]")
gets("query-list-required", "/query/list-required?q=", "/query/list-required?q=a&q=a", "/query/list-required", "/query/list-required?r=1", "/query/list-required?q=a&q=")
gets("query-list-bounded", "/query/list-bounded", "/query/list-bounded?q=a&q=b", "/query/list-bounded?q=a&q=b&q=c", "/query/list-bounded?q=a", "/query/list-bounded?q=a&q=b&q=c&q=d")
gets("query-set", "/query/set", "/query/set?q=2&q=1&q=2", "/query/set?q=x&q=1", "/query/set?q=1", "/query/set?q=")
gets("query-tuple", "/query/tuple?q=1&q=a", "/query/tuple?q=1", "/query/tuple?q=1&q=a&q=b", "/query/tuple?q=a&q=1", "/query/tuple")
gets("query-union", *(f"/query/union?q={v}" for v in ("1", "1.0", "1.5", "x", "1e3", "")), "/query/union")
gets("query-datetime-or-str", *(f"/query/datetime-or-str?q={v}" for v in ("2024-01-02T03:04:05", "2024-01-02", "1700000000", "today", "", "2024-01-02T03:04:05%2B02:00", "2024-13-02")), "/query/datetime-or-str")
gets("query-int-or-enum", *(f"/query/int-or-color?q={v}" for v in ("1", "red", "dark%20blue", "blue", "")), "/query/int-or-color")
gets("query-enum", "/query/color", "/query/color?q=red&n=10", "/query/color?q=dark+blue", "/query/color?n=1", "/query/color?q=dark%20blue&n=1")
gets("query-enum-invalid", "/query/color?q=blue", "/query/color?q=", "/query/color?n=2", "/query/color?n=x&q=x", "/query/color?n=")
gets("query-literal", "/query/literal", "/query/literal?q=two", "/query/literal?q=three", "/query/literal?q=", "/query/literal?q=ONE")
gets("query-dates", "/query/dates", "/query/dates?at=2024-02-29T12:00:00Z", "/query/dates?on=2024-02-29", "/query/dates?clock=23:59:59.5", "/query/dates?span=P1DT2H", "/query/dates?span=90061.5", "/query/dates?at=0", "/query/dates?on=1700006400", "/query/dates?clock=12:00%2B01:00", "/query/dates?span=-3%20days,%2001:00")
gets("query-dates-invalid", "/query/dates?at=2023-02-29T12:00:00Z", "/query/dates?on=2024-02-30", "/query/dates?clock=24:00", "/query/dates?span=P", "/query/dates?at=&on=&clock=&span=", "/query/dates?on=2024-02-29T12:00", "/query/dates?at=2024-01-01T00:00+02:00")
gets("query-decimal", *(f"/query/decimal?q={v}" for v in ("1", "1.50", "-0.01", "9999.99", "1e2", "0001.5")))
gets("query-decimal-invalid", *(f"/query/decimal?q={v}" for v in ("1.005", "12345.67", "x", "", "NaN", "Infinity", "1e10")))
gets("query-bytes", "/query/bytes?q=a", "/query/bytes?q=%C3%A9", "/query/bytes?q=%FF", "/query/bytes", "/query/bytes?q=")
gets("query-json", "/query/json?q=[1,2]", "/query/json?q=%5B%5D", "/query/json?q=[1,%22x%22]", "/query/json?q=x", "/query/json?q=", "/query/json", "/query/json?q={}")
gets("query-any", "/query/any?q=1", "/query/any?q=1&r=2&s=4", "/query/any", "/query/any?q=&s=", "/query/any?q=1&q=2")
gets("query-function", "/query/function?q=abc", "/query/function?q=", "/query/function?q=abcde", "/query/function", "/query/function?q=%C3%9F")
gets("query-strict", "/query/strict?q=1", "/query/strict?q=x", "/query/strict")
gets("query-factory", "/query/factory", "/query/factory", "/query/factory?q=9", "/query/factory?q=x")
gets("query-many", "/query/many?a=1&b=2&c=1&d=x", "/query/many?a=1&b=2&c=1&d=x&e=1&e=2&f=red", "/query/many", "/query/many?a=x&b=x&c=x&d=x&e=x&f=x", "/query/many?d=1&c=0&b=1e3&a=9")
gets("query-model", "/query/model", "/query/model?limit=5&offset=2&order_by=updated&tags=a&tags=b", "/query/model?tags=", "/query/model?x=1", "/query/model?limit=1&limit=2")
gets("query-model-invalid", "/query/model?limit=0", "/query/model?limit=101&offset=-1", "/query/model?order_by=x", "/query/model?limit=", "/query/model?limit=a&tags=1")
gets("query-model-forbid", "/query/model-forbid", "/query/model-forbid?limit=5", "/query/model-forbid?x=1", "/query/model-forbid?x=1&x=2&limit=a", "/query/model-forbid?tags=a&tags=b")
gets("query-model-allow", "/query/model-allow", "/query/model-allow?a=2&b=3", "/query/model-allow?b=3&b=4&c=", "/query/model-allow?a=x", "/query/model-allow?a=")
gets("query-model-alias", "/query/model-alias?the-first=1", "/query/model-alias?the-first=1&zweite=2", "/query/model-alias?first=1", "/query/model-alias", "/query/model-alias?the-first=x&second=1")

# Header
H = GROUP.add
H("header-str", *(get("/header/str", ("X-Token", v)) for v in ("a", "", "  padded", b"caf\xe9", b"\xc3\xa9", "a,b", 'q"uoted"')))
H("header-str", get("/header/str", ("x-token", "lower")), get("/header/str", ("X-TOKEN", "upper")), get("/header/str", ("x_token", "under")))
H("header-str", get("/header/str"), get("/header/str", ("X-Token", "1"), ("X-Token", "2")), get("/header/str?x_token=1"), get("/header/str", ("X-Tokens", "1")))
H("header-optional", get("/header/optional"), get("/header/optional", ("User-Agent", "diff/1.0")), get("/header/optional", ("X-N", "5")), get("/header/optional", ("X-N", "")), get("/header/optional", ("X-N", "five")), get("/header/optional", ("User-Agent", "a"), ("User-Agent", "b")))
H("header-int", *(get("/header/int", ("X-Count", v)) for v in ("0", "10", "+3", "1_0", " 7 ")))
H("header-int-invalid", *(get("/header/int", ("X-Count", v)) for v in ("-1", "11", "x", "", "1.5")), get("/header/int"))
H("header-list", get("/header/list"), get("/header/list", ("X-Item", "1")), get("/header/list", ("X-Item", "1"), ("x-item", "2")), get("/header/list", ("X-Item", "1, 2")), get("/header/list", ("X-Item", "1"), ("X-Item", "x")), get("/header/list", ("X-Item", "")))
H("header-list-str", get("/header/list-str"), get("/header/list-str", ("X-Item", "a, b"), ("X-Item", "c")), get("/header/list-str", ("X-Item", "")), get("/header/list-str", ("X-Item", b"\xff")), get("/header/list-str", ("X-Other", "1")))
H("header-underscore", get("/header/underscore", ("strange_header", "a")), get("/header/underscore", ("strange-header", "a")), get("/header/underscore"))
H("header-alias", get("/header/alias", ("x-other-name", "a")), get("/header/alias", ("value", "a")), get("/header/alias"))
H("header-model", get("/header/model", ("Save-Data", "1")), get("/header/model", ("Save-Data", "no"), ("If-Modified-Since", "x"), ("X-Tag", "a"), ("X-Tag", "b")), get("/header/model"), get("/header/model", ("save_data", "1")), get("/header/model", ("Save-Data", "maybe")))
H("header-model-forbid", get("/header/model-forbid", ("X-Only", "1")), get("/header/model-forbid"), get("/header/model-forbid", ("X-Only", "a"), ("Other", "1")))

# Cookie
H("cookie-str", get("/cookie/str"), *(get("/cookie/str", ("Cookie", v)) for v in ("session=a", 'session="a b"', "session=", "session", "a=1; session=b", "a=1;session=b", " session = c ", 'session="a\\"b"', 'session="\\303\\251"')))
H("cookie-str", *(get("/cookie/str", ("Cookie", v)) for v in ("session=a=b", "session=1; session=2", "SESSION=x", "session=a%20b", "session=a,b", ";;session=1", "=x; session=1", b"session=\xe9", "session='x'", 'session="\\101\\x"', 'session="a\\\\b"', 'session="\\400"', 'se"ss=1; session=2', "session = x y ;b=1", "a b=1; session=2", "session=1,b=2", "session=a\\b", "__Host-x=1; session=3", "session=" + "x" * 4000, "$Path=/; session=1", 'session="x; y"', 'session="open', "session=a\tb")))
H("cookie-str", get("/cookie/str", ("Cookie", "a=1"), ("Cookie", "session=2")), get("/cookie/str", ("Cookie", "session=1"), ("Cookie", "session=2")), get("/cookie/str", ("Cookie", "")))
H("cookie-int", *(get("/cookie/int", ("Cookie", f"n={v}")) for v in ("1", "-1", '"5"', "0005", "+1")))
H("cookie-int-invalid", *(get("/cookie/int", ("Cookie", f"n={v}")) for v in ("", "x", "1.5", '"a"', "1 2")), get("/cookie/int"))
H("cookie-two", get("/cookie/two", ("Cookie", "a=1; b=2")), get("/cookie/two", ("Cookie", "b=1234")), get("/cookie/two", ("Cookie", "a=1")), get("/cookie/two"), get("/cookie/two", ("Cookie", "a=1; b=")))
H("cookie-alias", get("/cookie/alias", ("Cookie", "my-cookie=1")), get("/cookie/alias", ("Cookie", "v=1")), get("/cookie/alias"))
H("cookie-model", get("/cookie/model", ("Cookie", "session=a")), get("/cookie/model", ("Cookie", "session=a; tracker=1")), get("/cookie/model", ("Cookie", "session=a; x=1")), get("/cookie/model", ("Cookie", "tracker=x")), get("/cookie/model"))

# All of them
H("mixed", get("/mixed/1?b=2", ("X-C", "3"), ("Cookie", "d=4")), get("/mixed/x?b=x&e=x", ("X-C", "x"), ("Cookie", "d=x")), get("/mixed/1"), get("/mixed/1?b=2&e=dark%20blue", ("X-C", "3"), ("Cookie", "d=4")), get("/mixed/x?b=1"))
