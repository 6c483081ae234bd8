# FR_CHECK_CFLAG(FLAG): adds FLAG to FR_CFLAGS if the compiler takes it.
AC_DEFUN([FR_CHECK_CFLAG], [
fr_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS -Werror $1"
AC_MSG_CHECKING([whether $CC takes $1])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
  [AC_MSG_RESULT([yes]); FR_CFLAGS="$FR_CFLAGS $1"],
  [AC_MSG_RESULT([no])])
CFLAGS=$fr_save_CFLAGS
])

# FR_CHECK_LIB(VAR, HEADER, LIBRARY, FUNCTION, NAME, DEBIAN-PACKAGE): a
# library without pkg-config file.  Sets VAR_CFLAGS and VAR_LIBS; both may be
# given from outside.
AC_DEFUN([FR_CHECK_LIB], [
AC_ARG_VAR([$1_CFLAGS], [compiler flags for $5])
AC_ARG_VAR([$1_LIBS], [linker flags for $5])
fr_save_CPPFLAGS=$CPPFLAGS
fr_save_LIBS=$LIBS
CPPFLAGS="$CPPFLAGS $$1_CFLAGS"
AC_CHECK_HEADER([$2], [],
  [AC_MSG_ERROR([$5 is missing (no $2): install the Debian package $6.])])
AS_IF([test "x$$1_LIBS" = x], [$1_LIBS="-l$3"])
LIBS="$$1_LIBS $LIBS"
AC_MSG_CHECKING([for $4 in $$1_LIBS])
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stddef.h>
#include <$2>]], [[return (void *)&$4 == NULL;]])],
  [AC_MSG_RESULT([yes])],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([$5 does not link or is too old: install the Debian package $6.])])
CPPFLAGS=$fr_save_CPPFLAGS
LIBS=$fr_save_LIBS
])
