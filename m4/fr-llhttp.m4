# FR_WITH_LLHTTP: llhttp by --with-llhttp=DIR (a folder with llhttp.h and the C
# sources, or a prefix), else by pkg-config, else from the C sources that
# Debian's node-llhttp installs.  Where sources are compiled, LLHTTP_SOURCES
# is their folder.  What was found is run, and a lenient one is refused: a
# parser that takes what a proxy before it reads differently is how requests
# are smuggled.
AC_DEFUN([FR_WITH_LLHTTP], [
AC_ARG_WITH([llhttp],
  [AS_HELP_STRING([--with-llhttp=DIR], [llhttp's C sources and header, or the prefix it is installed in])],
  [], [with_llhttp=no])
LLHTTP_SOURCES=
fr_llhttp_from=
AS_IF([test "x$with_llhttp" != xno && test "x$with_llhttp" != xyes], [
  AS_IF([test -f "$with_llhttp/include/llhttp.h" && test -f "$with_llhttp/src/llhttp.c"], [
      LLHTTP_SOURCES=$with_llhttp/src
      LLHTTP_CFLAGS="-I$with_llhttp/include"
    ], [test -f "$with_llhttp/llhttp.h" && test -f "$with_llhttp/llhttp.c"], [
      LLHTTP_SOURCES=$with_llhttp
      LLHTTP_CFLAGS="-I$with_llhttp"
    ], [test -f "$with_llhttp/include/llhttp.h"], [
      LLHTTP_CFLAGS="-I$with_llhttp/include"
      LLHTTP_LIBS="-L$with_llhttp/lib -Wl,-rpath,$with_llhttp/lib -lllhttp"
    ], [AC_MSG_ERROR([no llhttp.h with its C sources or library below $with_llhttp.])])
  fr_llhttp_from="$with_llhttp"
], [
  PKG_CHECK_MODULES([LLHTTP], [libllhttp], [fr_llhttp_from="pkg-config"], [
    AS_IF([test -f /usr/share/llhttp/llhttp.c && test -f /usr/share/include/llhttp/llhttp.h], [
      LLHTTP_SOURCES=/usr/share/llhttp
      LLHTTP_CFLAGS="-I/usr/share/include/llhttp"
      fr_llhttp_from="the sources in /usr/share/llhttp"
    ])
  ])
])
AS_IF([test "x$fr_llhttp_from" = x],
  [AC_MSG_ERROR([llhttp is missing: install the Debian package node-llhttp (its C sources are compiled) or give --with-llhttp=DIR.])])
AS_IF([test "x$LLHTTP_SOURCES" != x], [LLHTTP_CFLAGS="$LLHTTP_CFLAGS -DLLHTTP_STRICT_MODE=1"])

AC_MSG_CHECKING([that llhttp ($fr_llhttp_from) is strict])
fr_save_CFLAGS=$CFLAGS
fr_save_LIBS=$LIBS
CFLAGS="$CFLAGS -w $LLHTTP_CFLAGS"
LIBS="$LLHTTP_LIBS $LIBS"
# Sources can stand on the link line as they are, beside conftest.c.
AS_IF([test "x$LLHTTP_SOURCES" != x],
  [LIBS="$LLHTTP_SOURCES/api.c $LLHTTP_SOURCES/http.c $LLHTTP_SOURCES/llhttp.c $LIBS"])
AC_RUN_IFELSE([AC_LANG_SOURCE([[
#include <llhttp.h>
#include <stdio.h>
#include <string.h>
static int refuses(const char *text)
{
	llhttp_settings_t settings;
	llhttp_t parser;

	llhttp_settings_init(&settings);
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	return llhttp_execute(&parser, text, strlen(text)) != HPE_OK;
}

int main(void)
{
	/* The parser works at all. */
	if (refuses("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		return 2;
	/* Only a strict one refuses these two: chunk data that goes on past its size, a space in a field's name. */
	if (!refuses("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXY0\r\n\r\n"))
		return 1;
	if (!refuses("GET / HTTP/1.1\r\nA b: c\r\n\r\n"))
		return 1;
	return 0;
}
]])],
  [AC_MSG_RESULT([yes])],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([llhttp ($fr_llhttp_from) does not work or is lenient: FastrAPI needs it compiled with LLHTTP_STRICT_MODE=1 (version 8) or version 9.  Install the Debian package node-llhttp, whose C sources are then compiled, or give --with-llhttp=DIR.])],
  [AC_MSG_RESULT([not run: cross-compiling])])
CFLAGS=$fr_save_CFLAGS
LIBS=$fr_save_LIBS
AC_SUBST([LLHTTP_SOURCES])
AC_SUBST([LLHTTP_CFLAGS])
AC_SUBST([LLHTTP_LIBS])
AM_CONDITIONAL([LLHTTP_FROM_SOURCES], [test "x$LLHTTP_SOURCES" != x])
AM_COND_IF([LLHTTP_FROM_SOURCES], [
  AC_CONFIG_COMMANDS([llhttp], [
    AS_MKDIR_P([llhttp])
    for unit in api http llhttp; do
      # One line that includes the system's file: objects belong in the build tree.
      echo "#include \"$LLHTTP_SOURCES/$unit.c\"" > llhttp/$unit.c.new
      cmp -s llhttp/$unit.c.new llhttp/$unit.c && rm llhttp/$unit.c.new || mv llhttp/$unit.c.new llhttp/$unit.c
    done], [LLHTTP_SOURCES='$LLHTTP_SOURCES'])
])
])
