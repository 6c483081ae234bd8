#!/bin/sh
# The reference in docs/ is what the daemon prints: `make docs` brings it up to date.
failed=0
compare() { # NUMBER FORMAT FILE
	if ./fastrapid --reference "$2" | diff -u "$srcdir/$3" - >&2; then
		echo "ok $1 - $3"
	else
		echo "not ok $1 - $3"
		failed=1
	fi
}
: "${srcdir:=.}"
compare 1 md docs/configuration.md
compare 2 man docs/fastrapid.8
exit $failed
