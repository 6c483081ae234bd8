# FR_WITH_SANITIZER: --with-sanitizer=address,undefined.  The flags go into
# SANITIZER_CFLAGS, which the Makefile adds; CFLAGS and LDFLAGS stay as they
# are, so that configure's own test programs link and run without a runtime.
AC_DEFUN([FR_WITH_SANITIZER], [
AC_ARG_WITH([sanitizer],
  [AS_HELP_STRING([--with-sanitizer=LIST], [build with these sanitizers (address,undefined by default)])],
  [], [with_sanitizer=no])
SANITIZER_CFLAGS=
AS_CASE([$with_sanitizer],
  [no], [with_sanitizer=],
  [yes], [with_sanitizer=address,undefined])
AS_IF([test "x$with_sanitizer" != x], [
  SANITIZER_CFLAGS="-fsanitize=$with_sanitizer -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
  fr_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $SANITIZER_CFLAGS"
  AC_MSG_CHECKING([whether $CC links with -fsanitize=$with_sanitizer])
  AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([$CC has no runtime for -fsanitize=$with_sanitizer: install the Debian package libgcc-12-dev (gcc) or libclang-rt-14-dev (clang).])])
  CFLAGS=$fr_save_CFLAGS
  AC_DEFINE_UNQUOTED([FR_SANITIZER], ["$with_sanitizer"], [the sanitizers of this build])
])
AC_SUBST([SANITIZER_CFLAGS])
AM_CONDITIONAL([SANITIZED], [test "x$with_sanitizer" != x])
])

# FR_WITH_FUZZER: --with-fuzzer builds tests/fuzz with libFuzzer (clang).  Without
# it the same targets are linked with replay.c, which feeds them the corpus:
# that is what `make check` runs.
AC_DEFUN([FR_WITH_FUZZER], [
AC_ARG_WITH([fuzzer],
  [AS_HELP_STRING([--with-fuzzer], [link the fuzz targets with libFuzzer (needs CC=clang)])],
  [], [with_fuzzer=no])
FUZZER_CFLAGS=
FUZZER_LDFLAGS=
fr_fuzzer="replay of the corpus"
AS_IF([test "x$with_fuzzer" != xno], [
  fr_fuzzer=libFuzzer
  FUZZER_CFLAGS="-fsanitize=fuzzer-no-link"
  FUZZER_LDFLAGS="-fsanitize=fuzzer"
  fr_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $FUZZER_LDFLAGS"
  AC_MSG_CHECKING([whether $CC links with libFuzzer])
  AC_LINK_IFELSE([AC_LANG_SOURCE([[#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return p && n ? 0 : 0; }]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([libFuzzer comes with clang: install the Debian packages clang and libclang-rt-14-dev and configure with CC=clang.])])
  CFLAGS=$fr_save_CFLAGS
])
AC_SUBST([FUZZER_CFLAGS])
AC_SUBST([FUZZER_LDFLAGS])
AM_CONDITIONAL([FUZZER], [test "x$with_fuzzer" != xno])
])
